"""Decisions on registered versions: what was decided, by whom, when and why, kept as tags."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Self

Action = Literal["promoted", "refused", "forced", "rolled back"]
PREFIX = "decision."  # of the tags of a registered model, one for each decision
LENGTH = 2000  # characters of a reason; MLflow's databases keep 5,000 of a tag


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Decision:
    """One decision on a version.

    Attributes
    ----------
    action : str
        `promoted`, `refused` (the gate was not passed), `forced` (promoted all the same), or
        `rolled back` (made the champion again).
    version : int
    before : int or None
        The champion at that moment.
    by : str
        A user of the system, or `training`.
    reason : str
    failed : tuple of str
        Checks of the gate that failed.
    at : datetime
        Naive UTC.
    """

    action: Action
    version: int
    before: int | None
    by: str
    reason: str
    failed: tuple[str, ...] = ()
    at: datetime = field(default_factory=_now)

    @property
    def makes_champion(self) -> bool:
        """Whether the version is the champion after it."""
        return self.action != "refused"

    def as_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "action": self.action,
            "version": self.version,
            "champion_before": self.before,
            "by": self.by,
            "at": f"{self.at.isoformat(timespec='microseconds')}Z",
            "reason": self.reason[:LENGTH],
            "failed": list(self.failed),
        }

    def as_tag(self) -> tuple[str, str]:
        """Key and value on the registered model; keys sort by time."""
        return f"{PREFIX}{self.at:%Y%m%dT%H%M%S.%f}", json.dumps(self.as_json(), ensure_ascii=False)

    @classmethod
    def from_tag(cls, value: str) -> Self:
        """The inverse of `as_tag`."""
        read = json.loads(value)
        return cls(
            read["action"],
            read["version"],
            read["champion_before"],
            read["by"],
            read["reason"],
            tuple(read["failed"]),
            datetime.fromisoformat(read["at"].removesuffix("Z")),
        )

    def version_tags(self) -> dict[int, dict[str, str]]:
        """The newest decision of each version that it concerns, as tags of the version."""
        said = {
            "decided_at": f"{self.at.isoformat(timespec='seconds')}Z",
            "decided_by": self.by,
            "decision_reason": self.reason[:LENGTH] or "no reason was given",
        }
        if self.action != "rolled back" or self.before is None:
            return {self.version: said | {"decision": self.action}}
        return {
            self.version: said | {"decision": "rolled back to"},
            self.before: said | {"decision": "rolled back from"},
        }


def history(tags: Mapping[str, str]) -> list[Decision]:
    """The decisions among the tags of a registered model, oldest first."""
    keys = sorted(key for key in tags if key.startswith(PREFIX))
    return [Decision.from_tag(tags[key]) for key in keys]


def champion_before(decisions: Sequence[Decision], champion: int) -> int | None:
    """The champion that a roll-back leads to; None where none is known.

    A roll-back takes the champion away, so two in a row lead two champions back. An alias that was
    moved by hand stands: what is the champion now is not doubted.
    """
    line: list[int] = []
    for one in decisions:
        if one.action == "rolled back":
            _cut(line, one.version)
        elif one.makes_champion:
            line.append(one.version)
    _cut(line, champion)
    return line[-2] if len(line) > 1 else None


def _cut(line: list[int], version: int) -> None:
    """Let a line of champions end with the version: at its last place there, else after all."""
    if version not in line:
        line.append(version)
    while line[-1] != version:
        line.pop()
