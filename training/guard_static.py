"""Columns written because of the outcome, found in the staged tables without a training.

Proofs, strongest first: the project declares it; its clock (first filled when the end was known);
it is there from a customer's first row on, so it has no clock of its own, and yet only those are
filled (or empty) who had the event; its values all but tell who had it. A telling name, or a
category of which everybody had the event, is only a warning.
"""

import re
from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd

from features.attributes import Attribute, attributes, early_reasons, ends
from features.checks import Finding, Level
from features.project import Target
from features.staging import Staged
from training.guard_columns import ENOUGH, SINGLE_AUC, balanced, separation
from training.sample import Dataset, Floats

CHANCE = np.log(1e-6)  # of meeting only customers with the event by accident
PURE = 0.99
MOSTLY = 0.95
TELLING = re.compile(
    "attrit(ion|ed)?|cancel(l?ed|lation)?|churn(ed|er)?|clos(ed|ure)|deactivated|exit(ed)?|lapsed"
    "|leaving|left|lost|offboarding|probability|predict(ed|ion)|quit|resigned|terminat(ed|ion)"
    "|unsubscribed|winback|withdraw(al|n)|bayes"
)
AFTER = "correct its known_at, or list it under `exclude`"


def findings(staged: Staged, target: Target, outcomes: pd.DataFrame) -> list[Finding]:
    """What the columns of the tables give away about a target.

    Parameters
    ----------
    staged : Staged
    target : Target
        Its `features` narrow which columns count.
    outcomes : DataFrame of shape (customers, 3)
        As `outcomes_of` gives them.

    Returns
    -------
    list of Finding
        Of level `error` where a proof was found; the guard fails a training that uses the column.
    """
    left = None
    if target.kind == "churn" and target.label is None:
        left = ends(staged)
        gone = outcomes.index.isin(left.index)
        outcomes = outcomes.assign(ever=np.maximum(outcomes["ever"], gone), now=gone.astype(float))
    found: list[Finding] = []
    for one in attributes(staged):
        if target.features and not {one.feature, "profile"} & set(target.features):
            continue
        mine = next(_faults(one, staged, outcomes, left), None)
        found += [mine] if mine else []
    n_early, examples = early_reasons(staged)
    if n_early:
        said = (
            f"{n_early:,} rows say why a subscription ended before it did; no feature may read it"
        )
        where = ("subscriptions", "end_reason")
        found.append(_finding("warning", where, "early", n_early, said, examples))
    return found


def outcomes_of(data: Dataset, known_before: datetime | None) -> pd.DataFrame:
    """What is known of each customer's outcome at the end, by `customer_id`.

    Only dates whose answer is known count: before, nobody has come back and nothing was bought.
    `ever` is 1 where the event was seen at one of them, `now` where it was at the newest, else 0;
    `cohort` is the month in which the customer was first eligible.
    """
    dates = None if known_before is None else data.mature(known_before)
    rows, y = data.labelled(dates, known_before)
    keys = data.keys.iloc[rows]
    frame = pd.DataFrame({"customer_id": keys["customer_id"], "as_of": keys["as_of"], "y": y})
    grouped = frame.sort_values("as_of", kind="stable").groupby("customer_id")
    found = grouped.agg(as_of=("as_of", "min"), ever=("y", "max"), now=("y", "last"))
    return found.assign(cohort=found["as_of"].dt.strftime("%Y-%m").fillna(""))


def _faults(
    one: Attribute, staged: Staged, outcomes: pd.DataFrame, left: pd.Series | None
) -> Iterator[Finding]:
    """What one column gives away, the strongest proof first."""
    where = (one.table, one.column)
    if {one.column, one.feature} & set(staged.project.limits.outcome_columns):
        n = int(one.values["value"].notna().sum())
        yield _finding("error", where, "declared", n, f"declared an outcome column; {AFTER}")
    known = one.values.reindex(outcomes.index)
    y = outcomes["ever"].to_numpy(dtype=float)
    if min(y.sum(), len(y) - y.sum()) >= ENOUGH:
        rate = outcomes.groupby("cohort")["ever"].transform("mean").to_numpy(dtype=float)
        yield from _by_clock(where, known, y, rate, left)
        yield from _by_presence(where, known, y, rate)
        yield from _by_value(one, known, outcomes)
        yield from _by_category(one, known, y, rate)
    yield from _by_name(where, known)


