"""What a target's settings can get wrong: those of another kind, an anchor without its table."""

from typing import TYPE_CHECKING

from features.tables import TABLES

if TYPE_CHECKING:
    from features.project import AsOf, Project, Target

PRODUCT_COLUMNS = {"subscriptions": "plan_id", "orders": "product", "usage": "event"}
_ONLY = {
    "product": "cross_sell",
    "product_from": "cross_sell",
    "product_in": "cross_sell",
    "audience": "conversion",
    "pause_days": "churn",
    "end_reasons": "churn",
}


def check_anchor(key: str, when: "AsOf", project: "Project") -> None:
    """An anchor needs its table, and takes the settings that are its own."""
    table = when.anchor_table
    if table is not None and table not in project.sources:
        needs = "" if table == when.anchor else f"; it needs sources.{table}"
        raise ValueError(f"{key}.anchor: {when.anchor!r} has no source{needs}")
    if "ladder_days" in when.model_fields_set and when.anchor != "term_end":
        raise ValueError(f"{key}.ladder_days is for anchor = 'term_end', not {when.anchor!r}")
    if not when.ladder_days:
        raise ValueError(f"{key}.ladder_days is empty; name days before the end, or leave it out")
    if "after_days" in when.model_fields_set and when.anchor in {None, "term_end"}:
        raise ValueError(f"{key}.after_days is for an anchor that starts, not {when.anchor!r}")


def check_kind(key: str, target: "Target", project: "Project") -> None:
    """Settings of one kind, and the product of a cross-sell."""
    for name, kind in _ONLY.items():
        if name in target.model_fields_set and target.kind != kind:
            raise ValueError(f"{key}.{name} is for kind {kind!r}, not {target.kind!r}")
    if target.kind != "cross_sell" or target.label is not None:
        return
    if target.product is None and target.product_from is None:
        raise ValueError(f"{key}.product is missing: the plan, product or event that is sold")
    if target.product is not None and target.product_from is not None:
        raise ValueError(f"{key}: give either product or product_from")
    table = product_table(key, target, project)
    if target.product_from is not None:
        _check_offer(key, target, table)


def _check_offer(key: str, target: "Target", table: str) -> None:
    """What an anchor offers is one of its columns, and found among orders or uses."""
    anchor = target.as_of.anchor
    known = () if anchor in {None, "term_end"} else TABLES[str(anchor)].names
    if target.product_from not in known:
        where = f"anchor = {anchor!r} has {', '.join(known)}" if known else "it needs as_of.anchor"
        raise ValueError(f"{key}.product_from: no column {target.product_from!r}; {where}")
    if table == "subscriptions":
        raise ValueError(f"{key}.product_from is for products of orders or usage, not plans")


def product_table(key: str, target: "Target", project: "Project") -> str:
    """The table that names the product of a cross-sell: as said, or the only one there is.

    Raises
    ------
    ValueError
        The table is not mapped, or nothing says which of several it is.
    """
    mapped = [table for table in PRODUCT_COLUMNS if table in project.sources]
    if target.product_in is not None and target.product_in not in mapped:
        raise ValueError(f"{key}.product_in: {target.product_in!r} has no source")
    if target.product_in is None and len(mapped) != 1:
        where = ", ".join(f"{table} ({PRODUCT_COLUMNS[table]})" for table in mapped) or "no table"
        raise ValueError(
            f"{key}.product_in is missing: {target.product!r} may be looked for in {where}"
        )
    return target.product_in or mapped[0]
