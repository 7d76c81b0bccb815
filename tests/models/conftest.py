"""A small fitted model that the tests of models share."""

import numpy as np
import pandas as pd
import pytest

from features.declare import Feature
from models.calibrate import fit_calibration
from models.fitted import Fitted
from models.registry import Registry

ROWS = 600


@pytest.fixture(scope="session")
def small_catalogue() -> tuple[Feature, ...]:
    """Six features in four groups, one of them a category."""
    return (
        Feature(
            "active_days_trend_28d",
            "usage",
            "ratio",
            "Active days of the last 28 days against the 28 before; null when there were none.",
            "usage_trend",
            actionable=True,
            says="Active days {moved} from {before:.0f} to {now:.0f} in four weeks",
            compares=("active_days_prev_28d", "active_days_28d"),
        ),
        Feature("active_days_prev_28d", "usage", "days", "Active days before.", "usage_trend"),
        Feature("active_days_28d", "usage", "days", "Active days.", "usage_trend"),
        Feature("plan", "profile", "plan", "The plan.", "plan", kind="category"),
        Feature("price", "billing", "money per month", "Price per seat.", "price"),
        Feature("never_filled", "surveys", "points", "Last survey score.", "surveys"),
    )


@pytest.fixture(scope="session")
def small_frame() -> pd.DataFrame:
    """600 customers; `price` has gaps, `plan` has gaps, `never_filled` is all null."""
    random = np.random.default_rng(3)
    before = random.integers(1, 28, ROWS).astype(float)
    now = np.clip(before + random.integers(-15, 8, ROWS), 0, 28).astype(float)
    price = np.where(random.random(ROWS) < 0.1, np.nan, random.lognormal(3, 1, ROWS))
    plan = random.choice(np.array(["basic", "pro", None], dtype=object), ROWS)
    return pd.DataFrame(
        {
            "active_days_trend_28d": now / before,
            "active_days_prev_28d": before,
            "active_days_28d": now,
            "plan": plan,
            "price": price,
            "never_filled": np.full(ROWS, np.nan),
        }
    )


@pytest.fixture(scope="session")
def small_labels(small_frame: pd.DataFrame) -> np.ndarray:
    """Who leaves: those whose use fell, and those on the basic plan."""
    score = 1.5 - 2.5 * small_frame["active_days_trend_28d"] + (small_frame["plan"] == "basic")
    random = np.random.default_rng(4)
    return (random.random(ROWS) < 1 / (1 + np.exp(-score))).astype(np.int64).to_numpy()


@pytest.fixture(scope="session")
def small_fitted(small_frame, small_catalogue, small_labels) -> Fitted:
    """Two boosters and a linear part, blended and calibrated on other rows than it learned from."""
    params = {"n_estimators": 30, "linear_weight": 0.3, "n_seeds": 2, "n_jobs": 1}
    half = ROWS // 2
    fitted = Fitted.fit(small_frame[:half], small_labels[:half], small_catalogue, params)
    raw = fitted.log_odds(small_frame[half:])
    return fitted.calibrated(fit_calibration(raw, small_labels[half:], method="platt"))


@pytest.fixture(scope="session")
def registry_home(tmp_path_factory):
    """The folder of one MLflow file and its artifacts, which takes seconds to lay out."""
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def registry(registry_home) -> Registry:
    """A registry in that folder; each test uses model names of its own."""
    return Registry(f"sqlite:///{registry_home / 'mlflow.db'}", registry_home / "mlartifacts")
