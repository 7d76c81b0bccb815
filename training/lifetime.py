"""Survival of a company's customers: learned, proven on later time, registered."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.project import Project
from features.staging import Staged
from models.card import describe
from models.charts import survival_chart
from models.curve import Curve, kaplan_meier
from models.encode import Encoder
from models.fitted import Fitted
from models.hazard import HazardModel
from models.lifetime import HAZARD, NAME
from models.periods import Terms
from models.registry import Registry
from models.registry_decisions import Action, Decision
from training.lifetime_panel import Ends, Panel, by_cohort
from training.outcomes import Floats
from training.promotion import PASSED, TRAINING

PROVEN = (90, 180, 365)  # days at which a curve is held to what happened
PROMOTED = "B"  # the grade that makes a champion
REASONS = {
    True: "surely nearer to what happened than one curve for all at a horizon, farther at none",
    False: "not surely nearer to what happened than one curve for all",
}
PANEL_ROWS = 150_000  # drawn at random from more
Progress = Callable[[str], None]
Json = dict[str, Any]


@dataclass(frozen=True)
class Learned:
    """A hazard with the encoder of its features.

    Attributes
    ----------
    rows : ndarray of int
        Rows of the panel that it was learned from.
    """

    encoder: Encoder
    model: HazardModel
    rows: npt.NDArray[np.int64]

    def curve(self, frame: pd.DataFrame) -> Curve:
        """Curves of a feature frame."""
        return self.model.curve(_matrix(self.encoder, frame, self.model.terms))


def _matrix(encoder: Encoder, frame: pd.DataFrame, terms: Terms) -> Floats:
    """The encoded features without what the periods add."""
    added = [feature.name for feature in terms.features]
    return encoder.transform(frame.assign(**dict.fromkeys(added, 0.0)))[:, : -len(added)]


def learn(
    panel: Panel, known_before: datetime, params: Mapping[str, Any] | None = None
) -> Learned | None:
    """A hazard from what was known at a moment; None where no period had been observed by then."""
    ends = panel.ends(known_before)
    rows = panel.known(ends, known_before)
    if not len(rows):
        return None
    if len(rows) > PANEL_ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:PANEL_ROWS])
    data = panel.data
    frame = data.frame.iloc[rows]
    terms = Terms.of([feature.name for feature in data.catalogue])
    added = {feature.name: 0.0 for feature in terms.features}
    encoder = Encoder().fit(frame.assign(**added), [*data.catalogue, *terms.features])
    model = HazardModel(params=params, categorical=encoder.categorical, terms=terms)
    model.fit(
        _matrix(encoder, frame, terms),
        ends.days[rows],
        ends.observed[rows],
        ends.cause[rows],
        data.customer[rows],
    )
    return Learned(encoder, model, rows)


@dataclass(frozen=True)
class Proof:
    """Curves of one held-out date against what happened.

    Attributes
    ----------
    days : int
        The horizon.
    origin : datetime
        The as-of date of the test; the hazard was learned from what was known then.
    customers, left : int
    stayed, expected : float
        Share that was there still, and the mean of the curves.
    brier, brier_constant : float
        Of the curves, and of the Kaplan-Meier curve of all that was known at the origin.
    gain_low, gain_high : float
        95 % interval of the difference of the two, over customers.
    fallback : str or None
        How the hazard was learned where events were few.
    cohorts : list
        Rows (cohort, customers, days, expected, Kaplan-Meier).
    """

    days: int
    origin: datetime
    customers: int
    left: int
    stayed: float
    expected: float
    brier: float
    brier_constant: float
    gain_low: float
    gain_high: float
    fallback: str | None
    cohorts: list[Any]

    def as_json(self) -> Json:
        """Plain JSON."""
        return asdict(self) | {"origin": self.origin.isoformat()}


def prove(panel: Panel, moment: datetime, say: Progress | None = None) -> list[Proof]:
    """Hold curves to later time at 90, 180 and 365 days, each at the newest date that allows it.

    The settings are chosen at the oldest of those dates, so before the tests of the others.
    """
    after, found, params = panel.ends(moment), [], None
    for days in sorted(PROVEN, reverse=True):
        known = (after.observed >= days) & ~np.isnan(after.days)
        if not known.any():
            continue
        origin: datetime = panel.as_of[known].max().to_pydatetime()
        if say:
            say(f"{days} days, as of {origin:%Y-%m-%d}")
        learned = learn(panel, origin, params)
        if learned is not None:
            params = learned.model.params_ or None
            test = np.flatnonzero(known & (panel.as_of == origin).to_numpy())
            found.append(_proof(panel, learned, origin, test, after, days))
    return found[::-1]


def _proof(
    panel: Panel,
    learned: Learned,
    origin: datetime,
    test: npt.NDArray[np.int64],
    after: Ends,
    days: int,
) -> Proof:
    curve = learned.curve(panel.data.frame.iloc[test])
    stayed = (after.days[test] >= days).astype(float)
    p = curve.survival([days])[:, 0]
    before = panel.ends(origin)
    constant = kaplan_meier(before.days[learned.rows], before.observed[learned.rows], [days])[0]
    if np.isnan(constant):  # nobody was observed for so long: the pooled hazard goes on
        constant = Curve(learned.model.rate_[None, :], {}).survival([days])[0, 0]
    gain = (constant - stayed) ** 2 - (p - stayed) ** 2
    wide = 1.96 * float(gain.std()) / float(np.sqrt(len(test)))
    mine = Ends(after.days[test], after.observed[test], after.cause[test])
    at = [one for one in PROVEN if one <= days]
    return Proof(
        days,
        origin,
        len(test),
        int((stayed == 0).sum()),
        float(stayed.mean()),
        float(p.mean()),
        float(np.mean((p - stayed) ** 2)),
        float(np.mean((constant - stayed) ** 2)),
        float(gain.mean()) - wide,
        float(gain.mean()) + wide,
        learned.model.fallback_,
        by_cohort(panel.cohort[test], mine, curve.survival(at), at),
    )


def grade_of(proofs: list[Proof]) -> str:
    """B where curves are surely nearer to what happened than one curve for all, C, else U.

    Surely at one horizon at least, and surely farther at none; C where the mean gain is positive.
    Where too few had left to tell customers apart, that horizon proves nothing.
    """
    proofs = [proof for proof in proofs if proof.fallback != "constant"]
    if not proofs or min(proof.gain_high for proof in proofs) < 0:
        return "U"
    if max(proof.gain_low for proof in proofs) > 0:
        return PROMOTED
    gains = [proof.brier_constant - proof.brier for proof in proofs]
    return "C" if float(np.mean(gains)) > 0 else "U"


def register(
    project: Project,
    staged: Staged,
    target: str,
    panel: Panel,
    learned: Learned,
    proofs: list[Proof],
    registry: Registry,
) -> int | None:
    """Register the hazard as `<project>.lifetime`; the champion where it has grade B, recorded.

    It is a portable model as any other: a row's features and what the period adds
    (`models.periods`) in, the probability to leave in that period out. Data, target and features
    that were registered already are not again.

    Returns
    -------
    int or None
        The version; None where events were too few to learn from.
    """
    model = learned.model
    if model.model_ is None:
        return None
    name, made_of = project.model_name(NAME), _made_of(staged, target, learned)
    promoted = grade_of(proofs) == PROMOTED
    for known in registry.versions(name):
        if known["tags"].get("made_of") == made_of:
            return int(known["version"])
    as_of = panel.as_of.iloc[learned.rows].dt.to_pydatetime().tolist()
    card = describe(
        project,
        target,
        train_as_of=sorted(set(as_of)),
        test_as_of=[proof.origin for proof in proofs],
        metrics={"proofs": [proof.as_json() for proof in proofs]},
        grade=grade_of(proofs),
        fingerprint=staged.fingerprint,
        trained_at=datetime.now(UTC).replace(tzinfo=None),
    )
    version = registry.log(
        name,
        Fitted(learned.encoder, model.model_, model.calibration_),
        card | {"asks": HAZARD, "known_periods": model.known_periods_},
        params=dict(model.params_) | {"rows": len(learned.rows)},
        metrics=_numbers(proofs),
        charts={"survival": survival_chart(proofs[-1].cohorts)} if proofs else {},
        tags={"target": target, "data_fingerprint": staged.fingerprint, "made_of": made_of}
        | {"gate": PASSED if promoted else "failed: grade"},
    )
    reason = f"grade {grade_of(proofs)}: {REASONS[promoted]}"
    failed = () if promoted else ("grade",)
    before = registry.champion_version(name)
    action: Action = "promoted" if promoted else "refused"
    registry.decide(name, Decision(action, version, before, TRAINING, reason, failed))
    return version


def _made_of(staged: Staged, target: str, learned: Learned) -> str:
    """A fingerprint of the data, what the target asks, and the features."""
    asked = staged.project.target(target).model_dump(mode="json")
    parts = [staged.fingerprint, target, asked, learned.encoder.names]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _numbers(proofs: list[Proof]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for proof in proofs:
        found[f"brier_{proof.days}d"] = proof.brier
        found[f"kaplan_meier_brier_{proof.days}d"] = proof.brier_constant
    return found
