import pytest

from features.project import Gate
from models.bootstrap import Interval
from training.gate import Evidence, judge, unready
from training.guard_check import Check

BETTER = Interval(-0.02, -0.03, -0.01)
UNSURE = Interval(-0.02, -0.05, 0.01)
WORSE = Interval(0.02, -0.01, 0.05)
CLEAN = [Check("rows", "passed", "all in place"), Check("future", "skipped", "no time")]
WARNED = [Check("score", "warning", "the AUC is unusually high")]
LEAKY = [*CLEAN, Check("columns", "failed", "feature 'refund' alone has an AUC of 0.99")]


def states(verdict):
    """The state of each check, by name."""
    return {check.name: check.state for check in verdict.checks}


def evidence(**changes):
    """A model that earns an A, with some of it changed."""
    against = {"constant": BETTER, "rule": BETTER} | changes.pop("against", {})
    whole = {
        "brier_skill": Interval(0.10, 0.05, 0.15),
        "lift_share": Interval(0.50, 0.40, 0.60),
        "worst_gain": 0.01,
        "slope": Interval(1.0, 0.9, 1.1),
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
    verdict = judge(evidence(**changes), CLEAN)
    assert (verdict.grade, verdict.promoted) == (grade, promoted)


def test_the_reason_says_what_was_short():
    verdict = judge(evidence(against={"rule": UNSURE}), CLEAN)
    assert verdict.reason.startswith("not promoted; ")
    assert "-0.0200 (-0.0500 to 0.0100) against the simple rule" in verdict.reason
    assert "newest known rate; " not in verdict.reason.partition("log loss")[2]


def test_a_note_is_passed_on():
    verdict = judge(evidence(note="nobody to compare with"), CLEAN)
    assert verdict.reason.endswith("nobody to compare with")
    assert verdict.promoted
    (champion,) = [check for check in verdict.checks if check.name == "champion"]
    assert (champion.state, champion.proof) == ("skipped", "nobody to compare with")


@pytest.mark.parametrize(
    ("slope", "state"),
    [
        pytest.param(Interval(1.0, 0.9, 1.1), "passed", id="inside"),
        pytest.param(Interval(0.7, 0.6, 0.8), "passed", id="reaches-the-lower-bound"),
        pytest.param(Interval(0.7, 0.6, 0.79), "failed", id="surely-too-flat"),
        pytest.param(Interval(1.5, 1.25, 1.8), "passed", id="reaches-the-upper-bound"),
        pytest.param(Interval(1.5, 1.26, 1.8), "failed", id="surely-too-steep"),
        pytest.param(Interval(0.5, -1.0, 2.0), "passed", id="nobody-knows"),
        pytest.param(Interval(0.79), "failed", id="no-interval"),
        pytest.param(Interval(None, reason="one class"), "failed", id="undefined"),
    ],
)
def test_the_calibration_slope_is_a_condition(slope, state):
    verdict = judge(evidence(slope=slope), CLEAN)
    assert states(verdict)["calibration"] == state
    assert verdict.promoted is (state == "passed")
    assert ("calibration slope" in verdict.reason) is (state == "failed")


@pytest.mark.parametrize(
    ("leaks", "state", "said"),
    [
        pytest.param(CLEAN, "passed", "none found by 2 checks", id="clean"),
        pytest.param(WARNED, "warning", "unusually high", id="warned"),
        pytest.param(LEAKY, "failed", "refund", id="leaky"),
        pytest.param([], "failed", "nothing", id="not-looked-for"),
    ],
)
def test_no_leak_is_a_condition(leaks, state, said):
    verdict = judge(evidence(), leaks)
    (leak,) = [check for check in verdict.checks if check.name == "leak"]
    assert leak.state == state
    assert said in leak.proof
    assert verdict.promoted is (state != "failed")


def test_thin_data_are_told_and_no_obstacle():
    verdict = judge(evidence(), CLEAN, ["80 customers with the event in test"])
    assert verdict.promoted
    assert states(verdict)["data"] == "warning"
    assert "80 customers with the event in test" in verdict.checks[-2].proof


def test_a_part_whose_level_is_off_is_told_and_no_obstacle():
    verdict = judge(evidence(), CLEAN, off=["plan business: 70 were expected"])
    assert verdict.promoted
    assert states(verdict)["segments"] == "warning"
    assert "plan business: 70 were expected" in verdict.checks[4].proof


def test_every_condition_is_listed_with_its_proof():
    verdict = judge(evidence(), CLEAN)
    assert states(verdict) == {
        "constant": "passed",
        "rule": "passed",
        "champion": "skipped",
        "calibration": "passed",
        "segments": "passed",
        "leak": "passed",
        "data": "passed",
        "grade": "passed",
    }
    assert all(row["proof"] for row in verdict.as_json())


def test_the_project_sets_the_thresholds():
    strict = Gate(skill=0.2, slope_low=0.95, slope_high=1.05)
    loose = evidence(slope=Interval(1.2, 1.1, 1.3))
    assert judge(loose, CLEAN).grade == "A"
    verdict = judge(loose, CLEAN, settings=strict)
    assert verdict.grade == "B"
    assert states(verdict)["calibration"] == "failed"


def test_unready_is_grade_u():
    verdict = unready("12 customers are missing")
    assert (verdict.promoted, verdict.grade) == (False, "U")
    assert states(verdict) == {"data": "failed"}
