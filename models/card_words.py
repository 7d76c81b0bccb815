"""Numbers and the purpose of a model in words, as its card tells them."""

from collections.abc import Mapping
from typing import Any

from models.metrics import lift_quality

Json = Mapping[str, Any]
_INTERVAL = ("value", "low", "high")
HAPPENS = {
    "churn": "that a paying customer's coverage ends and does not resume within the grace period",
    "silence": "that a customer who bought before buys nothing",
    "inactivity": "that a customer who was active before is not active at all",
    "upsell": "that a paying customer comes to pay more, by plan, quantity or add-on",
    "cross_sell": "that a paying customer takes a product that it lacks",
    "conversion": "that somebody who does not pay begins a paid subscription",
    "contraction": "that a paying customer comes to pay less and stays",
}


def purpose(card: Json) -> str:
    """What the probability is of, and for whom."""
    target = card["target"]
    if target.get("label"):
        event = f"that `{target['label']}` is `{target['positive']}` of a customer like this one"
        return f"Target {target['name']} ({target['kind']}): the probability {event}."
    extra = [
        ("only where", target.get("where")),
        ("product", target.get("product") or target.get("product_from")),
        ("audience", target.get("audience")),
        ("ends for", ", ".join(target.get("end_reasons") or [])),
    ]
    more = "".join(f"; {what}: {value}" for what, value in extra if value)
    return (
        f"Target {target['name']} ({target['kind']}): the probability {HAPPENS[target['kind']]},"
        f" within {target['horizon_days']} days after the as-of date{more}."
    )


def estimate(metric: Json | None) -> str:
    """Such as `0.4121 (0.3990 to 0.4262)`; why there is none where it is undefined."""
    if metric is None:
        return "-"
    if metric["value"] is None:
        return f"- ({metric['reason']})" if metric.get("reason") else "-"
    if metric.get("low") is None:
        return _short(metric["value"])
    return f"{_short(metric['value'])} ({_short(metric['low'])} to {_short(metric['high'])})"


def lift_words(auc: Json | None) -> str | None:
    """Such as `lift quality (2 AUC - 1) 0.43 (0.39 to 0.47): good`; None where AUC is undefined."""
    if auc is None or auc["value"] is None:
        return None
    doubled = {key: auc[key] if auc[key] is None else 2 * auc[key] - 1 for key in _INTERVAL}
    return f"lift quality (2 AUC - 1) {estimate(doubled)}: {lift_quality(auc['value'])}"


def search_words(found: Json) -> str:
    """What a search for settings tried and found, as `training.tune.Tuner.found` gives it."""
    tried = f"{found['settings']} settings tried, {found['pruned']} of them cut short"
    order = "later dates" if found["folds"] == "time" else "other customers"
    if "log_loss" not in found:
        return f"{tried}, none to the end; the default recipe was taken"
    best, default = (f"{found[key]:.4f}" for key in ("log_loss", "default_log_loss"))
    verdict = "taken" if found["taken"] == "tuned" else "not surely better, not taken"
    return f"{tried}; on {order} a log loss of {best}, the default recipe {default}: {verdict}"


def _short(value: float) -> str:
    """Four digits after the point for what is small, none for what is large."""
    return (
        f"{value:.4f}"
        if abs(value) < 10
        else f"{value:,.2f}"
        if abs(value) < 1000
        else (f"{value:,.0f}")
    )


def number(value: float | None) -> str:
    """With thousands apart; a dash where there is none."""
    return "-" if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """In per cent."""
    return "-" if value is None else f"{100 * value:.1f} %"


def day(moment: str | None) -> str:
    """The date of a moment; a dash where there is none."""
    return "-" if moment is None else moment[:10]
