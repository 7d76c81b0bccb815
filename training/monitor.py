"""Monitoring of a target: drift of its newest run, past predictions against what came, advice."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from features.frames import frame
from features.staging import Staged
from models.drift import Drift, Drifts, column_drift, drift, profile
from training.monitor_advice import Evidence, advise
from training.monitor_labels import Json, LabelClock, StoredRun

Cards = Callable[[int], Mapping[str, Any] | None]
Progress = Callable[[str], None]


def monitor(
    staged: Staged,
    target_name: str,
    runs: Sequence[StoredRun],
    cards: Cards,
    *,
    champion: int | None,
    progress: Progress | None = None,
) -> Json:
    """How the stored runs of a target fared, and what to do.

    Parameters
    ----------
    staged : Staged
    target_name : str
    runs : sequence of StoredRun
    cards : callable
        Gives the card of a version; None when it is no longer there.
    champion : int or None
        The version that would score now.
    progress : callable, optional
        Called with a few words before each long step.

    Returns
    -------
    dict
        `target`, `verdict`, `reason`; `run`, `as_of`, `version`, `customers` of the newest run;
        its `drift` and `scores` against the training rows, `before` against the run before (null
        where there is nothing to compare with); `runs`, see `LabelClock.story`, oldest first.
    """
    say = progress or (lambda _: None)
    target = staged.project.target(target_name)
    order = sorted(runs, key=lambda run: (run.as_of is not None and run.as_of.timestamp(), run.id))
    told: Json = {"target": target_name, "kind": target.kind}
    if not order:
        empty = {"run": None, "as_of": None, "version": None, "customers": 0, "drift": None}
        none = {"verdict": "watch", "reason": "nothing was scored yet: retention score"}
        return told | none | empty | {"scores": None, "before": None, "runs": []}
    newest = order[-1]
    say(f"{target_name}: drift")
    card = None if newest.version is None else cards(newest.version)
    drifts, scores = _against_training(newest, card)
    before = _against_run_before(order, card)
    stories = _stories(staged, target_name, order, cards, say)
    seen = Evidence(
        superseded=_superseded(newest, champion),
        broken=_broken(staged, target_name, newest, card),
        drift=drifts,
        scores=scores,
        **_told_by(stories, newest.version),
        auc_low=_auc_low(card),
        notes=_notes(newest, card),
    )
    advice = advise(seen)
    return told | {
        "verdict": advice.verdict,
        "reason": advice.reason,
        "run": newest.id,
        "as_of": None if newest.as_of is None else newest.as_of.isoformat(),
        "version": newest.version,
        "customers": len(newest.customers),
        "drift": None if drifts is None else drifts.as_json(),
        "scores": None if scores is None else scores.as_json(),
        "before": None if before is None else before.as_json(),
        "runs": stories,
    }


def _against_training(
    run: StoredRun, card: Mapping[str, Any] | None
) -> tuple[Drifts | None, Drift | None]:
    """Drift of features and scores; None where no profile tells what was learned from."""
    known = (card or {}).get("profile")
    if known is None or not len(run.customers):
        return None, None
    scores = known["scores"]
    sizes = scores["customers"], len(run.customers)
    return (
        drift(known, run.rows(), run.names, run.customers),
        column_drift(scores | {"name": "score"}, run.probability, sizes),
    )


def _against_run_before(
    order: Sequence[StoredRun], card: Mapping[str, Any] | None
) -> Drifts | None:
    """Drift of the newest run against the newest with an earlier moment; None without one."""
    newest = order[-1]
    earlier = [
        run
        for run in order[:-1]
        if len(run.customers) and (run.as_of is None or run.as_of != newest.as_of)
    ]
    features = (card or {}).get("features")
    if not earlier or not len(newest.customers) or features is None:
        return None
    old = earlier[-1]
    shared = [one for one in features if one["name"] in old.names]
    place = [old.names.index(one["name"]) for one in shared]
    known = (card or {}).get("profile") or {"features": []}
    weights = {one["name"]: one["importance"] for one in known["features"]}
    weights = weights or {one["name"]: 1 / len(shared) for one in shared}
    base = profile(old.rows()[:, place], shared, old.customers, weights)
    return drift(base, newest.rows(), newest.names, newest.customers)


def _stories(
    staged: Staged, target_name: str, order: Sequence[StoredRun], cards: Cards, say: Progress
) -> list[Json]:
    """What became of each run; nothing where there is no clock.

    `seen` is whether the model knew answers of a time after the run's moment, as where an earlier
    moment is scored again: such a run proves nothing.
    """
    if staged.project.target(target_name).label is not None:
        return []
    dated = [run for run in order if run.as_of is not None and run.version is not None]
    if not dated:
        return []
    clock, stories = LabelClock(staged, target_name, dated), []
    for number, run in enumerate(dated, 1):
        say(f"{target_name}: run {number} of {len(dated)}")
        stories.append(clock.story(run) | {"seen": _seen(run, cards)})
    return stories


def _seen(run: StoredRun, cards: Cards) -> bool | None:
    """Whether the model of a run was learned on later knowledge; None when nobody knows."""
    card = None if run.version is None else cards(run.version)
    until = (card or {}).get("known_until")
    if until is None or run.as_of is None:
        return None
    return run.as_of < datetime.fromisoformat(until)


def _told_by(stories: Sequence[Json], version: int | None) -> Json:
    """The stories that the advice reads: of this version, else of another; and what comes next."""
    told = [one for one in stories if "happened" in one and not one["seen"]]
    mine = [one for one in told if one["version"] == version]
    waiting = [
        one for one in stories if not one["known"] and one["version"] == version and not one["seen"]
    ]
    return {
        "known": mine[-1] if mine else None,
        "older": told[-1] if told and not mine else None,
        "waiting": waiting[0] if waiting else None,
    }


def _broken(
    staged: Staged, target_name: str, run: StoredRun, card: Mapping[str, Any] | None
) -> str | None:
    """Why the model cannot go on."""
    if run.version is None:
        return "nothing was promoted when the newest run was scored"
    if card is None:
        return f"version {run.version} is no longer in the registry"
    built = {feature.name for feature in frame(staged, target_name).catalogue}
    lacking = sorted({one["name"] for one in card["features"]} - built)
    if lacking:
        named = ", ".join(lacking[:3]) + (" and others" if len(lacking) > 3 else "")
        return f"version {run.version} needs features that are no longer built: {named}"
    return None


def _superseded(run: StoredRun, champion: int | None) -> str | None:
    """Another version is the champion since the newest run."""
    if champion is None or champion == run.version:
        return None
    return f"version {champion} is the champion now and has scored nothing yet: retention score"


def _notes(run: StoredRun, card: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What else a person should know."""
    said = []
    if card is not None and "profile" not in card:
        said.append(f"version {run.version} kept no profile of its training rows to compare with")
    if not len(run.customers) and card is not None:
        said.append("the newest run scored nobody")
    return tuple(said)


def _auc_low(card: Mapping[str, Any] | None) -> float | None:
    """What the back-test of a version surely reached."""
    model = ((card or {}).get("metrics") or {}).get("model") or {}
    low = (model.get("auc") or {}).get("low")
    return None if low is None else float(low)
