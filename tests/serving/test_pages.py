"""The pages as HTML: what they say, their states, their links; a browser sees them elsewhere."""

import re
from datetime import datetime
from decimal import Decimal
from html import unescape

import pytest

from serving.pages import words

HTML = {"Accept": "text/html"}


def page(client, url: str) -> str:
    answer = client.get(url, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def names(html: str) -> list[str]:
    return [unescape(name) for name in re.findall(r'class="who"><a [^>]*>([^<]*)</a>', html)]


def links(html: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="(/[^"]*)"', html)]


class TestList:
    def test_the_first_row_is_the_most_money_at_risk(self, client):
        top = client.get("/v1/scores?target=churn&limit=1").json()["scores"][0]
        html = page(client, "/")
        assert f"/customers/{top['customer_id']}?target=churn" in links(html)[8:]
        assert len(names(html)) == 50

    def test_the_line_of_freshness_names_moment_version_grade_and_usage(self, client):
        text = re.sub(r"<[^>]+>|\s+", " ", page(client, "/"))
        text = re.sub(r"\s+", " ", text)
        assert "Scores of 22 Nov 2026 model version 1, grade A usage data to 22 Nov 2026" in text

    def test_tiles_agree_with_the_api(self, client):
        scores = client.get("/v1/scores?target=churn&limit=500").json()["scores"]
        risky = [score for score in scores if score["band"] != "low"]
        html = page(client, "/")
        figures = re.findall(r'tile-figure">([^<]*)<', html)
        assert figures[:2] == [str(len(scores)), str(len(risky))]

    def test_a_tile_leads_to_the_customers_it_counts(self, client):
        html = page(client, "/")
        tiles = re.findall(r'class="tile" href="([^"]*)".*?tile-figure">([^<]*)<', html, re.DOTALL)
        for url, figure in (tiles[1], *tiles[3:]):
            shown = page(client, unescape(url))
            assert re.search(r"<strong>([\d,]+)</strong> customers?", shown)[1] == figure

    def test_filters_live_in_the_address_and_come_off_as_chips(self, client):
        html = page(client, "/?band=medium&owner=ana&plan=basic&q=&min_probability=")
        chips = re.findall(r'class="chip" href="([^"]*)">([^<]*) ', html)
        assert [text for _, text in chips] == ["Medium band", "Owner: ana", "Plan: basic"]
        without_owner = unescape(chips[1][0])
        assert without_owner == "/?band=medium&plan=basic"
        assert set(names(html)) < set(names(page(client, without_owner)))

    def test_the_form_shows_what_is_filtered(self, client):
        html = page(client, "/?owner=ana&min_probability=30")
        assert '<option value="ana" selected>' in html
        assert re.search(r'name="min_probability"[^>]*value="30"', html)

    def test_customers_without_an_owner_can_be_asked_for(self, client):
        html = page(client, "/?owner=(none)")
        assert names(html)
        assert "No owner" in html

    def test_pages_follow_each_other_and_show_everybody_once(self, client):
        first = page(client, "/")
        following = next(link for link in links(first) if "cursor=" in link)
        second = page(client, following)
        assert len(names(first) + names(second)) == 57
        assert len(set(names(first) + names(second))) == 57
        assert "Back to the top" in second

    def test_a_cursor_that_is_no_good_starts_again(self, client):
        assert names(page(client, "/?cursor=old")) == names(page(client, "/"))

    @pytest.mark.parametrize("sort", ["-probability", "-mrr", "renewal_date"])
    def test_a_column_sorts_and_says_so(self, client, sort):
        html = page(client, f"/?sort={sort}")
        order = "ascending" if sort == "renewal_date" else "descending"
        assert html.count("aria-sort") == 1
        assert f'aria-sort="{order}"' in html

    def test_upsell_has_its_own_words(self, client):
        html = page(client, "/?target=upsell")
        assert "Expected gain" in html
        assert "Revenue at risk" not in html
        assert "band-medium gain" in html

    def test_the_reason_and_whether_one_can_act_are_in_the_row(self, client):
        html = page(client, "/")
        assert "Active days fell from 19 to 6 in the last 28 days" in html
        assert "You can act" in html

    def test_what_customers_are_called_is_escaped(self, client):
        html = page(client, "/?q=%3Cscript%3Ealert(1)%3C/script%3E")
        assert "<script>alert" not in html
        assert "&lt;script&gt;" in html
        assert "Cedar &amp; Sons" in page(client, "/?q=Cedar")


class TestStates:
    def test_no_match_offers_a_way_back(self, client):
        html = page(client, "/?q=nobody+has+this+name")
        assert "No customer matches these filters" in html
        assert "show all 57 customers" in html

    def test_a_target_without_a_model_says_what_to_run(self, client):
        html = page(client, "/?target=conversion")
        assert "Nobody is scored for conversion yet" in html
        assert "retention train retention.toml --target conversion" in html

    def test_before_the_first_run_it_says_what_to_run(self, empty):
        html = page(empty, "/")
        assert "Nothing has been scored yet" in html
        assert "retention run retention.toml" in html

    @pytest.mark.parametrize(
        "query", ["band=purple", "min_probability=x", "renewal_before=soon", "sort=x"]
    )
    def test_an_address_that_cannot_be_read_is_a_page_that_says_why(self, client, query):
        answer = client.get(f"/?{query}", headers=HTML)
        assert answer.status_code == 422
        assert "This address cannot be read" in answer.text
        assert query.split("=")[0] in answer.text

    def test_those_without_a_score_are_counted_by_reason(self, client):
        html = page(client, "/")
        assert "3 customers have no score" in html
        assert "The customer has already left." in html


