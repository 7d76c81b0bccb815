"""Sections of the project file that say what is predicted, when, and how money is counted."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

TargetKind = Literal[
    "churn", "silence", "inactivity", "upsell", "cross_sell", "conversion", "contraction"
]
LADDER_DAYS = (90, 60, 42, 28, 21, 14, 7, 3, 1)


def _moment(value: Any) -> Any:
    """A TOML date is its midnight."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


Moment = Annotated[datetime, BeforeValidator(_moment)]
SECTION = ConfigDict(extra="forbid", frozen=True)


class _Section(BaseModel):
    model_config = SECTION


class AsOf(_Section):
    """Which moments are scored: a calendar grid, days after an anchor, a ladder before an end."""

    every: Literal["day", "week", "month"] = "month"
    start: Moment | None = None
    end: Moment | None = None
    dates: list[Moment] = []  # named moments instead of a grid
    anchor: Literal["customers", "subscriptions", "orders", "touches", "term_end"] | None = None
    after_days: int = 0
    ladder_days: list[Annotated[int, Field(ge=0)]] = [*LADDER_DAYS]  # before a term end
    where: str | None = None  # SQL over the anchor table: which rows anchor

    @property
    def anchor_table(self) -> str | None:
        """The table whose rows anchor."""
        return "subscriptions" if self.anchor == "term_end" else self.anchor


class Split(_Section):
    """Where a test is fixed; left out, the newest mature moments are the rolling origins' tests.

    Snapshots are cross-validated unless a sample or a share of their rows is the test.
    """

    train: list[Moment] = []
    test: list[Moment] = []
    test_from: Moment | None = None
    train_sample: str | None = None  # snapshots: value of the column `sample` of rows that train
    test_sample: str | None = None  # and of those that test; other rows do neither
    # of the company, where `train_sample` was drawn by the outcome; probabilities are moved to it
    population_rate: float | None = Field(None, gt=0, lt=1)
    test_share: float | None = Field(None, gt=0, lt=1)  # the last rows by `row_number`, or with
    seed: int | None = Field(None, ge=0)  # a seed rows drawn as by scikit-learn's train_test_split
    recalibrate_every: int | None = Field(None, gt=0)  # rows of a `test_share` without a seed: each
    # block of so many is predicted at the level that the answers of all earlier ones show
    group_duplicates: bool = False  # rows alike in every feature count as one customer


class Target(_Section):
    """One event to predict; `spec`: eligible, happens, known after."""

    kind: TargetKind
    horizon_days: int = Field(90, gt=0)
    grace_days: int = Field(30, ge=0)
    # churn: how long a paused customer may come back; left out, `revenue.pause_max_days` where the
    # company pauses subscriptions at all
    pause_days: int | None = Field(None, ge=0)
    end_reasons: list[str] = []  # churn: only an end for one of these is the event; empty: any
    active_days: int = Field(365, gt=0)
    min_increase: float = Field(0.05, ge=0)
    min_age_days: int = Field(14, ge=0)  # younger customers are `too_new`
    product: str | None = None  # cross_sell: the plan, product or event that is bought
    product_from: str | None = None  # cross_sell: or the anchor's column that names it
    product_in: Literal["subscriptions", "orders", "usage"] | None = None  # where it is named
    audience: Literal["free", "trial", "one_time_buyer"] | None = None  # conversion; None: any
    label: str | None = None  # snapshots: the column that says who left
    positive: str | None = None  # snapshots: its value for those
    where: str | None = None  # SQL over the state at as_of: who else must hold
    as_of: AsOf = AsOf()
    split: Split = Split()
    features: list[str] = []  # names or families; empty is all
    _zone: str = PrivateAttr("UTC")

    @property
    def zone(self) -> str:
        """The time zone of its days, the project's."""
        return self._zone

    def in_zone(self, zone: str) -> Self:
        """The same target with days of a time zone."""
        copy = self.model_copy()
        copy._zone = zone  # noqa: SLF001 - its own
        return copy

    @property
    def product_column(self) -> str | None:
        """The flag of the state that says who has the product of a cross-sell."""
        where = f" in {self.product_in}" if self.product_in else ""
        return None if self.product is None else f"has {self.product}{where}"


class Training(_Section):
    """How many rows teach, and how they are held; `docs/training_at_size.md`."""

    rows: int = Field(10_000_000, gt=0)  # the newest dates, whole, up to so many or one date
    rows_in_memory: int = Field(400_000, gt=0)  # a larger matrix is read from disk block by block
    majority_share: float = Field(1.0, gt=0, le=1)  # of the commoner outcome, that trees learn from


class Gate(_Section):
    """What a model must show to be promoted, and to be graded A (`spec`: evaluation, 6 and 7)."""

    skill: float = Field(0.05, ge=0, le=1)  # A: lower bound of the Brier skill over the constant
    lift_share: float = Field(0.40, ge=0, le=1)  # A: of the attainable lift in the top tenth
    slope_low: float = Field(0.8, ge=0, le=1)  # promoted: the calibration slope's interval
    slope_high: float = Field(1.25, ge=1)  # reaches into what lies between


class Revenue(_Section):
    """The policy under which MRR is counted (`spec/revenue.md`)."""

    dunning_days: int = 30
    pause_max_days: int = 90
    trial_counts: bool = False
    zero_mrr_is_churn: bool = True
    discounts: Literal["recurring", "all", "none"] = "recurring"
    switch_gap_hours: float = Field(24, ge=0)  # cancel and create so close together is a change
