"""Every error a user can cause or meet, in one tree.

RetentionError                 base: one plain sentence, exit code 1 on the command line
|- ProjectError                the project file is wrong: file, key, what came, what is allowed
|- SourceError                 a source cannot be used: table, column, count, examples
|- EngineError                 the engine a project names cannot be started: what it needs
|- UnknownFeatureError         a model or project asks for a feature that is not registered
|  '- ModelFeaturesError       a model was learned from columns that the project no longer has
|- UnknownTargetError          a target that the project does not declare
|- UnfitDataError              the data cannot teach this target; says what is missing, by how much
|- LeakError                   a training knows what it could not have known; names the proof
|- ModelNotFoundError          no registered or promoted model under that name
|- PromotionError              a version that cannot be made the champion
|  '- GateFailedError          its gate was not passed; names the checks that failed
|- RegistryError               the MLflow address of models is wrong, or does not answer
|- CustomerNotFoundError       no such customer in the current scoring run
|- StoreError                  the operational store is missing, old or unreachable
"""

from collections.abc import Iterable


class RetentionError(Exception):
    """Base of all errors whose text is meant for the reader."""


class ProjectError(RetentionError):
    """The project file does not say what it must."""


class SourceError(RetentionError):
    """A source lacks a file, a table, a column or a type, or holds too many bad rows.

    `lines` are all findings of the check, printable, where the check came that far.
    """

    def __init__(self, message: str, lines: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.lines = tuple(lines)


class EngineError(RetentionError):
    """The engine that a project names cannot be started; says what it needs."""


class UnknownFeatureError(RetentionError):
    """A model or a project asks for a feature that is not registered."""

    def __init__(self, missing: Iterable[str], known: Iterable[str]) -> None:
        super().__init__(f"unknown features {sorted(missing)}; registered are {sorted(known)}")


class ModelFeaturesError(UnknownFeatureError):
    """A registered model was learned from columns that the project no longer has."""

    def __init__(self, model: str, missing: Iterable[str], known: Iterable[str]) -> None:
        RetentionError.__init__(
            self,
            f"{model} needs the features {sorted(missing)}, which this project lacks (it has"
            f" {sorted(known)}): bring their columns back, or train again",
        )


class UnknownTargetError(RetentionError):
    """A target that the project does not declare."""

    def __init__(self, target: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown target {target!r}; the project declares {sorted(known)}")


class UnfitDataError(RetentionError):
    """The data cannot teach a target: too few customers, events or months."""


class LeakError(RetentionError):
    """A column or row of a training holds what could not have been known; says which and why.

    `rows` are all checks of the leak guard, under `COLUMNS`.
    """

    COLUMNS = ("target", "check", "state", "proof")

    def __init__(self, message: str, rows: Iterable[tuple[str, ...]] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


class ModelNotFoundError(RetentionError):
    """Nothing is registered, or nothing was promoted, under that name."""


class PromotionError(RetentionError):
    """A version that cannot be made the champion."""


class GateFailedError(PromotionError):
    """A version whose gate was not passed; names the checks that failed."""


class RegistryError(RetentionError):
    """The registry of models cannot be used; names the address, never its credentials."""


class CustomerNotFoundError(RetentionError):
    """The current scoring run holds no such customer."""

    def __init__(self, customer_id: str) -> None:
        super().__init__(f"customer {customer_id!r} is not known")


class StoreError(RetentionError):
    """The operational store is missing, of another version, or unreachable."""
