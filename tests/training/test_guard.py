"""Each check of the leak guard by itself: what it names, and that honest data pass."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from features.errors import LeakError
from training.guard import check_score
from training.guard_check import Check, stop_if_failed
from training.guard_columns import separation
from training.guard_rows import check_keys, check_refit, check_trials, hashes

KEYS = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c", "d"],
        "as_of": pd.to_datetime(["2026-01-01"] * 4).astype("datetime64[us]"),
    }
)


class TestRows:
    """Rows of the build, once."""

    def test_rows_of_the_build_pass(self):
        assert check_keys(KEYS.iloc[[2, 0]], hashes(KEYS)).state == "passed"

    def test_snapshot_rows_have_no_date_and_pass(self):
        keys = KEYS.assign(as_of=pd.Series([pd.NaT] * 4, dtype="datetime64[us]"))
        assert check_keys(keys, hashes(keys)).state == "passed"

    def test_rows_there_twice_are_refused(self):
        """What oversampling before the split does."""
        found = check_keys(KEYS.iloc[[0, 1, 0, 1]], hashes(KEYS))
        assert found.state == "failed"
        assert found.proof.startswith("2 rows are there twice, such as a at 2026-01-01, b at")

    @pytest.mark.parametrize(
        "foreign",
        [
            pytest.param({"customer_id": ["made up"]}, id="customer"),
            pytest.param({"customer_id": [None]}, id="nobody"),
            pytest.param({"as_of": pd.to_datetime(["2026-01-02"])}, id="date"),
        ],
    )
    def test_rows_outside_the_build_are_refused(self, foreign):
        """What synthetic rows between real ones are."""
        keys = pd.concat([KEYS, KEYS.iloc[[0]].assign(**foreign)])
        found = check_keys(keys, hashes(KEYS))
        assert found.state == "failed"
        assert "1 rows are not an eligible customer and date" in found.proof

    @pytest.mark.parametrize(
        ("train", "test", "says"),
        [
            pytest.param([0, 0, 1], [2, 3], "1 rows of the training of origin", id="twice"),
            pytest.param([0, 1], [2, 3, 3], "1 rows of the test of origin", id="tested twice"),
            pytest.param([0, 1, -1], [2, 3], "1 rows of the training of origin", id="made up"),
            pytest.param([0, 1], [1, 2], "1 rows both train and test", id="both"),
        ],
    )
    def test_a_back_test_that_misuses_rows_is_refused(self, train, test, says):
        at = pd.Timestamp("2026-02-01")
        trial = SimpleNamespace(at=at, train_rows=np.array(train), test_rows=np.array(test))
        found = check_trials(KEYS, [trial])
        assert found.state == "failed"
        assert says in found.proof

    def test_a_sound_back_test_passes(self):
        trial = SimpleNamespace(at=None, train_rows=np.arange(4), test_rows=np.arange(4))
        assert check_trials(KEYS, [trial]).state == "passed"

    def test_a_refit_on_copied_rows_is_refused(self):
        assert check_refit(KEYS, np.array([0, 1, 1])).state == "failed"
        assert check_refit(KEYS, np.array([0, 1, 3])).state == "passed"


class TestColumns:
    """What one column alone can tell."""

    @pytest.fixture
    def y(self, rng):
        return (rng.random(600) < 0.3).astype(float)

    def told(self, column, y, *, is_category=False):
        found = separation(column, y, np.arange(len(y)), is_category=is_category)
        return found.auc, found.by

    def test_noise_tells_nothing(self, y, rng):
        for column in (rng.normal(size=600), rng.integers(0, 5, 600).astype(float)):
            assert self.told(column, y)[0] < 0.6

    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_planted_value(self, y, rng, sign):
        column = sign * y + rng.normal(0, 0.1, 600)
        assert self.told(column, y) == (pytest.approx(1), "its value")

    def test_filled_because_of_the_outcome(self, y, rng):
        """A reason for leaving is there for those who left, whatever it says."""
        column = np.where(y == 1, rng.normal(size=600), np.nan)
        assert self.told(column, y) == (1, "whether it is missing")

    def test_categories_constant_by_outcome(self, y, rng):
        """No order of the codes separates, every category does."""
        column = 2.0 * rng.integers(0, 4, 600) + y
        auc, by = self.told(column, y, is_category=True)
        assert auc > 0.99
        assert by == "the rate of its categories"

    def test_a_number_with_the_event_in_the_middle(self, y, rng):
        column = np.where(y == 1, rng.uniform(4, 5, 600), rng.choice([1.0, 9.0], 600))
        auc, by = self.told(column, y)
        assert auc > 0.99
        assert by == "the rate of its categories"

    def test_an_id_of_its_own_for_everybody_tells_nothing(self, y):
        assert self.told(np.arange(600.0), y, is_category=True)[0] < 0.6

    def test_a_handful_of_rows_proves_nothing(self, y):
        assert self.told(y[:40] * 1.0, y[:40])[0] == 0.5


class TestScore:
    """Too good to be true."""

    def test_above_the_plausible_is_refused(self):
        found = check_score(0.91, 0.9)
        assert found.state == "failed"
        assert "AUC of 0.910 is above limits.plausible_auc = 0.9" in found.proof
        assert check_score(0.89, 0.9).state == "passed"
        assert check_score(None, 0.9).state == "skipped"

    def test_without_a_limit_a_high_score_is_a_warning(self):
        assert check_score(0.96, None).state == "warning"
        assert check_score(0.94, None).state == "passed"


def test_all_failures_are_said_in_one_line_with_every_check_beside():
    checks = [
        Check("rows", "failed", "two rows are copies"),
        Check("score", "passed", "plausible"),
        Check("columns", "failed", "feature 'refund' knows"),
    ]
    with pytest.raises(LeakError, match="churn: two rows are copies; feature 'refund' knows") as e:
        stop_if_failed("churn", checks)
    assert e.value.rows[1] == ("churn", "score", "passed", "plausible")
    assert "\n" not in str(e.value)
    stop_if_failed("churn", checks[1:2])
