"""How a model was made, for its card: its recipe, the search for it, and what fitted it."""

from collections.abc import Mapping
from typing import Any

from models.card_render import Table

Json = Mapping[str, Any]


def made(card: Json, report: Json) -> Table:
    """What it was fitted with, by name."""
    recipe = card.get("recipe") or {}
    params = ", ".join(f"{key} = {value}" for key, value in (recipe.get("params") or {}).items())
    rows = [
        ("trained", str(card["trained_at"])),
        ("recipe", str(recipe.get("name", "-"))),
        ("settings", params or "-"),
        *(("search", search_words(one)) for one in report["tuning"]),
        ("calibration", str((card.get("calibration") or {}).get("method", "-"))),
        ("libraries", ", ".join(f"{k} {v}" for k, v in card["versions"].items())),
    ]
    return Table(("what", "how"), rows)


def search_words(found: Json) -> str:
    """What a search for settings tried and found, as `training.tune.Tuner.found` gives it."""
    tried = f"{found['settings']} settings tried, {found['pruned']} of them cut short"
    order = "later dates" if found["folds"] == "time" else "other customers"
    if "log_loss" not in found:
        return f"{tried}, none to the end; the default recipe was taken"
    best, default = (f"{found[key]:.4f}" for key in ("log_loss", "default_log_loss"))
    verdict = "taken" if found["taken"] == "tuned" else "not surely better, not taken"
    return f"{tried}; on {order} a log loss of {best}, the default recipe {default}: {verdict}"
