"""Expected lifetimes of the customers of a moment, and their sums beside the plain formulas."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from features.build import build
from features.built import Built
from features.clock import pairs_at
from features.days import micros
from features.errors import UnfitDataError
from features.project import Project
from features.staging import Staged
from models.curve import CAP_MONTHS, HORIZONS, YEAR, Curve
from models.lifetime import Ratio, predicted_cltv, ratio_cltv
from models.registry import Registry
from models.targets import not_scored_reason
from training.lifetime import Learned, Proof, grade_of, learn, prove, register
from training.lifetime_orders import orders_report
from training.lifetime_panel import Panel, lifetime_target, monthly, panel_frame
from training.timeline import Timeline

Progress = Callable[[str], None]
Json = dict[str, Any]
MONTHS = 6  # of which churn is the mean in the ratio formula


@dataclass(frozen=True)
class Lifetimes:
    """What `retention lifetime` prints and writes.

    Attributes
    ----------
    customers : DataFrame
        A row per customer with an expectation.
    summary : dict
        Plain JSON.
    """

    customers: pd.DataFrame
    summary: Json


def lifetimes(
    staged: Staged,
    *,
    target: str | None = None,
    as_of: datetime | None = None,
    registry: Registry | None = None,
    progress: Progress | None = None,
) -> Lifetimes:
    """Learn the survival of a company, prove it, and tell what each customer is still worth.

    Parameters
    ----------
    staged : Staged
    target : str, optional
        Of kind churn or silence; the first of them when left out.
    as_of : datetime, optional
        Nothing that became known from then on is used; the end of the data when left out.
    registry : Registry, optional
        Where the hazard is registered, if it was learned from all the data.
    progress : callable, optional

    Raises
    ------
    UnfitDataError
        No target tells when customers leave, nobody is a customer then, or nothing was observed for
        a period.
    UnknownTargetError
        No target of that name.
    """
    say = progress or (lambda _: None)
    name = lifetime_target(staged.project, target)
    moment = min(as_of or staged.data_end, staged.data_end)
    say("features")
    built = panel_frame(staged, name, say)
    panel = Panel(staged, staged.project.target(name), built)
    say(f"customers as of {moment:%Y-%m-%d}")
    now = customers_at(staged, name, moment)
    if panel.target.kind == "silence":
        return Lifetimes(*orders_report(staged, name, panel, now, moment, say))
    proofs = prove(panel, moment, say)
    say("learning from all that is known")
    learned = learn(panel, moment)
    if learned is None:
        raise UnfitDataError(
            f"target {name!r} has no row observed for 30 days and {panel.wait_days} days of grace"
            f" before {moment:%Y-%m-%d}"
        )
    version = None
    if registry is not None and moment == staged.data_end:
        say("registering")
        version = register(staged.project, staged, name, panel, learned, proofs, registry)
    curve = learned.curve(now.table)
    rows = _per_customer(staged.project, now, curve)
    head = {"target": name, "as_of": moment.isoformat(), "version": version}
    ratio = _ratio(staged.project, panel, now, moment)
    return Lifetimes(rows, head | _summary(staged.project, rows, learned, proofs, ratio))


def customers_at(staged: Staged, name: str, moment: datetime) -> Built:
    """Features and state of who would be scored at a moment.

    Raises
    ------
    UnfitDataError
        Nobody would.
    """
    target = monthly(staged.project.target(name))
    pairs = pairs_at(staged, target, [moment])
    built = build(staged, pairs, names=target.features or None)
    keys = built.keys
    reason = not_scored_reason(
        target,
        built.state,
        keys["as_of"],
        due=None,
        customer_id=keys["customer_id"],
        data_end=staged.data_end,
    )
    found = built.take(reason.isna().to_numpy())
    if not len(found):
        counts = ", ".join(f"{count} {code}" for code, count in reason.value_counts().items())
        raise UnfitDataError(f"nobody is a customer as of {moment:%Y-%m-%d}: {counts or 'no rows'}")
    return found


def _per_customer(project: Project, now: Built, curve: Curve) -> pd.DataFrame:
    """A row per customer: months to come, probability to stay, worth."""
    money = project.money
    worth = predicted_cltv(
        curve,
        now.state["value_per_month"].to_numpy(dtype=np.float64),
        margin=float(money.gross_margin),
        discount_rate=float(money.discount_rate),
    )
    columns: dict[str, Any] = {
        "customer_id": now.keys["customer_id"].to_numpy(),
        "expected_remaining_months": curve.remaining_months().round(2),
    }
    stays = curve.survival(HORIZONS)
    columns |= {f"p_stay_{d}": stays[:, i].round(6) for i, d in enumerate(HORIZONS)}
    for cause, left in curve.incidence([YEAR]).items():
        columns[f"p_leave_{cause}_{YEAR}"] = left[:, 0].round(6)
    columns |= {"predicted_cltv": worth.round(2), "currency": now.state["currency"].to_numpy()}
    return pd.DataFrame(columns)


def _summary(
    project: Project, rows: pd.DataFrame, learned: Learned, proofs: list[Proof], ratio: Ratio
) -> Json:
    months, worth = rows["expected_remaining_months"], rows["predicted_cltv"]
    totals = worth.groupby(rows["currency"]).sum(min_count=1).dropna()
    own = worth[rows["currency"] == project.currency].dropna()  # as the ratio formula counts
    return {
        "customers": len(rows),
        "median_remaining_months": float(months.median()),
        "mean_remaining_months": float(months.mean()),
        "cap_months": CAP_MONTHS,
        "p_stay": {str(d): float(rows[f"p_stay_{d}"].mean()) for d in HORIZONS},
        "predicted_cltv": {str(one): round(float(sum_), 2) for one, sum_ in totals.items()},
        "mean_predicted_cltv": float(own.mean()) if len(own) else None,
        "gross_margin": float(project.money.gross_margin),
        "discount_rate": float(project.money.discount_rate),
        "ratio_formula": asdict(ratio),
        "model": {
            "rows": len(learned.rows),
            "fallback": learned.model.fallback_,
            "causes": list(learned.model.causes_),
            "known_periods": learned.model.known_periods_,
            "grade": grade_of(proofs),
        },
        "proofs": [proof.as_json() for proof in proofs],
    }


def _ratio(project: Project, panel: Panel, now: Built, moment: datetime) -> Ratio:
    """The ratio formula for customers who pay in the project's currency."""
    value = now.state.loc[now.state["currency"] == project.currency, "value_per_month"].dropna()
    arpa = float(value.mean()) if len(value) else None
    churn = churn_per_month(panel.steps(moment), moment, project)
    return ratio_cltv(arpa, churn, float(project.money.gross_margin))


def churn_per_month(
    steps: pd.DataFrame, moment: datetime, project: Project, months: int = MONTHS
) -> float | None:
    """Mean share of customers lost in the whole months before a moment's own; None without any.

    By the ledger, which records a loss at once: who paid when a month began and no longer when it
    ended.

    Parameters
    ----------
    steps : DataFrame
        Steps of MRR, see `features.revenue.ledger`.
    """
    local = pd.Timestamp(moment, tz="UTC").tz_convert(project.timezone).tz_localize(None)
    first = local.to_period("M").to_timestamp()
    borders = [project.utc(first - pd.DateOffset(months=n)) for n in range(months, -1, -1)]
    customers = pd.Series(steps["customer_id"].unique())
    line = Timeline(steps["customer_id"], micros(steps["at"]))
    mrr = np.append(steps["mrr"].to_numpy()[line.order], 0)
    paid = []
    for border in micros(pd.DatetimeIndex(borders)):
        held = line.last_before(customers, np.full(len(customers), border))
        paid.append(mrr[held] > 0)  # -1, no step, is the zero behind
    rates = [
        float((opens & ~closes).sum() / opens.sum())
        for opens, closes in pairwise(paid)
        if opens.any()
    ]
    return float(np.mean(rates)) if rates else None
