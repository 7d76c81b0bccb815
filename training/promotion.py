"""Champions: promoted when the gate was passed, forced with a reason, rolled back; all recorded."""

import getpass
import os
from collections.abc import Iterator, Mapping
from typing import Any

from features.errors import GateFailedError, ModelNotFoundError, PromotionError
from features.project import Project
from features.project_checks import LIFETIME
from models.registry import CHALLENGER, CHAMPION, Registry
from models.registry_decisions import Action, Decision, champion_before
from training.report import Report

TRAINING = "training"  # who decides at the end of a training
PASSED = "passed"
COLUMNS = (
    "target", "version", "alias", "grade", "trained", "log loss", "gate", "decision", "by",
    "decided", "reason",
)  # fmt: skip
LONGEST = 1000  # characters of a reason that somebody types
SHORT = 60  # characters of a reason in a table
Json = dict[str, Any]


def gate_tag(report: Report) -> str:
    """What a version keeps of its gate: `passed`, or `failed: ` and the names of the checks."""
    failed = [check["name"] for check in report.gate if check["state"] == "failed"]
    return f"failed: {', '.join(failed)}" if failed else PASSED


def decide(registry: Registry, name: str, version: int, report: Report) -> Decision:
    """The decision of a training on the version it registered, recorded."""
    failed = tuple(check["name"] for check in report.gate if check["state"] == "failed")
    action: Action = "promoted" if report.promoted else "refused"
    before = registry.champion_version(name)
    decision = Decision(action, version, before, TRAINING, report.reason, failed)
    registry.decide(name, decision)
    return decision


def promote(
    registry: Registry,
    project: Project,
    target: str,
    version: int | None = None,
    *,
    reason: str | None = None,
    force: bool = False,
) -> Decision:
    """Make a version the champion if its recorded gate was passed, or if it is forced.

    Parameters
    ----------
    registry : Registry
    project : Project
    target : str
        Or `lifetime`, for the model of lifetimes.
    version : int, optional
        The challenger when left out.
    reason : str, optional
        One line; must be given to force.
    force : bool
        Promote though the gate was not passed.

    Raises
    ------
    UnknownTargetError
    ModelNotFoundError
        No such version, none to promote, or its out-of-fold scores are gone.
    PromotionError
        It is the champion already, or is forced without a reason.
    GateFailedError
        The gate was not passed; this refusal is recorded too.
    """
    name, said = _name(project, target), _line(reason)
    if force and not said:
        raise PromotionError("--force needs a --reason, which is recorded with the decision")
    row = _version(registry.versions(name), name, version)
    number, before = row["version"], registry.champion_version(name)
    if number == before:
        raise PromotionError(f"version {number} of {name} is the champion already")
    _check_scores(project, target, number)
    failed = failed_checks(row["tags"])
    if failed and not force:
        told = said or "the gate was not passed"
        registry.decide(name, Decision("refused", number, before, user(), told, failed))
        raise GateFailedError(
            f"version {number} of {name} did not pass the gate ({', '.join(failed)}) and is not"
            " promoted; --force with a --reason overrules that"
        )
    action: Action = "forced" if failed else "promoted"
    told = said or "the gate was passed"
    decision = Decision(action, number, before, user(), told, failed)
    registry.decide(name, decision)
    return decision


def rollback(
    registry: Registry, project: Project, target: str, *, reason: str | None = None
) -> Decision:
    """Make the champion before the present one the champion again.

    Raises
    ------
    UnknownTargetError
    ModelNotFoundError
        There is no champion, none before it, or its version or out-of-fold scores are gone.
    PromotionError
        The reason is not one line.
    """
    name, said = _name(project, target), _line(reason)
    present = registry.champion_version(name)
    if present is None:
        raise ModelNotFoundError(f"{name} has no champion that could be rolled back")
    before = champion_before(registry.decisions(name), present)
    if before is None:
        raise ModelNotFoundError(f"no champion of {name} is known before version {present}")
    _version(registry.versions(name), name, before)
    _check_scores(project, target, before)
    told = said or "no reason was given"
    decision = Decision("rolled back", before, present, user(), told)
    registry.decide(name, decision)
    return decision