def _by_clock(
    where: tuple[str, str], known: pd.DataFrame, y: Floats, rate: Floats, left: pd.Series | None
) -> Iterator[Finding]:
    """Filled only for those who left, and first when that was known."""
    filled = known["filled_at"].notna().to_numpy()
    if left is None or not _only(filled, y, rate):
        return
    end = left.reindex(known.index)
    late = filled & (known["filled_at"] >= end).to_numpy()
    if late.sum() >= MOSTLY * filled.sum():
        first = known.index[late][0]
        said = (
            f"written because of the outcome: filled for {filled.sum():,} customers, all of whom"
            f" left, and for {late.sum():,} of them first when the end was known (such as {first}:"
            f" filled {known.loc[first, 'filled_at']:%Y-%m-%d}, end known {end[first]:%Y-%m-%d});"
            " list it under `exclude`"
        )
        yield _finding("error", where, "clock", int(filled.sum()), said, known.index[late])


def _by_presence(
    where: tuple[str, str], known: pd.DataFrame, y: Floats, rate: Floats
) -> Iterator[Finding]:
    """Filled, or empty, from a customer's first row on, and only for those who had the event."""
    first = known["from_first"].fillna(False).to_numpy(dtype=bool)
    ever = known["filled_at"].notna().to_numpy() | first
    for marked, word in ((ever, "filled"), (~first, "empty")):
        if not _only(marked, y, rate):
            continue
        from_first = not marked[~first].any() if word == "filled" else not marked[ever].any()
        level: Level = "error" if from_first else "warning"
        since = "from their first row on" if from_first else "from some day on"
        said = (
            f"{word} for {marked.sum():,} customers {since}, and {int(y[marked].sum()):,} of these"
            f" had the event, as {y.mean():.0%} of all did; written because of the outcome, under"
            f" a clock that does not say so: {AFTER}"
        )
        yield _finding(level, where, "presence", int(marked.sum()), said, known.index[marked])


def _by_value(one: Attribute, known: pd.DataFrame, outcomes: pd.DataFrame) -> Iterator[Finding]:
    """The values of the first row all but tell who had the event, once or by now."""
    column, labels = _numbers(one, known["value"]), [outcomes["ever"], outcomes["now"]]
    if labels[0].equals(labels[1]):
        labels.pop()
    told = []
    for label in labels:
        kept = balanced(label.to_numpy(dtype=float))
        y = label.to_numpy(dtype=float)[kept]
        told.append(separation(column[kept], y, kept, is_category=one.is_category))
    found = max(told)
    if found.auc > SINGLE_AUC:
        said = (
            f"{found.by} alone has an AUC of {found.auc:.3f} over {len(outcomes):,} customers,"
            f" above {SINGLE_AUC}; written because of the outcome: {AFTER}"
        )
        yield _finding("error", (one.table, one.column), "value", len(outcomes), said)


def _by_category(one: Attribute, known: pd.DataFrame, y: Floats, rate: Floats) -> Iterator[Finding]:
    """Categories of which everybody had the event; rare, so only a warning."""
    if not one.is_category:
        return
    text = known["value"].astype(object).where(known["value"].notna(), None)
    counts = text.value_counts()
    for value in counts.index[counts >= ENOUGH]:
        marked = (text == value).to_numpy(dtype=bool)
        if _only(marked, y, rate):
            said = (
                f"all {marked.sum():,} customers of the category {value!r} had the event, as"
                f" {y.mean():.0%} of all did; if it was written afterwards, {AFTER}"
            )
            yield _finding("warning", (one.table, one.column), "category", int(marked.sum()), said)


def _by_name(where: tuple[str, str], known: pd.DataFrame) -> Iterator[Finding]:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", where[1])
    telling = [word for word in words if TELLING.fullmatch(word.lower())]
    if telling:
        said = (
            f"its name ({telling[0]!r}) is that of an outcome or of a prediction; if it was written"
            f" afterwards, {AFTER}"
        )
        yield _finding("warning", where, "name", int(known["value"].notna().sum()), said)


def _only(marked: np.ndarray, y: Floats, rate: Floats) -> bool:
    """Whether those marked had the event, nearly all, where chance would have spared some."""
    n = int(marked.sum())
    if n < ENOUGH or y[marked].mean() < PURE or y[~marked].mean() > MOSTLY:
        return False
    return bool(np.log(np.clip(rate[marked & (y == 1)], 1e-12, 1)).sum() < CHANCE)


def _numbers(one: Attribute, values: pd.Series) -> Floats:
    """Numbers as they are, categories as codes."""
    if not one.is_category:
        return pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
    text = values.astype(object).where(values.notna(), None)
    codes = pd.factorize(text)[0].astype(float)
    return np.where(codes < 0, np.nan, codes)


def _finding(
    level: Level,
    where: tuple[str, str],
    code: str,
    count: int,
    said: str,
    examples: object = (),
) -> Finding:
    table, column = where
    shown = tuple(str(one) for one in list(examples)[:3])  # type: ignore[call-overload]
    text = f"{level}: {table}.{column}: {said}"
    return Finding(level, table, column, code, count, shown, text)
