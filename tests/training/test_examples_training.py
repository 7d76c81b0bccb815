"""The rows and rates that the protocols of the known data sets test on."""

import pytest

from features.frames import frame
from training.readiness import plan
from training.sample import Dataset

FOLDERS = {
    "learning_365": "learning_365",
    "online_retail": "online_retail_2009_2010",
    "cdnow": "cdnow",
    "telco": "telco_ibm",
    "airline_loyalty": "airline_loyalty",
}


@pytest.mark.parametrize(
    ("name", "target", "train", "test"),
    [
        # README: 364 renewals at .330; a purchase on the 45th day is not a renewal any more.
        pytest.param("learning_365", "renewal", (349, 0.3066), (365, 0.3260), id="renewal"),
        # README: 7,318 at .0082.
        pytest.param("learning_365", "conversion", (9935, 0.0098), (7399, 0.0080), id="free"),
        # README: 3,426 at .430, with returns taken for orders.
        pytest.param("online_retail", "churn", (12124, 0.4747), (3356, 0.4225), id="shop"),
        # README: all 23,570 customers.
        pytest.param("cdnow", "churn", (70710, 0.8056), (23570, 0.8219), id="cdnow"),
        # README: 7,043 at .2654.
        pytest.param("telco", "churn", (7043, 0.2654), (7043, 0.2654), id="telco"),
        # README: 9,350 at .013.
        pytest.param("airline_loyalty", "churn", (79235, 0.0117), (9350, 0.0130), id="airline"),
    ],
)
def test_rows_and_rates_of_a_protocol(example, name, target, train, test):
    staged = example(name)
    data = Dataset(staged, staged.project.target(target), frame(staged, target))
    found = plan(data, None if data.is_snapshot else staged.data_end, 50)
    assert found.missing is None
    for counted, (rows, rate) in ((found.train, train), (found.test, test)):
        assert counted["rows"] == rows
        assert counted["rate"] == pytest.approx(rate, abs=6e-5)
