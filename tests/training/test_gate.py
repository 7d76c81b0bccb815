import pytest

from models.bootstrap import Interval
from training.gate import Evidence, judge, unready

BETTER = Interval(-0.02, -0.03, -0.01)
UNSURE = Interval(-0.02, -0.05, 0.01)
WORSE = Interval(0.02, -0.01, 0.05)


def evidence(**changes):
    """A model that earns an A, with some of it changed."""
    against = {"constant": BETTER, "rule": BETTER} | changes.pop("against", {})
    whole = {
        "brier_skill": Interval(0.10, 0.05, 0.15),
        "lift_share": Interval(0.50, 0.40, 0.60),
        "worst_gain": 0.01,
        "against": against,
    }
    return Evidence(**whole | changes)


@pytest.mark.parametrize(
    ("changes", "grade", "promoted"),
    [
        pytest.param({}, "A", True, id="at-every-threshold"),
        pytest.param({"brier_skill": Interval(0.10, 0.049, 0.15)}, "B", True, id="less-skill"),
        pytest.param({"lift_share": Interval(0.5, 0.39, 0.6)}, "B", True, id="less-lift"),
        pytest.param({"lift_share": Interval(None)}, "B", True, id="no-lift"),
        pytest.param({"worst_gain": 0.0}, "B", True, id="one-origin-no-better"),
        pytest.param({"brier_skill": Interval(0.1, 0.0, 0.2)}, "C", False, id="may-be-chance"),
        pytest.param({"brier_skill": Interval(0.0, -0.1, 0.1)}, "U", False, id="no-skill"),
        pytest.param({"brier_skill": Interval(None)}, "U", False, id="undefined"),
        pytest.param({"against": {"constant": UNSURE}}, "A", False, id="not-surely-over-constant"),
        pytest.param({"against": {"rule": UNSURE}}, "A", False, id="not-surely-over-rule"),
        pytest.param({"against": {"rule": Interval(-0.02)}}, "A", False, id="no-interval"),
        pytest.param({"against": {"champion": WORSE}}, "A", False, id="champion-better"),
        pytest.param({"against": {"champion": UNSURE}}, "A", True, id="champion-not-better"),
        pytest.param(
            {"against": {"champion": Interval(0.0, 0.0, 0.0)}}, "A", True, id="champion-again"
        ),
    ],
)
def test_gate_and_grade(changes, grade, promoted):
    verdict = judge(evidence(**changes))
    assert (verdict.grade, verdict.promoted) == (grade, promoted)


def test_the_reason_says_what_was_short():
    verdict = judge(evidence(against={"rule": UNSURE}))
    assert verdict.reason.startswith("not promoted; ")
    assert "-0.0200 (-0.0500 to 0.0100) against the simple rule" in verdict.reason
    assert "newest known rate; " not in verdict.reason.partition("log loss")[2]


def test_a_note_is_passed_on():
    assert judge(evidence(note="nobody to compare with")).reason.endswith("nobody to compare with")


def test_unready_is_grade_u():
    verdict = unready("12 customers are missing")
    assert (verdict.promoted, verdict.grade) == (False, "U")
