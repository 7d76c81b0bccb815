"""Customers of a run, from the state that features were built with."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.project import Project
from serving.records import MICRO

_TEXTS = ("name", "segment", "owner_id", "plan_id", "country")


def customer_rows(
    keys: pd.DataFrame, state: pd.DataFrame, project: Project
) -> list[dict[str, Any]]:
    """Rows for `RunWriter.add_customers`, one per row of the state.

    Parameters
    ----------
    keys : DataFrame of shape (n, 2)
        `customer_id` and `as_of`.
    state : DataFrame of shape (n, columns)
        Columns that a project has no source for may be missing.
    """
    columns: dict[str, list[Any]] = {"customer_id": keys["customer_id"].tolist()}
    for name in _TEXTS:
        columns[name] = [_text(value) for value in _column(state, name)]
    columns["external_ids"] = [external_ids(value) for value in _column(state, "external_ids")]
    columns["renewal_at"] = [_moment(value) for value in _column(state, "renewal_at")]
    columns["mrr_micro"] = [micro(value) for value in _column(state, "mrr")]
    currencies = _column(state, "currency")
    columns["currency"] = [_text(value) or project.currency for value in currencies]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def micro(amount: Any) -> int | None:
    """An amount in whole millionths; None for none."""
    return None if pd.isna(amount) else round(float(amount) * MICRO)


def external_ids(value: Any) -> dict[str, str]:
    """Ids in other systems by system: from a JSON object, or from `system:id` pairs.

    `'{"salesforce": "0018d"}'` and `'salesforce:0018d; hubspot:77'` are read; a bare id belongs to
    the system `external`.
    """
    if isinstance(value, Mapping):
        return {str(system): str(key) for system, key in value.items()}
    text = _text(value)
    if text is None:
        return {}
    if text.lstrip().startswith("{"):
        return _json_ids(text)
    pairs = (part.strip().partition(":") for part in text.replace(",", ";").split(";"))
    named = ((system, key) if colon else ("external", system) for system, colon, key in pairs)
    return {system.strip(): key.strip() for system, key in named if key.strip()}


def _json_ids(text: str) -> dict[str, str]:
    """The object's entries that are set; text that is no object is an id of its own."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {"external": text}
    return {str(system): str(key) for system, key in found.items() if key is not None}


def _column(state: pd.DataFrame, name: str) -> list[Any]:
    return state[name].tolist() if name in state else [None] * len(state)


def _text(value: Any) -> str | None:
    return None if value is None or pd.isna(value) or value == "" else str(value)


def _moment(value: Any) -> Any:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).to_pydatetime()
