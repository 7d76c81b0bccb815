"""What a customer is at a moment: what eligibility and value read, beside the features.

Columns: `first_seen_at`, `last_fact_at`, `first_paid_at`, `last_order_at`, `last_activity_at`,
`coverage_started_at`, `renewal_at` (moments); `mrr`, `value_per_month` (NaN without amounts);
`covered`, `ever_covered`, `ever_subscribed`, `trialing`, `paused` (uncovered by a pause that may
still end), `end_announced`, `objected` (flags), and a flag per product of a cross-sell; `plan_id`,
`segment`, `owner_id`, `name`, `country`, `currency`, `external_ids` (text).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.declare import EVER, MEASURES
from features.engine import Tables
from features.grid import DAY, Grid
from features.history import Pairs
from features.kernel import Window
from features.project import Project
from features.state_products import product_columns, product_state, products_in
from features.state_profile import (
    Columns,
    first_seen,
    profile_state,
    survey_state,
    ticket_state,
)
from features.state_subscriptions import subscription_state

_NEVER = np.iinfo(np.int64).min
STATE_WINDOWS: Mapping[str, Window] = {"order_amount": (0, 365), "return_amount": (0, 365)}
MOMENTS = (
    "first_seen_at",
    "last_fact_at",
    "first_paid_at",
    "last_order_at",
    "last_activity_at",
    "coverage_started_at",
    "renewal_at",
)
_TEXT = ("plan_id", "segment", "owner_id", "name", "country", "currency", "external_ids")
_FLAGS = ("covered", "ever_covered", "ever_subscribed", "trialing", "paused", "end_announced")


def read_state(
    tables: Tables,
    project: Project,
    attributes: Sequence[str],
    grid: Grid,
    pairs: Pairs,
    codes: pd.Index,
) -> Columns:
    """State columns from the slow tables; moments are microseconds in columns named `*_us`."""
    state = profile_state(tables, attributes, grid, pairs, codes)
    state["seen_us"] = first_seen(tables, grid, pairs, codes)
    state |= product_state(tables, project, grid, pairs, codes)
    if "subscriptions" in tables:
        plans = products_in(project, "subscriptions")
        state |= subscription_state(tables, project.revenue, grid, pairs, codes, plans)
    if tables.has("surveys", ("score",)):
        state |= survey_state(tables, grid, pairs, codes)
    if "tickets" in tables:
        state |= ticket_state(tables, grid, pairs, codes)
    state["as_of_us"] = grid.as_of[pairs.as_of]
    return state


def finish_state(
    state: Columns, values: Mapping[tuple[str, Window], np.ndarray], project: Project
) -> tuple[pd.DataFrame, Columns]:
    """The public state frame, and the state with what follows from event windows added."""
    as_of = state["as_of_us"]
    n_pairs = len(as_of)

    def since(measure: str) -> np.ndarray:
        return values.get((measure, (0, EVER)), np.full(n_pairs, np.nan))

    last = [v for (m, _), v in values.items() if MEASURES[m].reduce == "last"]
    last += [state["days_since_subscription_row"]] if "tenure_days" in state else []
    first = [v for (m, _), v in values.items() if MEASURES[m].reduce == "first"]
    first += [state["tenure_days"]] if "tenure_days" in state else []
    dated = state["seen_us"] > 0
    oldest = _extreme(np.fmax, first, n_pairs)
    state["age_days"] = np.where(dated, (as_of - state["seen_us"]) / DAY, oldest)
    frame = {
        "first_seen_at": _back(as_of, state["age_days"]),
        "last_fact_at": _back(as_of, _extreme(np.fmin, last, n_pairs)),
        "last_order_at": _back(as_of, since("days_since_last_order")),
        "last_activity_at": _back(as_of, since("days_since_last_use")),
        "first_paid_at": _moment(state.get("first_paid_us"), n_pairs),
        "coverage_started_at": _moment(state.get("covered_us"), n_pairs),
        "renewal_at": _moment(state.get("renewal_us"), n_pairs),
        "mrr": state.get("mrr", np.full(n_pairs, np.nan)),
        "value_per_month": _value_per_month(state, values, n_pairs),
        "objected": (state["objected_at"] != _NEVER) & (state["objected_at"] < as_of),
    }
    flags = (*_FLAGS, *product_columns(project))
    frame |= {flag: state.get(flag, np.zeros(n_pairs, bool)) for flag in flags}
    frame |= {text: state.get(text, np.full(n_pairs, None, object)) for text in _TEXT}
    table = pd.DataFrame(frame)
    table["currency"] = table["currency"].where(table["currency"].notna(), project.currency)
    if "renewal_us" in state:
        renewal = state["renewal_us"]
        due = (renewal - as_of) / DAY
        state["days_to_renewal"] = np.where(renewal != _NEVER, due, np.nan)
    return table[list(empty_state(project).columns)], state


def empty_state(project: Project) -> pd.DataFrame:
    """The state of no pair at all: every column with its type."""
    kinds: dict[str, str] = dict.fromkeys(MOMENTS, "datetime64[us]")
    kinds |= {"mrr": "float64", "value_per_month": "float64", "objected": "bool"}
    kinds |= dict.fromkeys((*_FLAGS, *product_columns(project)), "bool")
    kinds |= dict.fromkeys(_TEXT, "object")
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _value_per_month(
    state: Columns, values: Mapping[tuple[str, Window], np.ndarray], n_pairs: int
) -> np.ndarray:
    """MRR; without subscriptions the net orders of a year by month; null without amounts."""
    if "mrr" in state:
        return state["mrr"]
    ordered = values.get(("order_amount", STATE_WINDOWS["order_amount"]))
    if ordered is None:
        return np.full(n_pairs, np.nan)
    back = values.get(("return_amount", STATE_WINDOWS["return_amount"]), np.zeros(n_pairs))
    return np.asarray((ordered - back) / 12)


def _back(as_of: np.ndarray, days: np.ndarray) -> np.ndarray:
    """The moment so many days before the as-of; NaT where the days are unknown."""
    known = ~np.isnan(days)
    moment = as_of - np.rint(np.where(known, days, 0) * DAY).astype(np.int64)
    return np.asarray(np.where(known, moment, _NEVER)).astype("datetime64[us]")


def _moment(microseconds: np.ndarray | None, n_pairs: int) -> np.ndarray:
    """Microseconds as datetime64; the least integer is NaT."""
    if microseconds is None:
        microseconds = np.full(n_pairs, _NEVER)
    return microseconds.astype("datetime64[us]")


def _extreme(choose: np.ufunc, columns: Sequence[np.ndarray], n_pairs: int) -> np.ndarray:
    return np.asarray(choose.reduce(columns)) if columns else np.full(n_pairs, np.nan)
