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


def level_words(card: Json) -> str | None:
    """Whether the base rate moved and is followed; None where too few dates could tell."""
    prior = (card.get("calibration") or {}).get("prior")
    if not prior or prior["gain"] is None:
        return None
    seen = f"Over {prior['slices']} dates the level was followed from date to date"
    judged = f"on {prior['judged']} of them, by what was known then, it"
    if prior["used"]:
        return f"{seen}: {judged} saved log loss, so log-odds are moved by {prior['shift']:+.2f}."
    return f"{seen}: {judged} saved no log loss, so it is left where it was calibrated."


def cause_words(card: Json) -> str | None:
    """How the probability is parted into causes; None where the target has none."""
    cause = card.get("cause")
    if cause is None:
        return None
    proof = cause.get("backtest") or {}
    origins = proof.get("origins") or []
    how = "by a second model, of the leavers alone" if proof.get("learned") else "by one share"
    told = f"The probability is parted {how}: {cause['share']:.0%} of past leavers left unpaid"
    if not origins:
        return f"{told} (involuntary). Its causes were not tested."
    ours, plain = (
        sum(one[key] for one in origins) / len(origins) for key in ("log_loss", "share_log_loss")
    )
    tested = f"On {sum(one['leavers'] for one in origins)} later leavers a log loss of {ours:.3f}"
    return f"{told} (involuntary). {tested} against {plain:.3f} of one share."


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
