"""One target of a scoring run: reasons for not scoring, probabilities, amounts, list order."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.build import Built
from features.engine import map_partitions
from features.errors import ModelNotFoundError
from features.project import Project
from features.staging import Staged
from models.registry import LoadedModel, Registry
from models.targets import not_scored_reason
from models.value import bands_of, expected_gain, expected_revenue_at_risk
from serving.contacts import Contacts
from serving.entries import (
    NO_AMOUNTS,
    NO_PAST_INCREASE,
    Listing,
    Scored,
    not_scored_entry,
    scored_entries,
)
from serving.gains import median_increase
from serving.lifetimes import Lifetimes
from serving.records import ExpectedKind, TargetModel
from serving.writer import RunWriter

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
GAINS = frozenset({"upsell", "cross_sell", "conversion"})
EXPLAINED = 20_000  # entries at the top of the list whose reasons are stored
REASONS = 3
_CHUNK = 2_000


@dataclass(frozen=True)
class TargetSummary:
    """What a run says about one target; money is in the project's currency."""

    target: str
    kind: str
    model_name: str | None
    model_version: int | None
    grade: str | None
    scored: int
    not_scored: dict[str, int]  # by reason
    bands: dict[str, int]
    expected: float | None  # sum over the list; None without amounts
    lifetime: dict[str, Any] | None = None  # the version that told remaining lifetimes
    remark: str | None = None  # what was left out, and why


