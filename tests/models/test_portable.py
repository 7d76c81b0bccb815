"""The registered model alone: a fresh interpreter without this project gives the same numbers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.fitted import Fitted
from models.portable import Ensemble, PortableModel, calibrate, encode

LONELY = """
import importlib.util, json, sys, warnings
root, uri, version, rows = sys.argv[1:]
sys.path = [p for p in sys.path if p != root]
found = [n for n in ("models", "features", "training", "serving") if importlib.util.find_spec(n)]
if found:
    raise SystemExit(f"the project can be imported: {found}")
warnings.simplefilter("ignore")
import mlflow, pandas
mlflow.set_tracking_uri(uri)
model = mlflow.pyfunc.load_model(f"models:/lonely.churn/{version}")
frame = pandas.read_parquet(rows)
answer = {"probability": [float(p) for p in model.predict(frame)]}
for name, wrong in {
    "missing": frame.drop(columns="price"),
    "infinite": frame.assign(price=float("inf")),
    "text": frame.assign(price="dear"),
}.items():
    try:
        model.predict(wrong)
    except Exception as error:
        answer[name] = str(error)
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory, registry, small_fitted, small_frame, root):
    """What an isolated interpreter in an empty folder makes of the registered model."""
    home = tmp_path_factory.mktemp("portable")
    version = registry.log("lonely.churn", small_fitted, {}, params={}, metrics={})
    rows, empty = home / "rows.parquet", home / "empty"
    small_frame.to_parquet(rows)
    empty.mkdir()
    command = [sys.executable, "-I", "-c", LONELY, str(root), registry.tracking_uri]
    run = subprocess.run(
        [*command, str(version), str(rows)], cwd=empty, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_a_client_with_mlflow_alone_gets_the_calibrated_probability(
    answer, small_fitted, small_frame
):
    ours = small_fitted.probability(small_frame)
    assert answer["probability"] == pytest.approx(ours, abs=1e-9)
    uncalibrated = small_fitted.model.predict_proba(small_fitted.encoder.transform(small_frame))
    assert np.abs(ours - uncalibrated[:, 1]).max() > 0.01  # or the test would prove nothing


@pytest.mark.parametrize(
    ("case", "named"), [("missing", "price"), ("infinite", "infinite"), ("text", "price")]
)
def test_such_a_client_is_told_what_is_wrong_with_its_rows(answer, case, named):
    assert named in answer[case]


def test_saved_and_loaded_it_computes_to_the_last_bit(tmp_path, small_fitted, small_frame):
    loaded = PortableModel.load(small_fitted.save(tmp_path / "model", {"grade": "A"}))
    assert loaded.card["grade"] == "A"
    matrix = loaded.matrix(small_frame)
    assert np.array_equal(loaded.probability(matrix), small_fitted.probability(small_frame))
    assert np.array_equal(loaded.contributions(matrix), small_fitted.portable.contributions(matrix))


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_trees_alone_and_a_line_alone_are_portable(
    tmp_path, weight, small_frame, small_labels, small_catalogue
):
    params = {"n_estimators": 10, "linear_weight": weight, "n_jobs": 1}
    fitted = Fitted.fit(small_frame, small_labels, small_catalogue, params)
    loaded = PortableModel.load(fitted.save(tmp_path / "model"))
    assert len(loaded.card["boosters"]) == (0 if weight else 1)
    assert (loaded.card["linear"] is None) == (weight == 0)
    matrix = loaded.matrix(small_frame)
    assert np.array_equal(loaded.probability(matrix), fitted.probability(small_frame))


def test_one_row_alone_has_the_probability_it_has_in_a_batch(small_fitted, small_frame):
    batch = small_fitted.probability(small_frame)
    alone = [small_fitted.probability(small_frame[i : i + 1])[0] for i in range(20)]
    assert alone == pytest.approx(batch[:20], abs=1e-12)


def test_no_rows_give_no_probabilities(small_fitted, small_frame):
    assert small_fitted.probability(small_frame[:0]).shape == (0,)
    matrix = small_fitted.encoder.transform(small_frame[:0])
    assert small_fitted.portable.contributions(matrix).shape == (0, 7)


def test_the_fitted_model_and_the_estimator_agree(small_fitted, small_frame):
    matrix = small_fitted.encoder.transform(small_frame)
    raw = small_fitted.model.decision_function(matrix)
    assert np.array_equal(small_fitted.log_odds(small_frame), raw)
    again = small_fitted.calibration.probability(raw)
    assert np.array_equal(small_fitted.probability(small_frame), again)


def test_importance_names_what_the_labels_depend_on(small_fitted):
    shares = small_fitted.importance()
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) == "active_days_trend_28d"
    assert "never_filled" not in shares


def test_calibration_lines_go_on_beyond_the_points_and_stop_at_30():
    x, y = [-1.0, 0.0, 2.0], [-1.0, 0.0, 1.0]
    values = calibrate(np.array([-2.0, -1.0, 1.0, 4.0, 1e6, -1e6]), x, y)
    assert values.tolist() == [-2.0, -1.0, 0.5, 2.0, 30.0, -30.0]


def test_a_card_of_another_format_is_refused():
    with pytest.raises(ValueError, match="card format 2"):
        PortableModel({"format": 2}, Ensemble([], None, 1.0))


def test_the_file_imports_nothing_of_the_project(root):
    lines = Path(root / "models/portable.py").read_text(encoding="utf-8").splitlines()
    imported = {
        line.split()[1].partition(".")[0] for line in lines if line.startswith(("import ", "from "))
    }
    third_party = imported - set(sys.stdlib_module_names)
    assert third_party == {"lightgbm", "mlflow", "numpy", "pandas"}


def test_encode_names_the_columns_that_are_missing(small_fitted, small_frame):
    with pytest.raises(ValueError, match=r"missing columns \['plan', 'price'\]"):
        encode(small_fitted.encoder.card(), small_frame.drop(columns=["plan", "price"]))
