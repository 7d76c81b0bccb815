"""Sentences: what a feature's value reads like to a person."""

import pytest

from features.declare import Feature
from models.wording import Wording, plain_number


def wording(unit="events", says=None, compares=None, meaning="Uses in four weeks."):
    feature = Feature("f", "usage", unit, meaning, "usage", says=says, compares=compares)
    return Wording(feature, "EUR")


def test_the_sentence_of_the_api_page():
    said = wording(
        says="Weekly active seats {moved} from {before:.0f} to {now:.0f} in the last 28 days"
    )
    assert (
        said.sentence(-0.54, 41.0, 19.0)
        == "Weekly active seats fell from 41 to 19 in the last 28 days"
    )
    assert "rose from 19 to 41" in said.sentence(0.54, 19.0, 41.0)


@pytest.mark.parametrize(
    ("says", "value", "before", "now", "text"),
    [
        ("{moved} from {before:.0f} to {now:.0f} a week", 1.0, 3.0, 3.0, "stayed at 3 a week"),
        ("Uses {moved} from {before:.0f} to {now:.0f}", 1.0, 3.1, 2.9, "Uses stayed at 3"),
        ("Uses {moved} from {before:.0f} to {now:.0f}", 1.0, 3.0, 30.0, "Uses rose from 3 to 30"),
        ("Uses fell from {before:.0f} to {now:.0f}.", 1.0, 3.0, 5.0, "Uses rose from 3 to 5"),
        ("Changed by {value:+.0f} points", -0.2, None, None, "Changed by 0 points"),
        ("Last use was {value:.0f} days ago", 1.0, None, None, "Last use was 1 day ago"),
        ("{value:.0f} tickets are open", 1.0, None, None, "1 ticket is open"),
        ("{value:.0f} tickets are open", 21.0, None, None, "21 tickets are open"),
        ("{value:.1f} times the usual gap", 2.26, None, None, "2.3 times the usual gap"),
        ("Seats used: {value:.0%}", 0.421, None, None, "Seats used: 42%"),
        ("Segment {value}", "small", None, None, "Segment small"),
        ("{value} uses", 1234.0, None, None, "1,234 uses"),
    ],
)  # fmt: skip
def test_templates_are_filled_in_good_words(says, value, before, now, text):
    assert wording(says=says).sentence(value, before, now) == text


@pytest.mark.parametrize("gap", [(None, 3.0, 2.0), (0.5, None, 2.0), (0.5, 3.0, None)])
def test_a_gap_falls_back_to_meaning_and_value(gap):
    said = wording("ratio", "{value} {moved} {before} {now}", meaning="Uses; null when none.")
    assert said.sentence(*gap) == ("Uses: not known" if gap[0] is None else "Uses: 0.5")


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("days", 12.4, "12 days"),
        ("days", 1.0, "1 day"),
        ("days", -0.3, "0 days"),
        ("share", 0.535, "54%"),
        ("EUR", 2400.0, "2,400 EUR"),
        ("money", 19.9, "19.90 EUR"),
        ("money per month", 30.0, "30 EUR per month"),
        ("ratio", 0.541, "0.54"),
        ("users", 41.0, "41 users"),
        ("users", 1.0, "1 user"),
        ("flag", 1.0, "yes"),
        ("flag", 0.0, "no"),
        ("plan", "pro", "pro"),
        ("users", None, "not known"),
    ],
)
def test_values_read_plainly(unit, value, text):
    said = wording(unit, meaning="Thing.").sentence(value)
    assert said == f"Thing: {text}"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (-0.0, "0"), (0.00123, "0.0012"), (1.5, "1.5"), (1234.56, "1,235"), (7.0, "7")],
)
def test_plain_numbers(number, text):
    assert plain_number(number) == text