class TargetRun:
    """Collects the customers of a target block by block, then ranks and writes them."""

    def __init__(
        self,
        project: Project,
        staged: Staged,
        name: str,
        registry: Registry,
        *,
        as_of: datetime | None,
        due: set[str] | None,
    ) -> None:
        self.name, self.target = name, project.target(name)
        self._project, self._staged = project, staged
        self._as_of, self._due = as_of, due
        self._model_name = project.model_name(name)
        self._model: LoadedModel | None = registry.champion(self._model_name)
        self._folds = self._out_of_fold()
        self._increase = self._median_increase()
        self._lifetimes = Lifetimes.of(project, name, registry)
        self._not_scored: dict[str, str] = {}
        self._parts: list[Scored] = []

    @property
    def kind(self) -> ExpectedKind:
        """What the amounts of the list are."""
        return "gain" if self.target.kind in GAINS else "revenue_at_risk"

    def model_record(self) -> TargetModel:
        """What the run was scored with."""
        model = self._model
        card = {} if model is None else model.card
        trained = card.get("trained_at")
        return TargetModel(
            target=self.name,
            kind=self.target.kind,
            horizon_days=self.target.horizon_days,
            bands=self._project.bands.model_dump(),
            name=None if model is None else model.name,
            version=None if model is None else model.version,
            grade=card.get("grade"),
            trained_at=None if trained is None else _naive(trained),
            features=card.get("features"),
        )

    def take(self, built: Built, writer: RunWriter) -> None:
        """Score a block of customers; their encoded rows are written at once."""
        ids = built.keys["customer_id"]
        reasons = not_scored_reason(
            self.target,
            built.state,
            self._as_of,
            due=self._due,
            customer_id=ids,
            data_end=self._staged.known_until,
        )
        if self._model is None:
            reasons = reasons.where(reasons.notna(), "no_model")
        rows = reasons.isna().to_numpy()
        self._not_scored |= dict(zip(ids[~rows], reasons[~rows], strict=True))
        if self._model is None or not rows.any():
            return
        features = built.table[rows]
        matrix = self._model.matrix(features)
        who = ids[rows].tolist()
        writer.add_rows(self.name, who, matrix)
        probability, out_of_fold = self._score(self._model, who, matrix)
        scored = self._valued(who, probability, out_of_fold, built.state[rows])
        causes = self._model.causes(matrix, probability)
        failing = None if causes is None else causes["involuntary"]
        scored = replace(scored, involuntary=failing)
        self._parts.append(self._lifetimes.add(scored, features))

    def _score(self, model: LoadedModel, who: list[str], matrix: Floats) -> tuple[Floats, Flags]:
        """Probabilities: by the model, or by a fold's for a customer it learned from."""
        folds = np.array([self._folds.get(one, np.nan) for one in who], dtype=np.float64)
        seen = ~np.isnan(folds)
        own = map_partitions(self._project.engine, model.probability, matrix)
        return np.where(seen, folds, own), seen

    def _valued(
        self, who: list[str], probability: Floats, out_of_fold: Flags, state: pd.DataFrame
    ) -> Scored:
        """Amounts beside the probabilities."""
        value = state["value_per_month"].to_numpy(dtype=np.float64)
        if self.kind == "gain":
            increase = np.nan if self._increase is None else self._increase
            expected = expected_gain(probability, increase)
        else:
            months = self._project.money.months_exposed
            expected = expected_revenue_at_risk(probability, value, months)
        return Scored(who, probability, value, expected, self._renews(state), out_of_fold)

    def _renews(self, state: pd.DataFrame) -> list[bool | None]:
        """Whether the term ends within the horizon; None without a renewal date."""
        if self._as_of is None or "renewal_at" not in state:
            return [None] * len(state)
        end = self._as_of + timedelta(days=self.target.horizon_days)
        within = (state["renewal_at"] >= self._as_of) & (state["renewal_at"] < end)
        known = state["renewal_at"].notna()
        return [bool(w) if k else None for w, k in zip(within, known, strict=True)]

    def finish(self, writer: RunWriter, say: Callable[[str], None]) -> TargetSummary:
        """Rank all customers of the target, explain the top of the list, write the entries."""
        scored = Scored.joined(self._parts)
        since, before = writer.before(self.name)
        bands = self._project.bands
        missing = NO_PAST_INCREASE if self.kind == "gain" else NO_AMOUNTS
        listing = Listing(bands, self.kind, missing, since, before)
        reasons = dict(self._explained(writer, scored, say))
        say(f"writing the list of {self.name}")
        contacts = self._contacts(scored)
        writer.add_scores(self.name, scored_entries(scored, listing, reasons, contacts))
        rest = self._not_scored.items()
        writer.add_scores(self.name, (not_scored_entry(*one, self.kind) for one in rest))
        return self._summary(scored, Counter(bands_of(scored.probability, bands)))

    def _contacts(self, scored: Scored) -> Contacts:
        """Whom a contact pays for; of targets that win money nobody knows what a contact adds."""
        if self.kind == "gain":
            return Contacts.none(len(scored.customer_id))
        return Contacts.by(self._project.money, scored.probability, scored.value)

    def _explained(
        self, writer: RunWriter, scored: Scored, say: Callable[[str], None]
    ) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Reasons of the top of the list, by customer."""
        order = np.argsort(scored.ranks())[:EXPLAINED]
        who = [scored.customer_id[place] for place in order]
        for start in range(0, len(who), _CHUNK):
            chunk = who[start : start + _CHUNK]
            say(f"explaining {self.name}: {start + len(chunk):,} of {len(who):,}")
            if self._model is not None:
                matrix = writer.rows(self.name, chunk)
                yield from zip(chunk, self._model.explain(matrix, top=REASONS), strict=True)

    def _summary(self, scored: Scored, bands: Counter[str]) -> TargetSummary:
        record = self.model_record()
        known = scored.expected[~np.isnan(scored.expected)]
        return TargetSummary(
            target=self.name,
            kind=self.target.kind,
            model_name=record.name,
            model_version=record.version,
            grade=record.grade,
            scored=len(scored.customer_id),
            not_scored=dict(Counter(self._not_scored.values()).most_common()),
            bands=dict(bands),
            expected=float(known.sum()) if len(known) else None,
            lifetime=self._lifetimes.record(),
            remark=self._lifetimes.remark,
        )

    def _out_of_fold(self) -> dict[str, float]:
        """Probabilities by customer of the folds' models; only what has no clock has them.

        Raises
        ------
        ModelNotFoundError
            If the champion's file is gone: its own probabilities of these customers would flatter.
        """
        if self._model is None or self.target.label is None:
            return {}
        path = self._project.outputs / "oof" / f"{self.name}-{self._model.version}.parquet"
        if not path.exists():
            raise ModelNotFoundError(
                f"the out-of-fold scores of {self._model.name} version {self._model.version} are"
                f" not at {path}; train again"
            )
        folds = pd.read_parquet(path, columns=["customer_id", "probability"])
        return dict(zip(folds["customer_id"], folds["probability"], strict=True))

    def _median_increase(self) -> float | None:
        """From the model's card, else from the staged facts; None when the target has no gain."""
        if self._model is None or self.kind != "gain":
            return None
        if "median_increase" in self._model.card:
            stated = self._model.card["median_increase"]
            return None if stated is None else float(stated)
        return median_increase(self._staged, self.target, self._as_of)


def _naive(text: str) -> datetime:
    """A moment of a card as naive UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
