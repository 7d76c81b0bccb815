"""The five revenue models: what each kind of company sells, to whom, and how it is used."""

from dataclasses import dataclass

import numpy as np

from simulation.kinds import Floats


@dataclass(frozen=True)
class Plan:
    """A plan; `cents` per seat and month in the first currency."""

    plan_id: str
    name: str
    tier: int
    cents: int


@dataclass(frozen=True)
class Use:
    """How a product is used, by the five levels of health."""

    events: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]  # of the events, one row per level
    quantity: tuple[float, ...]  # mean of a row, by event
    rows: float  # a day, of a steady customer with one seat
    lag_days: float = 9.0  # activity follows health that slowly; 1 is at once
    by_mode: tuple[float, ...] = (0.0, 0.5, 1.0, 1.0, 0.0, 0.05)  # absent ... left, paused
    leaving: float = 0.6  # after an end is scheduled
    weekend: float = 0.25
    renamed: str = ""  # event 1 is called that from the middle of the history on
    paid_only: bool = True  # the last event needs a plan above the first


@dataclass(frozen=True)
class Model:
    """One kind of company; factors multiply the hazards of `simulation.hazards`."""

    name: str
    plans: tuple[Plan, ...]  # the first is free; empty where goods are sold
    use: Use
    free: float = 0.35  # shares of newcomers; the rest pays at once
    trial: float = 0.30
    existing_free: float = 0.2
    above: tuple[tuple[float, float], ...] = ((0.38, 0.07), (0.75, 0.30), (0.95, 0.70))
    segments: tuple[str, str, str] = ("small", "mid", "enterprise")
    seats: tuple[float, float, float] = (2.2, 9.0, 30.0)  # beyond the first; zeros: a single one
    long_terms: tuple[float, float, float] = (0.18, 0.4, 0.65)  # share that is not monthly
    terms: tuple[int, ...] = (12,)  # months of those
    leave: float = 1.0
    grow: float = 1.0
    convert: float = 1.0
    pause: float = 0.0
    win_back: float = 1.0
    at_once: float = 0.10  # share of cancellations that do not wait for the end of the period
    transfer: float = 0.2  # share that pays by transfer
    legacy: str = ""  # id of the plan that was sold in place of the second until the migration
    renamed: str = ""  # name of the third plan from then on
    currencies: bool = False  # customers pay in their own
    months: tuple[float, ...] = (1.15, 1.0, 1.0, 1.0, 0.95, 0.95, 0.95, 0.9, 1.0, 1.0, 1.0, 1.1)
    attributes: tuple[str, str] = ("industry", "employees")
    groups: tuple[str, ...] = (
        "software", "retail", "health", "finance", "education", "media", "manufacturing",
    )  # fmt: skip
    people: bool = False  # customers are persons, not firms

    @property
    def seated(self) -> bool:
        """Whether a customer may buy several seats."""
        return any(self.seats)

    @property
    def sells_goods(self) -> bool:
        """Whether there are orders in place of subscriptions."""
        return not self.plans

    @property
    def main(self) -> str:
        """The event that a treatment is meant to prevent."""
        return "silence" if self.sells_goods else "churn"

    @property
    def cents(self) -> Floats:
        """List price of each plan."""
        return np.array([plan.cents for plan in self.plans], dtype=np.float64)


_SOFTWARE = (
    (0.74, 0.15, 0.04, 0.06, 0.00, 0.01),
    (0.60, 0.20, 0.08, 0.08, 0.01, 0.03),
    (0.46, 0.22, 0.14, 0.09, 0.03, 0.06),
    (0.38, 0.22, 0.18, 0.10, 0.04, 0.08),
    (0.32, 0.22, 0.21, 0.10, 0.05, 0.10),
)
_LEISURE = (
    (0.90, 0.05, 0.03, 0.02, 0.00),
    (0.78, 0.12, 0.06, 0.03, 0.01),
    (0.64, 0.20, 0.09, 0.05, 0.02),
    (0.55, 0.25, 0.10, 0.06, 0.04),
    (0.48, 0.28, 0.11, 0.07, 0.06),
)
_PERSONS = {
    "segments": ("student", "adult", "family"),
    "attributes": ("age_group", "household"),
    "groups": ("18-24", "25-29", "30-34", "35-44", "45-54", "55-64", "65+"),
    "seats": (0.0, 0.0, 0.0),
    "people": True,
}

