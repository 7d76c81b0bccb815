"""The project file that goes with a simulated company."""

from datetime import date, timedelta

import numpy as np

from simulation.hazards import PAUSE_DAYS
from simulation.kinds import add_months
from simulation.models import Model
from simulation.paying import GRACE_DAYS, HORIZON_DAYS
from simulation.truth import QUIET_DAYS
from simulation.world import World
from simulation.write import PARTED

FIRST_AS_OF = 6  # months of use before the first as-of, so that long windows are filled
ACTIVE_DAYS = 60  # who used a free product so lately may go quiet

_SAYS = {
    "subscription": "A simulated software company: free, trial and paid plans by the seat.",
    "membership": "A simulated chain of gyms: monthly and yearly members, visits, pauses.",
    "freemium": "A simulated app: most people use it for nothing, a few pay.",
    "contract": "A simulated service company: terms of one, two and three years.",
    "consumption": "A simulated shop: orders and returned goods; leaving is silence.",
}
_HEAD = """\
# {says}
# Its tables have canonical names and types: nothing is mapped. The folder `truth` beside them holds
# the true probability of every event per customer and as-of.
name = "{name}"
revenue_model = "{model}"
currency = "USD"
data_end = {end}

[sources.customers]
file = "customers.parquet"
attributes = ["{first}", "{second}"]
"""
_SOURCE = """
[sources.{table}]
file = "{file}"
"""
_TARGET = """
[targets.{kind}]
kind = "{kind}"
horizon_days = {horizon}
{more}as_of = {{ every = "month", {anchor}start = {start} }}
"""
# Before the end of a fixed term; each rung falls on the month that follows it.
_LADDER = 'anchor = "term_end", ladder_days = [90, 60, 30], '

_BANDS = """
[bands]
medium = {medium}
high = {high}
"""


def project_text(world: World) -> str:
    """A `retention.toml` for a simulated company.

    As-of dates begin `FIRST_AS_OF` months after the start, or at a quarter of a shorter history.
    """
    model, epoch = world.model, date(1970, 1, 1)
    first = int(add_months(np.array([world.start]), FIRST_AS_OF)[0])
    if first + HORIZON_DAYS + GRACE_DAYS >= world.end:
        first = world.start + (world.end - world.start) // 4
    start = epoch + timedelta(days=first)
    parts = [
        _HEAD.format(
            says=_SAYS[model.name],
            name="company" if model.name == "subscription" else model.name,
            model=model.name,
            end=epoch + timedelta(days=world.end),
            first=model.attributes[0],
            second=model.attributes[1],
        )
    ]
    parts += [_SOURCE.format(table=table, file=_file(table)) for table in _tables(model)]
    for kind, horizon, more in _targets(model):
        anchor = _LADDER if (model.name, kind) == ("contract", "churn") else ""
        settings = {"kind": kind, "horizon": horizon, "more": more, "anchor": anchor}
        parts.append(_TARGET.format(**settings, start=start))
    medium, high = (0.3, 0.6) if model.sells_goods else (0.1, 0.3)
    return "".join([*parts, _BANDS.format(medium=medium, high=high)])


def _file(table: str) -> str:
    return f"{table}-*.parquet" if table == PARTED else f"{table}.parquet"


def _tables(model: Model) -> list[str]:
    """Tables beside customers."""
    own = ["orders"] if model.sells_goods else ["plans", "subscriptions", "invoices", "payments"]
    rates = ["fx_rates"] if model.currencies else []
    return [*own, "usage", "tickets", "surveys", "touches", "treatments", "costs", *rates]


def _targets(model: Model) -> list[tuple[str, int, str]]:
    """Kind, horizon and further settings of the targets that fit."""
    rests = f"pause_days = {GRACE_DAYS}  # a pause lasts {PAUSE_DAYS}\n" if model.pause else ""
    churn = ("churn", HORIZON_DAYS, f"grace_days = {GRACE_DAYS}\n{rests}")
    upsell, conversion = ("upsell", HORIZON_DAYS, ""), ("conversion", HORIZON_DAYS, "")
    return {
        "subscription": [churn, upsell, conversion],
        "membership": [churn, upsell],
        "freemium": [
            conversion,
            ("inactivity", QUIET_DAYS, f"active_days = {ACTIVE_DAYS}\n"),
            churn,
        ],
        "contract": [churn, upsell],
        "consumption": [("silence", HORIZON_DAYS, "active_days = 365\n")],
    }[model.name]
