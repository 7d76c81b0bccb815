"""The project file (`retention.toml`): what a company says of its tables, targets and money."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from features.errors import ProjectError, UnknownTargetError
from features.project_checks import check_engine, check_project, choice, settings_at
from features.project_targets import (
    SECTION,
    AsOf,
    Gate,
    Moment,
    Revenue,
    Split,
    Target,
    Training,
)
from features.vendors import expand

__all__ = [
    "AsOf",
    "Gate",
    "Project",
    "Revenue",
    "Source",
    "Split",
    "Target",
    "Training",
    "load_project",
]

RevenueModel = Literal["subscription", "membership", "freemium", "contract", "consumption"]


class _Section(BaseModel):
    model_config = SECTION


class Connection(_Section):
    """A database that sources name; its secrets come from the environment only."""

    url: str  # any Ibis URL, or a SQLite or DuckDB file; `${NAME}` is read from the environment


class Input(_Section):
    """A file that a query names; columns that it lacks are null, as is all of an optional one."""

    file: str | None = None  # or a glob of files
    connection: str | None = None  # in place of a file, with `relation`
    relation: str | None = None
    alternatives: list[str] = []  # relations to look for where there is none of that name
    columns: list[str] = []  # that the query may name though the file does not have them
    optional: bool = False  # without the file, a relation of `columns` without a row
    as_text: bool = False  # every value as the text that it would be in a CSV file

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        of_table = [self.connection is not None, self.relation is not None]
        if any(of_table) and (self.file is not None or not all(of_table)):
            raise ValueError("give it either file, or connection with relation")
        return self


def _input(value: Any) -> Any:
    """A file's name alone is an input."""
    return {"file": value} if isinstance(value, str) else value


class Source(_Section):
    """Files, or a table of a connection, mapped onto one canonical table."""

    file: str | None = None  # or a glob of files
    inputs: dict[str, Annotated[Input, BeforeValidator(_input)]] = {}  # joined by `query`
    connection: str | None = None  # a name of [connections], with `relation` or `query`
    relation: str | None = None  # a table or view of the connection, `schema.name` where needed
    query: str | None = None  # SQL over the names of `inputs`, or on the connection
    loaded_at: str | None = None  # column: only rows with a greater value are read by the next run
    columns: dict[str, str] = {}  # canonical column -> column of the file
    constants: dict[str, str | int | float | bool] = {}  # canonical column -> value
    expressions: dict[str, str] = {}  # canonical column -> SQL over the columns of the file
    where: str | None = None  # SQL; other rows are filtered and counted
    attributes: list[str] = []  # columns of the file that become profile features
    static: list[str] = []  # attributes that never change, so that a date is not needed
    # periods: one row per subscription with `starts_at`, `ends_at`; first: the earliest row of each
    # customer_id (a log of orders tells who the customers are)
    shape: Literal["rows", "periods", "first"] = "rows"
    deduplicate: bool = False
    date_format: str | None = None  # strptime, for dates that are not YYYY-MM-DD
    delimiter: str | None = None  # guessed from the header; "whitespace": one or more blanks
    header: bool = True

    @property
    def origin(self) -> str:
        """Where it comes from, for messages: the file, or the relation of a connection."""
        if self.connection is not None:
            return f"{self.connection}: {self.relation or 'query'}"
        if self.file is not None:
            return self.file
        files = [name for one in self.inputs.values() if (name := one.file or one.relation)]
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        return ", ".join(files[:3]) + more