SUBSCRIPTION = Model(
    name="subscription",
    plans=(
        Plan("free", "Free", 0, 0),
        Plan("starter", "Starter", 1, 1_900),
        Plan("team", "Team", 2, 3_900),
        Plan("business", "Business", 3, 7_900),
    ),
    use=Use(
        events=("login", "report_view", "project_edit", "export", "invite", "api_call"),
        shares=_SOFTWARE,
        quantity=(2.0, 3.0, 4.0, 1.0, 1.0, 40.0),
        rows=0.50,
        renamed="dashboard_view",
    ),
    pause=1.0,
    legacy="team_classic",
    renamed="Scale",
)
MEMBERSHIP = Model(
    name="membership",
    plans=(
        Plan("guest", "Guest", 0, 0),
        Plan("off_peak", "Off-peak", 1, 2_500),
        Plan("anytime", "Anytime", 2, 3_900),
        Plan("all_clubs", "All clubs", 3, 5_900),
    ),
    use=Use(
        events=("visit", "class", "swim", "sauna", "trainer"),
        shares=_LEISURE,
        quantity=(1.0, 1.0, 1.0, 1.0, 1.0),
        rows=0.30,
        weekend=0.8,
        renamed="group_class",
    ),
    free=0.0,
    trial=0.35,
    existing_free=0.0,
    above=((0.45, 0.10), (0.6, 0.2), (0.7, 0.3)),
    long_terms=(0.25, 0.4, 0.5),
    leave=1.3,
    grow=2.0,
    pause=3.0,
    transfer=0.05,
    legacy="anytime_2022",
    renamed="Everywhere",
    months=(0.8, 1.0, 1.15, 1.1, 1.1, 1.15, 1.15, 1.0, 0.9, 0.9, 0.9, 0.85),
    **_PERSONS,  # type: ignore[arg-type]
)
FREEMIUM = Model(
    name="freemium",
    plans=(
        Plan("free", "Free", 0, 0),
        Plan("plus", "Plus", 1, 499),
        Plan("pro", "Pro", 2, 999),
        Plan("family", "Family", 3, 1_499),
    ),
    use=Use(
        events=("session", "search", "share", "import", "playlist"),
        shares=_LEISURE,
        quantity=(3.0, 4.0, 1.0, 2.0, 2.0),
        rows=0.35,
        lag_days=1.0,
        by_mode=(0.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        leaving=1.0,
        weekend=1.3,
        renamed="lookup",
        paid_only=False,
    ),
    free=0.88,
    trial=0.08,
    existing_free=0.8,
    leave=1.4,
    grow=2.0,
    win_back=0.0,
    transfer=0.02,
    legacy="pro_beta",
    renamed="Household",
    currencies=True,
    **_PERSONS,  # type: ignore[arg-type]
)
CONTRACT = Model(
    name="contract",
    plans=(
        Plan("none", "None", 0, 0),
        Plan("care", "Care", 1, 9_000),
        Plan("care_plus", "Care Plus", 2, 16_000),
        Plan("total_care", "Total Care", 3, 29_000),
    ),
    use=Use(
        events=("login", "report_view", "work_order", "export", "invite", "api_call"),
        shares=_SOFTWARE,
        quantity=(2.0, 3.0, 2.0, 1.0, 1.0, 40.0),
        rows=0.40,
        weekend=0.1,
        renamed="dashboard_view",
    ),
    free=0.0,
    trial=0.0,
    existing_free=0.0,
    segments=("regional", "national", "global"),
    seats=(3.0, 9.0, 25.0),
    long_terms=(1.0, 1.0, 1.0),
    terms=(12, 24, 36),
    leave=2.2,
    win_back=0.5,
    at_once=0.0,
    transfer=0.8,
    legacy="care_plus_2021",
    renamed="Complete Care",
    currencies=True,
)
CONSUMPTION = Model(
    name="consumption",
    plans=(),
    use=Use(
        events=("visit", "product_view", "basket", "search", "wish_list"),
        shares=_LEISURE,
        quantity=(1.0, 4.0, 1.0, 2.0, 1.0),
        rows=0.25,
        weekend=1.2,
        renamed="item_view",
        paid_only=False,
    ),
    currencies=True,
    months=(0.9, 0.9, 1.0, 1.0, 1.0, 0.95, 0.9, 0.9, 1.0, 1.0, 1.25, 1.5),  # of orders
    **_PERSONS,  # type: ignore[arg-type]
)

MODELS = {m.name: m for m in (SUBSCRIPTION, MEMBERSHIP, FREEMIUM, CONTRACT, CONSUMPTION)}
