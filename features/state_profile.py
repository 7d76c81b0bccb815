"""State from slow tables: who the customer is, what surveys said, which tickets are open."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.engine import Tables, to_frame
from features.grid import DAY, Grid, microseconds
from features.history import Pairs, Versions, expand, shown_at

Columns = dict[str, np.ndarray]
_WHO = ("name", "segment", "country", "currency", "owner_id", "acquisition_channel", "external_ids")


def profile_state(
    tables: Tables, attributes: Sequence[str], grid: Grid, pairs: Pairs, codes: pd.Index
) -> Columns:
    """The version of each customer that was known: text columns, attributes, objection."""
    rows = history_frame(tables, "customers", codes, ["customer_id"])
    columns = {name: name for name in _WHO} | {attribute_key(c): c for c in attributes}
    versions = Versions.of(rows, rows["code"].to_numpy(), grid.as_of)
    row, start, stop = versions.spans()
    span, moment = expand(start, stop)
    at = pairs.find(rows["code"].to_numpy()[row][span], moment)
    span, at = span[at >= 0], at[at >= 0]
    state: Columns = {}
    for key, column in columns.items():
        values = rows[column].to_numpy() if column in rows else np.full(len(rows), None, object)
        state[key] = _place(values[row][span], at, len(pairs))
    objected = rows["objected_at"] if "objected_at" in rows else pd.Series(pd.NaT, rows.index)
    state["objected_at"] = _moments(microseconds(objected)[row][span], at, len(pairs))
    return state


def attribute_key(column: str) -> str:
    """Where the state keeps an attribute, apart from its own columns."""
    return f"attribute {column}"


def first_seen(tables: Tables, grid: Grid, pairs: Pairs, codes: pd.Index) -> np.ndarray:
    """When each pair's customer first appeared, as known then; 0 when undated or not yet seen."""
    rows = history_frame(tables, "customers", codes, ["customer_id"])
    occurred, known = microseconds(rows["occurred_at"]), microseconds(rows["known_at"])
    least = np.full((len(grid.as_of) + 1, len(codes)), np.iinfo(np.int64).max)
    np.minimum.at(least, (shown_at(occurred, known, grid.as_of), rows["code"].to_numpy()), occurred)
    seen = np.minimum.accumulate(least)[pairs.as_of, pairs.customer]
    return np.where(seen == np.iinfo(np.int64).max, 0, seen)


def survey_state(tables: Tables, grid: Grid, pairs: Pairs, codes: pd.Index) -> Columns:
    """Score of the last answer known, and of the one before."""
    rows = history_frame(tables, "surveys", codes, [], values=["score"]).dropna(subset=["score"])
    rows = rows.sort_values(["code", "occurred_at", "known_at", "score"], kind="stable")
    code, score = rows["code"].to_numpy(), rows["score"].to_numpy(np.float64)
    shown = shown_at(microseconds(rows["occurred_at"]), microseconds(rows["known_at"]), grid.as_of)
    last, before = np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    for moment in range(len(grid.as_of)):
        seen = np.flatnonzero(shown <= moment)
        final = np.ones(len(seen), bool)
        final[:-1] = code[seen][1:] != code[seen][:-1]
        at = pairs.find(code[seen][final], np.full(int(final.sum()), moment))
        place = np.flatnonzero(final)
        last[at[at >= 0]] = score[seen][place[at >= 0]]
        has = (place > 0) & (at >= 0)
        has[has] = code[seen][place[has] - 1] == code[seen][place[has]]
        before[at[has]] = score[seen][place[has] - 1]
    return {"survey_score": last, "survey_score_before": before}


def ticket_state(tables: Tables, grid: Grid, pairs: Pairs, codes: pd.Index) -> Columns:
    """How many tickets are open, and how long the oldest of them has been."""
    rows = history_frame(tables, "tickets", codes, ["ticket_id"], values=["change"])
    entity = rows["ticket_id"].factorize()[0].astype(np.int64)
    row, start, stop = Versions.of(rows, entity, grid.as_of).spans()
    still = rows["change"].isin(["opened", "reopened"]).to_numpy()[row]
    row, start, stop = row[still], start[still], stop[still]
    span, moment = expand(start, stop)
    at = pairs.find(rows["code"].to_numpy()[row][span], moment)
    keep = at >= 0
    count = np.bincount(at[keep], minlength=len(pairs)).astype(np.float64)
    age = grid.as_of[moment] - microseconds(rows["occurred_at"])[row][span]
    oldest = np.full(len(pairs), np.nan)
    np.fmax.at(oldest, at[keep], age[keep] / DAY)
    return {"open_tickets": count, "oldest_open_ticket_days": oldest}


def history_frame(
    tables: Tables, name: str, codes: pd.Index, by: Sequence[str], values: Sequence[str] = ()
) -> pd.DataFrame:
    """A history table of the build's customers as pandas, sorted by (by, both clocks, values).

    Decimals become float64; an undated version is as old as time; `code` is the customer's.
    """
    table = tables[name]
    decimals = {c: table[c].cast("float64") for c, t in table.schema().items() if t.is_decimal()}
    rows = to_frame(table.mutate(**decimals) if decimals else table)
    for clock in ("occurred_at", "known_at"):
        dated = (
            rows[clock] if clock in rows else rows.get("occurred_at", pd.Series(pd.NaT, rows.index))
        )
        rows[clock] = pd.to_datetime(dated).astype("datetime64[us]").fillna(pd.Timestamp(0))
    rows["code"] = codes.get_indexer(pd.Index(rows["customer_id"]))
    rows = rows[rows["code"] >= 0]
    ties = [c for c in values if c in rows]
    order = [*by, "occurred_at", "known_at", *ties] if by else ["code", "occurred_at", "known_at"]
    return rows.sort_values(order, kind="stable", ignore_index=True)


def _place(values: np.ndarray, at: np.ndarray, n_pairs: int) -> np.ndarray:
    """Values at their pairs: float64 with NaN, or objects with None."""
    if values.dtype.kind in "iufb":
        out = np.full(n_pairs, np.nan)
        out[at] = values
        return out
    held = np.full(n_pairs, None, object)
    known = pd.notna(values)
    held[at[known]] = values[known]
    return held


def _moments(values: np.ndarray, at: np.ndarray, n_pairs: int) -> np.ndarray:
    out = np.full(n_pairs, np.iinfo(np.int64).min)
    out[at] = values
    return out
