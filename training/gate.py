"""The gate a model must pass to be used, and the grade it carries, each said in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from features.project import Gate
from models.bootstrap import Interval
from training.guard_check import Check

NAMES = {"constant": "the newest known rate", "rule": "the simple rule", "champion": "the champion"}
PROMOTED = ("A", "B")


@dataclass(frozen=True)
class Evidence:
    """What a back-test shows of one model.

    Attributes
    ----------
    brier_skill, lift_share : Interval
        Against the constant; of the lift that was attainable in the top tenth.
    worst_gain : float
        Log loss of the constant less the model's, at the origin where it is least.
    slope : Interval
        Of the calibration.
    against : mapping of str to Interval
        Log loss of the model less that of `constant`, `rule` and, where they can be compared, the
        `champion`, paired by customer: below zero is better.
    note : str, optional
        What else the reader must know, such as why the champion could not be compared.
    """

    brier_skill: Interval
    lift_share: Interval
    worst_gain: float
    slope: Interval
    against: Mapping[str, Interval] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a model is promoted, its grade, why, and every condition with its proof.

    Attributes
    ----------
    checks : tuple of Check
        `constant`, `rule`, `champion`, `calibration`, `segments`, `leak`, `data`, `grade`; the
        model is promoted where none `failed`.
    """

    promoted: bool
    grade: str
    reason: str
    checks: tuple[Check, ...] = ()

    def as_json(self) -> tuple[dict[str, str], ...]:
        """The checks as plain JSON: name, state, proof."""
        return tuple(
            {"name": one.name, "state": one.state, "proof": one.proof} for one in self.checks
        )


def judge(
    evidence: Evidence,
    leaks: Sequence[Check],
    thin: Sequence[str] = (),
    off: Sequence[str] = (),
    settings: Gate | None = None,
) -> Verdict:
    """Gate and grade of one model.

    Promoted when the interval of its log loss lies below that of the constant and of the simple
    rule, the champion is not better, the interval of its calibration slope reaches into the
    allowed range, no check for leaks failed, the data suffice, and the grade is A or B.

    Parameters
    ----------
    evidence : Evidence
    leaks : sequence of Check
        What the leak guard found.
    thin : sequence of str
        What the data lack for a firm proof though they suffice for one; said, and no obstacle.
    off : sequence of str
        The segments whose probabilities are surely too high or too low; said, and no obstacle.
    settings : Gate, optional
        The project's thresholds.
    """
    settings = settings or Gate()
    grade, why = _grade(evidence, settings)
    against = [_against(evidence, name) for name in NAMES]
    level = _calibration(evidence.slope, settings)
    rest = [level, _segments(off), _leak(leaks), _data(thin)]
    earned = Check("grade", "passed" if grade in PROMOTED else "failed", f"grade {grade}: {why}")
    checks = (*against, *rest, earned)
    lost = [check.name for check in against if check.state == "failed"]
    said = "; ".join(f"log loss {_gap(evidence, name)}" for name in lost or evidence.against)
    short = [check.proof for check in rest if check.state == "failed"]
    parts = [earned.proof, said, *short, evidence.note or ""]
    reason = "; ".join(part for part in parts if part)
    promoted = all(check.state != "failed" for check in checks)
    return Verdict(promoted, grade, reason if promoted else f"not promoted; {reason}", checks)


def unready(reason: str) -> Verdict:
    """Grade U: the data cannot teach or prove this target."""
    return Verdict(False, "U", reason, (Check("data", "failed", reason),))


def _against(evidence: Evidence, other: str) -> Check:
    """Clearly better than a baseline; not worse than a champion."""
    found = evidence.against.get(other)
    if found is None:
        return Check(other, "skipped", evidence.note or f"{NAMES[other]}: there is none")
    bound = found.value if other == "champion" else found.high
    beats = bound is not None and (bound <= 0 if other == "champion" else bound < 0)
    wanted = "at most 0 is wanted" if other == "champion" else "all of it below 0 is wanted"
    proof = f"log loss {_gap(evidence, other)}; {wanted}"
    return Check(other, "passed" if beats else "failed", proof)


def _calibration(slope: Interval, settings: Gate) -> Check:
    """Refused where the slope is surely too flat or too steep; an unsure one is no proof of it."""
    least, most = settings.slope_low, settings.slope_high
    if slope.value is None:
        return Check("calibration", "failed", "the calibration slope is undefined")
    low = slope.value if slope.low is None else slope.low
    high = slope.value if slope.high is None else slope.high
    said = f"calibration slope {said_of(slope)}"
    if high < least or low > most:
        return Check("calibration", "failed", f"{said} lies outside {least:g} to {most:g}")
    return Check("calibration", "passed", f"{said} reaches into {least:g} to {most:g}")


def _segments(off: Sequence[str]) -> Check:
    if off:
        return Check("segments", "warning", f"the level is off in parts: {'; '.join(off)}")
    return Check("segments", "passed", "no part's level is off by more than chance may explain")


def _leak(leaks: Sequence[Check]) -> Check:
    """No check of the leak guard failed; its warnings are told."""
    by_state = {
        state: [check for check in leaks if check.state == state] for state in ("failed", "warning")
    }
    if not leaks:
        return Check("leak", "failed", "the leak guard looked at nothing")
    for state, found in by_state.items():
        if found:
            proof = "; ".join(check.proof for check in found)
            return Check("leak", "failed" if state == "failed" else "warning", proof)
    return Check("leak", "passed", f"none found by {len(leaks)} checks")


def _data(thin: Sequence[str]) -> Check:
    """Where data cannot teach or prove a target nothing comes this far."""
    if thin:
        return Check("data", "warning", f"ready, and thin: {'; '.join(thin)}")
    return Check("data", "passed", "ready: enough to learn and to prove")


def _grade(evidence: Evidence, settings: Gate) -> tuple[str, str]:
    """The grade by lower bounds, and the sentence that explains it."""
    skill, share = evidence.brier_skill, evidence.lift_share
    said = f"Brier skill {said_of(skill)} against the newest known rate"
    if not (skill.value or 0) > 0:
        return "U", f"{said}, no better"
    if not (skill.low or 0) > 0:
        return "C", f"{said}, which chance may explain"
    short = []
    if (skill.low or 0) < settings.skill:
        short.append(f"its lower bound is under {settings.skill:g}")
    if (share.low or 0) < settings.lift_share:
        short.append(
            f"the top tenth surely reaches only {share.low or 0:.0%} of the attainable lift"
        )
    if not evidence.worst_gain > 0:
        short.append("the worst origin is no better than the newest known rate")
    if short:
        return "B", f"{said}; not A, as {' and '.join(short)}"
    return "A", f"{said}, and the top tenth surely reaches {share.low:.0%} of the attainable lift"


def _gap(evidence: Evidence, other: str) -> str:
    return f"{said_of(evidence.against[other])} against {NAMES[other]}"


def said_of(found: Interval) -> str:
    """An estimate and its interval as text."""
    if found.value is None:
        return "undefined"
    if found.low is None or found.high is None:
        return f"{found.value:.4f} (no interval)"
    return f"{found.value:.4f} ({found.low:.4f} to {found.high:.4f})"
