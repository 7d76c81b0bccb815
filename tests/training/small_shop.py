"""A shop of a year, where each customer orders at a pace of its own."""

import numpy as np
import pandas as pd

SHOP = """
name = "shop"
revenue_model = "consumption"
data_end = 2026-01-01
[sources.customers]
file = "customers.csv"
columns = { customer_id = "customer_id", occurred_at = "since" }
[sources.orders]
file = "orders.csv"
[targets.churn]
kind = "silence"
horizon_days = 60
active_days = 120
min_age_days = 0
as_of = { every = "month", start = 2025-03-01 }
"""


def shop_tables(rng: np.random.Generator, customers: int = 250) -> dict[str, str]:
    """The texts of `customers` and `orders` as CSV."""
    orders = ["customer_id,occurred_at,amount"]
    for number, days in enumerate(rng.choice([8, 20, 60, 200], customers)):
        at = np.cumsum(rng.exponential(days, 60))
        moments = pd.Timestamp("2025-01-01") + pd.to_timedelta(at[at < 364], unit="D")
        orders += [f"c{number},{moment:%Y-%m-%d %H:%M:%S},10" for moment in moments]
    people = ["customer_id,since", *(f"c{number},2025-01-01" for number in range(customers))]
    return {"customers": "\n".join(people), "orders": "\n".join(orders)}