class Bands(_Section):
    """Lower edges on the calibrated probability; an edge belongs to the higher band."""

    medium: float = Field(0.3, gt=0, lt=1)
    high: float = Field(0.6, gt=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.medium >= self.high:
            raise ValueError(f"medium ({self.medium}) must be below high ({self.high})")
        return self


class Money(_Section):
    """What a decision costs and is worth."""

    months_exposed: int = 12
    gross_margin: Decimal = Field(Decimal("0.8"), ge=0, le=1)
    contact_cost: Decimal | None = Field(None, ge=0)
    success_rate: float | None = Field(None, ge=0, le=1)  # of leavers contacted, who stay
    incentive_share: float = Field(0.0, ge=0, le=1)  # of the value, to all contacted who stay
    discount_rate: Decimal = Field(Decimal(0), ge=0, le=1)  # a year, of the money still to come
    capacity: int | None = Field(None, ge=0)  # customers that can be contacted after a run


class Limits(_Section):
    """What stops a run."""

    quarantine_share: float = Field(0.01, ge=0, le=1)  # of a table's rows
    min_events: int = 50  # distinct customers with the event, in train and in test
    plausible_auc: float | None = None
    outcome_columns: list[str] = []  # written because of the outcome; one as a feature is a leak


class Project(_Section):
    """A whole project file; `path` is where it was read from."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    revenue_model: RevenueModel
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    timezone: str = "UTC"
    engine: Annotated[str, AfterValidator(check_engine)] = "duckdb"  # or local[2], spark://...
    data: str = "."
    data_end: Moment | None = None
    connections: dict[str, Connection] = {}
    sources: dict[str, list[Source]]
    targets: dict[str, Target] = {}
    features: list[str] = []  # Python files with features of one's own, beside the project file
    exclude: list[str] = []
    sensitive: list[str] = []
    revenue: Revenue = Revenue()
    bands: Bands = Bands()
    money: Money = Money()
    limits: Limits = Limits()
    gate: Gate = Gate()
    training: Training = Training()
    path: Path = Field(exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, raw: Any) -> Any:
        """`[sources.usage]` and `[[sources.usage]]` mean the same."""
        if isinstance(raw, dict) and isinstance(raw.get("sources"), dict):
            sources = {k: v if isinstance(v, list) else [v] for k, v in raw["sources"].items()}
            return raw | {"sources": sources}
        return raw

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_project(self)
        return self

    def with_targets(self) -> Self:
        """Itself; ProjectError when it declares nothing to predict, as one just begun."""
        if not self.targets:
            raise ProjectError(
                f"{self.path}: nothing to predict yet: add a target, such as [targets.churn] with"
                ' kind = "churn"'
            )
        return self

    @property
    def folder(self) -> Path:
        """The folder of the project file."""
        return self.path.parent

    @cached_property
    def data_folder(self) -> Path:
        """Where relative source files are looked for."""
        return (self.folder / self.data).resolve()

    @property
    def outputs(self) -> Path:
        """`.retention/<name>/` beside the project file: staged tables, frames, MLflow, store."""
        return self.folder / ".retention" / self.name

    def target(self, name: str) -> Target:
        """The target of that name; UnknownTargetError when the project declares none."""
        if name not in self.targets:
            raise UnknownTargetError(name, self.targets)
        return self.targets[name].in_zone(self.timezone)

    def utc(self, moment: datetime) -> datetime:
        """A moment of the project file as naive UTC; naive ones are in the project's time zone."""
        local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self.timezone))
        return local.astimezone(UTC).replace(tzinfo=None)

    def model_name(self, target: str) -> str:
        """The registered name of a target's model."""
        return f"{self.name}.{target}"


def load_project(path: Path | str, data: Path | str | None = None) -> Project:
    """Read and check a project file; `data` overrides its data folder.

    Raises
    ------
    ProjectError
        Naming the file, the key, what came and what is allowed.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "retention.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(
            f"{path}: no such project file; `retention init DIR` drafts one"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path}: not valid TOML: {error}") from None
    if data is not None:
        raw["data"] = str(Path(data).resolve())
    if "source" in raw:
        raw = expand(raw, path)
    try:
        return Project.model_validate(raw | {"path": path.resolve()})
    except ValidationError as error:
        raise ProjectError(_explain(path, error)) from None


_SECTIONS: Mapping[str, type[BaseModel]] = {
    "": Project,
    "connections.*": Connection,
    "sources.*.*": Source,
    "sources.*.*.inputs.*": Input,
    "targets.*": Target,
    "targets.*.as_of": AsOf,
    "targets.*.split": Split,
    "revenue": Revenue,
    "bands": Bands,
    "money": Money,
    "limits": Limits,
    "gate": Gate,
    "training": Training,
}


def _explain(path: Path, error: ValidationError) -> str:
    """The first fault in one line: file, key, what came, what is allowed; the rest is counted."""
    first, *rest = error.errors(include_url=False)
    location = first["loc"]
    key = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location)[1:]
    more = f" (and {len(rest)} more)" if rest else ""
    came = "" if isinstance(first["input"], Mapping | list) else f"; got {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        allowed = settings_at(_SECTIONS, location)
        message, came = f"no such setting; {choice(str(location[-1]), allowed)}", ""
    return f"{path}: {key + ': ' if key else ''}{message}{came}{more}"
