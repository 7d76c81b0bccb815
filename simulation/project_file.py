"""The project file that goes with a simulated company."""

from datetime import date, timedelta

import numpy as np

from simulation.kinds import add_months
from simulation.truth import GRACE_DAYS, HORIZON_DAYS

FIRST_AS_OF = 6  # months of use before the first as-of, so that long windows are filled

_TEXT = """\
# A simulated software company. Its tables have canonical names and types: nothing is mapped.
# truth.parquet holds the true probability of every event per customer and as-of.
name = "company"
revenue_model = "subscription"
currency = "USD"
data_end = {end}

[sources.customers]
file = "customers.parquet"
attributes = ["industry", "employees"]

[sources.plans]
file = "plans.parquet"

[sources.subscriptions]
file = "subscriptions.parquet"

[sources.invoices]
file = "invoices.parquet"

[sources.payments]
file = "payments.parquet"

[sources.usage]
file = "usage-*.parquet"

[sources.tickets]
file = "tickets.parquet"

[sources.surveys]
file = "surveys.parquet"

[sources.touches]
file = "touches.parquet"

[sources.costs]
file = "costs.parquet"

[targets.churn]
kind = "churn"
horizon_days = {horizon}
grace_days = {grace}
as_of = {{ every = "month", start = {start} }}

[targets.upsell]
kind = "upsell"
horizon_days = {horizon}
as_of = {{ every = "month", start = {start} }}

[targets.conversion]
kind = "conversion"
horizon_days = {horizon}
as_of = {{ every = "month", start = {start} }}

[bands]
medium = 0.1
high = 0.3
"""


def project_text(start: int, end: int) -> str:
    """A `retention.toml` for a company with data in [start, end), days since 1970.

    As-of dates begin `FIRST_AS_OF` months after the start, or at a quarter of a shorter history.
    """
    first = int(add_months(np.array([start]), FIRST_AS_OF)[0])
    if first + HORIZON_DAYS + GRACE_DAYS >= end:
        first = start + (end - start) // 4
    epoch = date(1970, 1, 1)
    return _TEXT.format(
        start=epoch + timedelta(days=first),
        end=epoch + timedelta(days=end),
        horizon=HORIZON_DAYS,
        grace=GRACE_DAYS,
    )
