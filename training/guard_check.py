"""One answer of the leak guard: which check, how it went, and the proof."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from features.errors import LeakError

State = Literal["passed", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Check:
    """What the guard looked at and found.

    Attributes
    ----------
    name : str
        `rows`, `outcome`, `columns`, `future` or `score`.
    state : str
        A check that `failed` fails the training.
    proof : str
        A sentence that names columns or rows, and the numbers.
    columns : tuple of str
        The features, or columns of tables, that are at fault.
    """

    name: str
    state: State
    proof: str
    columns: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"columns": list(self.columns)}


def check_of(
    name: str, faults: Sequence[str], passed: str, *, columns: Iterable[str] = ()
) -> Check:
    """Failed with its faults in one sentence, or passed."""
    if faults:
        return Check(name, "failed", "; ".join(faults), tuple(dict.fromkeys(columns)))
    return Check(name, "passed", passed)


def stop_if_failed(target: str, checks: Sequence[Check]) -> None:
    """Fail a training.

    Raises
    ------
    LeakError
        One sentence with the proof of every check that failed; `rows` are all checks under
        `LeakError.COLUMNS`.
    """
    failed = [check.proof for check in checks if check.state == "failed"]
    if failed:
        rows = [(target, one.name, one.state, one.proof) for one in checks]
        raise LeakError(f"{target}: {'; '.join(failed)}", rows)
