"""The gate a model must pass to be used, and the grade it carries, each said in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.bootstrap import Interval

NAMES = {"constant": "the newest known rate", "rule": "the simple rule", "champion": "the champion"}
PROMOTED = ("A", "B")


@dataclass(frozen=True)
class Settings:
    """Thresholds of grade A (`spec`: evaluation, 7)."""

    skill: float = 0.05  # lower bound of the Brier skill against the constant
    lift_share: float = 0.40  # lower bound of the attainable share of lift10


@dataclass(frozen=True)
class Evidence:
    """What a back-test shows of one model.

    Attributes
    ----------
    brier_skill, lift_share : Interval
        Against the constant; of the lift that was attainable in the top tenth.
    worst_gain : float
        Log loss of the constant less the model's, at the origin where it is least.
    against : mapping of str to Interval
        Log loss of the model less that of `constant`, `rule` and, where they can be compared, the
        `champion`, paired by customer: below zero is better.
    note : str, optional
        What else the reader must know, such as why the champion could not be compared.
    """

    brier_skill: Interval
    lift_share: Interval
    worst_gain: float
    against: Mapping[str, Interval] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a model is promoted, its grade, and why."""

    promoted: bool
    grade: str
    reason: str


def judge(evidence: Evidence, settings: Settings | None = None) -> Verdict:
    """Gate and grade of one model.

    Promoted when the interval of its log loss lies below that of the constant and of the simple
    rule, the champion is not better, and the grade is A or B.
    """
    grade, why = _grade(evidence, settings or Settings())
    lost = [name for name in evidence.against if not _beats(evidence, name)]
    said = "; ".join(f"log loss {_gap(evidence, name)}" for name in lost or evidence.against)
    promoted = not lost and grade in PROMOTED
    parts = [f"grade {grade}: {why}", said, evidence.note or ""]
    reason = "; ".join(part for part in parts if part)
    return Verdict(promoted, grade, reason if promoted else f"not promoted; {reason}")


def unready(reason: str) -> Verdict:
    """Grade U: the data cannot teach or prove this target."""
    return Verdict(promoted=False, grade="U", reason=reason)


def _beats(evidence: Evidence, other: str) -> bool:
    """Clearly better than a baseline; not worse than a champion."""
    found = evidence.against[other]
    bound = found.value if other == "champion" else found.high
    return bound is not None and (bound <= 0 if other == "champion" else bound < 0)


def _grade(evidence: Evidence, settings: Settings) -> tuple[str, str]:
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
