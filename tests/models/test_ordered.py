"""Categories of many values: rates that know no answer before its time."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.declare import Feature
from models import reasons
from models.calibrate import Calibration
from models.encode import MANY, Encoder, feature_of
from models.fitted import Fitted
from models.ordered import PRIOR, SMOOTH, Past
from models.portable import PortableModel, encode
from models.propensity import PropensityModel

CITY = Feature("city", "profile", "city", "City.", "place", kind="category")
USES = Feature("uses", "usage", "events", "Uses.", "usage")
MONTH = timedelta(days=30)
SEED = st.integers(0, 10_000)


def drawn(seed: int, n: int = 200, dates: int = 5) -> tuple[pd.Series, np.ndarray, pd.Series]:
    """Cities, answers and as-of dates a month apart; some cities are missing."""
    random = np.random.default_rng(seed)
    city = pd.Series(random.choice([*(f"city {i}" for i in range(8)), None], n), dtype=object)
    y = (random.random(n) < 0.3).astype(float)
    start = pd.Timestamp("2026-01-01")
    as_of = pd.Series([start + int(k) * MONTH for k in random.integers(0, dates, n)])
    return city, y, as_of


@given(seed=SEED, wait=st.integers(1, 70))
@settings(max_examples=30, deadline=None)
def test_answers_of_the_future_change_no_earlier_row(seed, wait):
    """Whatever was not known by a row's date may be shuffled: the row sees the same."""
    city, y, as_of = drawn(seed)
    random = np.random.default_rng(seed + 1)
    date = random.choice(as_of.unique())
    later = np.flatnonzero(as_of + timedelta(days=wait) > date)
    other = y.copy()
    other[later] = random.permutation(1 - y[later])
    before = (as_of <= date).to_numpy()
    seen, again = (Past(v, as_of, timedelta(days=wait)).seen(city) for v in (y, other))
    np.testing.assert_array_equal(seen[before], again[before])


@given(seed=SEED)
@settings(max_examples=30, deadline=None)
def test_without_time_no_row_sees_its_own_answer(seed):
    city, y, _ = drawn(seed)
    nat = pd.Series(pd.NaT, index=range(len(y)))
    row = seed % len(y)
    other = y.copy()
    other[row] = 1 - y[row]
    seen, again = (Past(v, nat, MONTH).seen(city)[row] for v in (y, other))
    np.testing.assert_equal(seen, again)


def test_by_hand():
    """Two of three answers are known by March; of `a`, one of one was the event."""
    as_of = pd.Series(pd.to_datetime(["2026-01-01", "2026-01-01", "2026-02-20", "2026-03-01"]))
    past = Past(np.array([1.0, 0.0, 1.0, 0.0]), as_of, MONTH)
    seen = past.seen(pd.Series(["a", "b", "a", "a"]))
    whole = 1.5 / 3
    rate = (1 + SMOOTH * whole) / (1 + SMOOTH)
    expected = np.log(rate / (1 - rate)) - np.log(whole / (1 - whole))
    assert seen[:2].tolist() == [PRIOR, PRIOR]
    assert seen[3] == pytest.approx(expected)


@pytest.fixture
def cities(rng):
    """A frame of forty cities, of which the first ten are where people leave."""
    place = rng.integers(0, 40, 4000)
    frame = pd.DataFrame({"city": [f"c{i:02d}" for i in place], "uses": rng.normal(size=4000)})
    frame.loc[:20, "city"] = None
    y = (rng.random(4000) < np.where(place < 10, 0.6, 0.1)).astype(float)
    return frame, y


@pytest.fixture
def encoder(cities):
    frame, y = cities
    past = Past(y, pd.Series(pd.NaT, index=frame.index), MONTH)
    return Encoder().fit(frame, [CITY, USES], past)


def test_few_values_and_no_answers_keep_codes(cities):
    frame, y = cities
    past = Past(y, pd.Series(pd.NaT, index=frame.index), MONTH)
    few = frame.assign(city=frame["city"].where(frame["city"] < f"c{MANY - 1:02d}"))
    assert Encoder().fit(few, [CITY, USES], past).categorical == (0,)
    assert Encoder().fit(frame, [CITY, USES]).categorical == (0,)


def test_many_values_are_numbers_that_tell_them_apart(encoder):
    assert encoder.categorical == ()
    rates = encoder.codes["city"]
    assert len(set(rates.values()) | {PRIOR}) == len(rates) + 1 == 41
    assert min(rates[f"c{i:02d}"] for i in range(10)) > max(
        rates[f"c{i:02d}"] for i in range(10, 40)
    )


def test_rows_learned_from_are_as_they_were_then(encoder, cities):
    frame, _ = cities
    seen, later = encoder.learned(frame), encoder.transform(frame)
    assert np.isnan(seen[:21, 0]).all()
    assert (seen[21:, 0] != later[21:, 0]).mean() > 0.9
    new = frame.set_axis(np.arange(len(frame)) + len(frame), axis=0)
    np.testing.assert_array_equal(encoder.learned(new), later)


def test_the_card_alone_gives_the_same_matrix_and_unseen_values_the_prior(encoder, cities):
    rows = cities[0].head(50)
    np.testing.assert_array_equal(encode(encoder.card(), rows), encoder.transform(rows))
    strange = pd.DataFrame({"city": ["never seen", None], "uses": [0.0, 0.0]})
    assert encode(encoder.card(), strange)[0, 0] == PRIOR
    assert np.isnan(encode(encoder.card(), strange)[1, 0])
    assert feature_of(encoder.card()[0]) == CITY


def test_a_saved_model_predicts_what_the_fitted_one_did(encoder, cities, tmp_path):
    frame, y = cities
    model = PropensityModel(n_estimators=20, linear_weight=0.5, n_jobs=1)
    fitted = Fitted(encoder, model.fit(encoder.learned(frame), y), Calibration.line("none"))
    loaded = PortableModel.load(fitted.save(tmp_path))
    found = loaded.probability(loaded.matrix(frame.tail(100)))
    np.testing.assert_allclose(found, fitted.probability(frame.tail(100)), rtol=1e-12)
    assert np.ptp(found) > 0.2


def test_a_reason_names_the_value_that_a_rate_stands_for(encoder):
    column = reasons._column(encoder.card()[0], {"city": 0, "uses": 1}, "")
    assert column.value(encoder.codes["city"]["c07"]) == "c07"
    assert column.value(PRIOR) is None