class TestCustomer:
    def test_every_target_is_there_and_the_first_scored_one_open(self, client):
        html = page(client, "/customers/c_001")
        assert html.count('class="tile"') == 3
        assert "What raises the risk" in html
        assert "What speaks for it" in page(client, "/customers/c_001?target=upsell")

    def test_how_long_it_is_expected_to_stay_is_there_where_a_model_tells(self, client):
        html = page(client, "/customers/c_002")
        shown = html[html.index("Expected to stay") : html.index("What raises the risk")]
        assert "31 months" in shown
        assert "<dt>Lifetime value to come</dt><dd>$2,872</dd>" in shown
        assert "Expected to stay" not in page(client, "/customers/c_003")

    def test_reasons_stand_under_what_they_do(self, client):
        html = page(client, "/customers/c_001")
        raises, lowers = html.index("Active days fell"), html.index("A customer for 4 years")
        assert (
            html.index("What raises the risk")
            < raises
            < html.index("What lowers the risk")
            < lowers
        )

    def test_features_stand_with_their_meaning_by_family(self, client):
        html = page(client, "/customers/c_001")
        for meaning in ("Seats used of seats bought.", "Plan the customer is on."):
            assert meaning in html
        assert html.index("Usage") < html.index("Billing") < html.index("Lifecycle")

    def test_history_is_a_chart_with_words_and_a_table(self, client):
        html = page(client, "/customers/c_001")
        assert re.search(
            r'<svg role="img" aria-label="Probability over 2 scoring runs: \d+% at', html
        )
        assert html.count('<td class="num">1</td>') == 2  # the model version of both runs

    def test_one_run_has_no_line_yet(self, client):
        assert "One scoring run so far" in page(client, "/customers/c_000")  # not in the run before

    def test_a_customer_without_a_score_says_why(self, client):
        html = page(client, "/customers/c_059")
        assert "The customer has already left." in html
        assert "<h2>No churn score</h2>" in html

    def test_an_unknown_one_is_a_404_page(self, client):
        answer = client.get("/customers/nobody", headers=HTML)
        assert answer.status_code == 404
        assert "There is nothing here" in answer.text


class TestSafety:
    def test_nothing_is_loaded_from_elsewhere(self, client):
        for url in ("/", "/customers/c_001"):
            answer = client.get(url, headers=HTML)
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            outside = re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', answer.text)
            assert outside == []
            assert " style=" not in answer.text.replace("<svg", "")[:2000]

    def test_static_files_carry_their_hash(self, client):
        (sheet,) = re.findall(r'href="(/static/app\.css\?v=\w+)"', page(client, "/"))
        answer = client.get(sheet)
        assert (answer.status_code, answer.headers["content-type"][:8]) == (200, "text/css")


class TestWords:
    @pytest.mark.parametrize(
        ("probability", "said"),
        [(0.004, "under 1 in 100"), (0.05, "about 1 in 20"), (0.35, "about 1 in 3"),
         (0.5, "about 1 in 2"), (0.76, "about 3 in 4"), (0.99, "almost certain")],
    )  # fmt: skip
    def test_odds(self, probability, said):
        assert words.odds(probability) == said

    def test_percent_never_claims_certainty(self):
        said = [words.percent(p) for p in (0.0001, 0.35, 0.9999)]
        assert said == ["<1\u00a0%", "35\u00a0%", ">99\u00a0%"]

    @pytest.mark.parametrize(
        ("number", "said"),
        [(0.44, "0.4 months"), (9.96, "10 months"), (41.8, "42 months"), (78, "6.5 years")],
    )
    def test_months(self, number, said):
        assert words.months(number) == said

    @pytest.mark.parametrize(
        ("amount", "said"),
        [
            ("2400", "$2,400"),
            ("19.5", "$19.50"),
            ("-3", "\u2212$3"),
            ("1234.56", "$1,235"),
        ],
    )
    def test_money(self, amount, said):
        assert words.money(Decimal(amount), "USD") == said

    def test_a_currency_without_a_sign_keeps_its_code(self):
        assert words.money(Decimal(2400), "CHF") == "2,400 CHF"
        assert words.short_money(Decimal(1240000), "CHF") == "1.24m CHF"

    @pytest.mark.parametrize(
        ("amount", "said"),
        [("950", "$950"), ("9500", "$9,500"), ("24400", "$24.4k"), ("240400", "$240k"),
         ("1240000", "$1.24m"), ("124000000", "$124.0m"), ("3200000000", "$3.20bn")],
    )  # fmt: skip
    def test_short_money(self, amount, said):
        assert words.short_money(Decimal(amount), "USD") == said

    @pytest.mark.parametrize(
        ("number", "unit", "said"),
        [
            (None, "days", "\u2013"),
            ("team", "", "team"),
            (0.456, "share", "46\u00a0%"),
            (3318.0, "money", "$3,318"),
            (79.5, "money per month", "$79.50 per month"),
            (12.583, "days", "12.6 days"),
            (0.754, "ratio", "0.75"),
            (1234.5, "events", "1,234 events"),
        ],
    )
    def test_a_value_comes_with_its_unit(self, number, unit, said):
        assert words.value(number, unit, "USD") == said

    def test_days_until_counts_from_the_moment_of_the_scores(self):
        now = datetime(2026, 11, 22)
        said = [words.days_until(datetime(2026, 11, d), now) for d in (21, 22, 23, 30)]
        assert said == ["1 day overdue", "today", "in 1 day", "in 8 days"]
