import numpy as np
import pandas as pd
import pytest

from features.errors import LeakError
from training.guard import check_columns, check_rows, check_score

KEYS = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c", "d"],
        "as_of": pd.to_datetime(["2026-01-01"] * 4).astype("datetime64[us]"),
    }
)


def test_rows_of_the_build_pass():
    check_rows(KEYS.iloc[[2, 0]], KEYS)


def test_snapshot_rows_have_no_date_and_pass():
    keys = KEYS.assign(as_of=pd.Series([pd.NaT] * 4, dtype="datetime64[us]"))
    check_rows(keys, keys)


def test_rows_there_twice_are_refused():
    """What oversampling before the split does."""
    with pytest.raises(LeakError, match="2 rows are there twice, such as a at 2026-01-01"):
        check_rows(KEYS.iloc[[0, 1, 0, 1]], KEYS)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param({"customer_id": ["made up"]}, id="customer"),
        pytest.param({"as_of": pd.to_datetime(["2026-01-02"])}, id="date"),
    ],
)
def test_rows_outside_the_build_are_refused(foreign):
    """What synthetic rows between real ones are."""
    keys = pd.concat([KEYS, KEYS.iloc[[0]].assign(**foreign)])
    with pytest.raises(LeakError, match="1 rows are not an eligible customer and date"):
        check_rows(keys, KEYS)


def test_honest_columns_pass(make_sample):
    check_columns(make_sample(strength=3.0), ["x0", "x1", "x2", "x3"])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_column_is_named(make_sample, sign):
    train = make_sample()
    train.X[:, 2] = sign * train.y + np.random.default_rng(1).normal(0, 0.1, len(train))
    with pytest.raises(LeakError, match=r"feature 'x2': its value alone has an AUC of 1\.000"):
        check_columns(train, ["x0", "x1", "x2", "x3"])


def test_a_column_filled_in_because_of_the_outcome_is_named(make_sample):
    """A reason for leaving is there for those who left, whatever it says."""
    train = make_sample()
    train.X[train.y == 0, 3] = np.nan
    with pytest.raises(LeakError, match="feature 'x3': whether it is missing alone"):
        check_columns(train, ["x0", "x1", "x2", "x3"])


def test_a_handful_of_rows_proves_nothing(make_sample):
    train = make_sample(n=20)
    train.X[:, 1] = train.y
    check_columns(train, ["x0", "x1", "x2", "x3"])


def test_a_score_above_the_plausible_is_refused():
    with pytest.raises(LeakError, match=r"AUC of 0\.910 is above limits\.plausible_auc = 0\.9"):
        check_score(0.91, 0.9)
    assert check_score(0.89, 0.9) is None
    assert check_score(None, 0.9) is None


def test_without_a_limit_a_high_score_is_a_warning():
    assert "unusually high" in check_score(0.96, None)
    assert check_score(0.94, None) is None