def failed_checks(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the checks of the gate that a version failed; empty when it passed."""
    found = tags.get("gate")
    if found is None:
        return ("no gate is recorded",)
    return () if found == PASSED else tuple(found.partition(": ")[2].split(", "))


def sentence(name: str, decision: Decision) -> str:
    """What a decision changed, for a person."""
    was = "" if decision.before is None else f" in place of version {decision.before}"
    overruled = f", though it failed: {', '.join(decision.failed)}" if decision.failed else ""
    return f"version {decision.version} of {name} is the champion now{was}{overruled}"


def modelled(registry: Registry, project: Project) -> list[str]:
    """The targets of a project, and `lifetime` where a model of lifetimes was registered."""
    has = registry.versions(project.model_name(LIFETIME))
    return [*project.targets, *([LIFETIME] if has else [])]


def table_rows(registry: Registry, project: Project, target: str) -> Iterator[tuple[object, ...]]:
    """Every version of a target, newest first, under `COLUMNS`."""
    for one in version_rows(registry, project, target):
        loss, why = one["log_loss"], one["reason"] or "-"
        yield (
            target,
            one["version"],
            ", ".join(one["aliases"]) or "-",
            one["grade"] or "-",
            f"{one['trained_at'][:16].replace('T', ' ')}",
            "-" if loss is None else f"{loss:.4f}",
            one["gate"] or "not recorded",
            one["decision"] or "-",
            one["decided_by"] or "-",
            (one["decided_at"] or "-")[:16].replace("T", " "),
            why if len(why) <= SHORT else f"{why[: SHORT - 3]}...",
        )


def version_rows(registry: Registry, project: Project, target: str) -> list[Json]:
    """Every version of a target as plain JSON, newest first, with its newest decision."""
    found = registry.versions(_name(project, target))
    return [
        {
            "version": one["version"],
            "aliases": one["aliases"],
            "grade": one["grade"],
            "trained_at": f"{one['created_at'].isoformat(timespec='seconds')}Z",
            "log_loss": one["metrics"].get("log_loss"),
            "gate": one["tags"].get("gate"),
            "decision": one["tags"].get("decision"),
            "decided_by": one["tags"].get("decided_by"),
            "decided_at": one["tags"].get("decided_at"),
            "reason": one["tags"].get("decision_reason"),
        }
        for one in found
    ]


def user() -> str:
    """Who runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no entry for the number in the system's list of users
        return f"user {os.getuid()}"


def _name(project: Project, target: str) -> str:
    if target != LIFETIME:
        project.target(target)  # an unknown one stops here
    return project.model_name(target)


def _line(reason: str | None) -> str:
    """A reason that can be recorded."""
    said = (reason or "").strip()
    if len(said) > LONGEST or len(said.splitlines()) > 1:
        raise PromotionError(
            f"a reason is one line of at most {LONGEST:,} characters; this one has"
            f" {len(said.splitlines())} lines and {len(said):,} characters"
        )
    return said


def _version(rows: list[Json], name: str, version: int | None) -> Json:
    """The row of a version, or of the challenger."""
    numbers = ", ".join(str(row["version"]) for row in reversed(rows)) or "none"
    for row in rows:
        wanted = CHALLENGER in row["aliases"] if version is None else row["version"] == version
        if wanted:
            return row
    if version is not None:
        raise ModelNotFoundError(f"no version {version} of model {name!r}; there are: {numbers}")
    champions = [str(row["version"]) for row in rows if CHAMPION in row["aliases"]]
    being = f", of which {champions[0]} is the champion" if champions else ""
    raise ModelNotFoundError(
        f"{name} has no challenger; name a version by --version; there are: {numbers}{being}"
    )


def _check_scores(project: Project, target: str, version: int) -> None:
    """The champion of a snapshot publishes scores of models that had not seen the customer."""
    if target == LIFETIME or project.target(target).label is None:
        return
    path = project.outputs / "oof" / f"{target}-{version}.parquet"
    if not path.exists():
        raise ModelNotFoundError(
            f"the out-of-fold scores of {project.model_name(target)} version {version} are not at"
            f" {path}, so its customers could not be scored; train again"
        )
