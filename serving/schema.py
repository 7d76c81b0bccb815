"""The tables of the operational store, the same on SQLite and PostgreSQL.

Money is whole millionths of the currency (`*_micro`), moments are naive UTC, and a published run
never changes: its rows are written once and deleted when the run is pruned.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_JSON = JSON(none_as_null=True)
WRITING, PUBLISHED, FAILED = "writing", "published", "failed"


class Base(DeclarativeBase):
    """Types and naming rules shared by all tables."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(),
        dict[str, Any]: _JSON,
        list[Any]: _JSON,
    }


class ScoringRun(Base):
    """One scoring of all customers for all targets; readers see published ones only."""

    __tablename__ = "scoring_runs"
    __table_args__ = (
        Index(
            "uq_scoring_runs_current",
            "project",
            unique=True,
            sqlite_where=text("is_current"),
            postgresql_where=text("is_current"),
        ),
        {"sqlite_autoincrement": True},  # an id is never used twice: cursors carry it
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str]
    status: Mapped[str]
    is_current: Mapped[bool] = mapped_column(default=False)
    as_of: Mapped[datetime | None]  # null for snapshots
    started_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    data_end: Mapped[datetime | None]
    usage_to: Mapped[datetime | None]  # newest usage fact seen
    counts: Mapped[dict[str, Any] | None]  # customers, and per target scored and not scored
    error: Mapped[str | None]


class RunModel(Base):
    """What a run scored a target with; model columns are null when nothing was promoted."""

    __tablename__ = "run_models"

    run_id: Mapped[int] = mapped_column(ForeignKey("scoring_runs.id"), primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]  # in the project file
    kind: Mapped[str]
    horizon_days: Mapped[int]
    bands: Mapped[dict[str, Any]]  # lower edges
    name: Mapped[str | None]
    version: Mapped[int | None]
    grade: Mapped[str | None]
    trained_at: Mapped[datetime | None]
    features: Mapped[list[Any] | None]  # the order of `score_rows.row`


class RunCustomer(Base):
    """A customer as it stood in a run."""

    __tablename__ = "run_customers"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[int] = mapped_column(ForeignKey("scoring_runs.id"), primary_key=True)
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    segment: Mapped[str | None]
    owner_id: Mapped[str | None]
    plan_id: Mapped[str | None]
    country: Mapped[str | None]
    external_ids: Mapped[dict[str, Any]]
    renewal_at: Mapped[datetime | None]
    mrr_micro: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str]


class RunExternalId(Base):
    """A customer's id in another system, for look-ups by it."""

    __tablename__ = "run_external_ids"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[int] = mapped_column(ForeignKey("scoring_runs.id"), primary_key=True)
    system: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(primary_key=True)


class ScoreEntry(Base):
    """One customer, one target, one run: a probability, or the reason why there is none."""

    __tablename__ = "scores"
    __table_args__ = (
        Index(None, "run_id", "target", "rank"),
        Index(None, "run_id", "target", "probability", "customer_id"),
        {"sqlite_with_rowid": False},
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("scoring_runs.id"), primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]  # scored, not_scored
    not_scored_reason: Mapped[str | None]
    probability: Mapped[float | None]
    band: Mapped[str | None]
    percentile: Mapped[int | None]
    rank: Mapped[int | None]  # 1 is the top of the list; unique among the scored of a target
    value_micro: Mapped[int | None] = mapped_column(BigInteger)  # per month
    expected_micro: Mapped[int | None] = mapped_column(BigInteger)
    expected_kind: Mapped[str]  # revenue_at_risk, gain
    expected_reason: Mapped[str | None]  # why there is no amount
    renewal_in_horizon: Mapped[bool | None]
    out_of_fold: Mapped[bool] = mapped_column(
        default=False
    )  # by a fold's model, not the stored one
    previous_probability: Mapped[float | None]
    previous_band: Mapped[str | None]
    previous_as_of: Mapped[datetime | None]
    reasons: Mapped[list[Any] | None]  # null: computed on request
    contact: Mapped[bool | None]  # on the best list; null without [money] terms
    contact_profit_micro: Mapped[int | None] = mapped_column(BigInteger)  # expected, of a contact
    involuntary: Mapped[float | None]  # the part of the probability that payments cause
    remaining_months: Mapped[float | None]  # expected
    lifetime_value_micro: Mapped[int | None] = mapped_column(BigInteger)  # expected, discounted


class ScoreRow(Base):
    """The encoded model row a score came from: little-endian float64, in the model's order."""

    __tablename__ = "score_rows"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[int] = mapped_column(ForeignKey("scoring_runs.id"), primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    row: Mapped[bytes] = mapped_column(LargeBinary)
