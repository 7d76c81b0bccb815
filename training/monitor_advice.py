"""What to do with a model that is in use: keep, watch, recalibrate or retrain, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models.drift import LARGE, MODERATE, Drift, Drifts

Json = Mapping[str, Any]
SURE = 2.58  # standard deviations that chance passes in 1 of 100 cases
OFF = 0.10  # of what happened, by which the predicted number may be off
OFF_SO_FAR = 0.20  # the same while the answer is an estimate
SLOPE = 0.8  # of the calibration, or its inverse
MATTERS = 0.05  # share of importance from which one feature is worth a look


@dataclass(frozen=True)
class Evidence:
    """What is known of the newest run of a target and of those before.

    Attributes
    ----------
    superseded : str or None
        Which other model is in use by now.
    broken : str or None
        Why the model cannot go on, such as that it is gone from the registry.
    drift : Drifts or None
        Of the newest run against the rows its model learned from.
    scores : Drift or None
        The same of its probabilities.
    known : mapping or None
        The newest run of the same model whose answer is known, see `LabelClock.story`.
    older : mapping or None
        The same of another version, where there is none of this one.
    waiting : mapping or None
        The run of the same model whose answer will be known next.
    auc_low : float or None
        Lower bound of the AUC in the back-test of the model.
    notes : tuple of str
        Worth a look whatever else is found.
    """

    superseded: str | None = None
    broken: str | None = None
    drift: Drifts | None = None
    scores: Drift | None = None
    known: Json | None = None
    older: Json | None = None
    waiting: Json | None = None
    auc_low: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Advice:
    """One of `keep`, `watch`, `recalibrate`, `retrain`, and one sentence why."""

    verdict: str
    reason: str


def advise(seen: Evidence) -> Advice:
    """The advice: the first rule that applies.

    - watch: another model is in use by now, of which nothing is known yet.
    - retrain: the model is broken; it no longer ranks as in its back-test; its features moved by a
      weighted PSI of `LARGE` or more.
    - recalibrate: it ranks, but its probabilities are off.
    - watch: its features, one that matters, or its scores moved by `MODERATE`; the rate so far or
      an older version's result is off; there is a note.
    - keep: none of these.

    Each asks for more than chance gives in 1 of 100 cases.
    """
    if seen.superseded:
        return Advice("watch", seen.superseded)
    if seen.broken:
        return Advice("retrain", seen.broken)
    if lost := _ranking_lost(seen):
        return Advice("retrain", lost)
    if seen.drift is not None and seen.drift.beyond(LARGE):
        return Advice("retrain", moved(seen.drift))
    if seen.known is not None and (off := _off(seen.known)):
        return Advice("recalibrate", off)
    found = list(_worth_a_look(seen))
    return Advice("watch", "; ".join(found)) if found else Advice("keep", _quiet(seen))


def _ranking_lost(seen: Evidence) -> str | None:
    """The AUC of the known run lies below what the back-test surely reached."""
    auc = (seen.known or {}).get("metrics", {}).get("auc") or {}
    if seen.auc_low is None or auc.get("value") is None or auc.get("se") is None:
        return None
    if auc["value"] + SURE * auc["se"] >= seen.auc_low:
        return None
    return (
        f"{_of(seen.known)} ranked with an AUC of {auc['value']:.3f}, surely below the "
        f"{seen.auc_low:.3f} that its back-test surely reached"
    )


def _off(story: Json) -> str | None:
    """Predicted and happened differ, or the spread of the probabilities is wrong."""
    if "happened" not in story:
        return None
    called, came = story["predicted"]["events"], story["happened"]["events"]
    if story["z"] is not None and abs(story["z"]) > SURE and abs(called - came) > OFF * came:
        return f"{_of(story)} predicted {called:,.0f} events and {came:,} happened"
    slope = story["metrics"]["calibration_slope"]
    value, se = slope["value"], slope.get("se")
    if value is None or se is None or SLOPE <= value <= 1 / SLOPE or abs(value - 1) <= SURE * se:
        return None
    way = "too far from" if value < 1 else "too near to"
    return f"the probabilities of {_of(story)} lie {way} the rate (calibration slope {value:.2f})"


def _worth_a_look(seen: Evidence) -> Iterator[str]:
    """What no rule above acts on, but a person should know."""
    if seen.drift is not None:
        alarms = [f for f in seen.drift.alarms() if f.importance >= MATTERS]
        if seen.drift.beyond(MODERATE) or alarms:
            yield moved(seen.drift)
    scores = seen.scores
    if scores is not None and scores.moved >= MODERATE and scores.psi > scores.limit:
        yield f"scores moved by a PSI of {scores.psi:.2f} (chance: {scores.limit:.2f})"
    so_far = (seen.waiting or {}).get("so_far") or {}
    if so_far.get("rate") is not None and seen.waiting is not None:
        called = seen.waiting["expected"]["rate"]["value"]
        outside = not so_far["low"] <= called <= so_far["high"]
        if outside and abs(called - so_far["rate"]) > OFF_SO_FAR * so_far["rate"]:
            yield (
                f"{_of(seen.waiting)} predicted a rate of {called:.1%}, and what is known so far"
                f" points to {so_far['rate']:.1%} (an estimate)"
            )
    if seen.older is not None and (off := _off(seen.older)):
        yield off
    yield from seen.notes


def moved(found: Drifts) -> str:
    """The size of the drift and the features behind it."""
    names = [f"{f.name} ({f.psi:.2f})" for f in found.features[:3] if f.importance * f.moved > 0]
    return (
        f"features moved by a weighted PSI of {found.moved:.2f} beyond chance "
        f"(which gives up to {found.noise:.2f}), most of all {', '.join(names)}"
    )


def _quiet(seen: Evidence) -> str:
    """What was looked at and found in order."""
    said = []
    if seen.drift is not None:
        said.append(f"features moved by a weighted PSI of {seen.drift.moved:.2f} only")
    story = seen.known or seen.older
    if story is not None and "happened" in story:
        called, came = story["predicted"]["events"], story["happened"]["events"]
        chance = ", which chance may explain" if abs(called - came) > OFF * came else ""
        said.append(f"{_of(story)} predicted {called:,.0f} events and {came:,} happened{chance}")
    elif seen.waiting is not None:
        said.append(
            f"what happened after {_of(seen.waiting)} is known on {seen.waiting['known_on']}"
        )
    return "; ".join(said) or "nothing speaks against it"


def _of(story: Json | None) -> str:
    """A run by its moment and version."""
    story = story or {}
    return f"the run of {str(story.get('as_of'))[:10]} (version {story.get('version')})"
