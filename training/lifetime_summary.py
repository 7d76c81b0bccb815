"""What `retention lifetime` prints: expectations beside plain formulas and Kaplan-Meier."""

from collections.abc import Iterator
from typing import Any

from training.lifetime import PROMOTED

Json = dict[str, Any]
Columns = list[str]
Table = tuple[Columns, list[list[str]]]


def tables(summary: Json) -> Iterator[Table]:
    """Columns and rows of each table that the summary fills."""
    proofs = summary["proofs"]
    if "expected_orders" in summary:
        yield (
            ["days", "expected orders", "BG/NBD"],
            [
                [days, _count(value), _count(summary["bg_nbd_orders"][days])]
                for days, value in summary["expected_orders"].items()
            ],
        )
        if proofs:
            yield _ORDERS, [_orders_row(proof) for proof in proofs]
        return
    yield (
        ["days", "stay"],
        [[days, _share(value)] for days, value in summary["p_stay"].items()],
    )
    if proofs:
        yield _PROOFS, [_proof_row(proof) for proof in proofs]
        yield _COHORTS, [_cohort_row(one) for one in proofs[-1]["cohorts"]]


_TEST = ["days", "tested as of", "customers"]
_ORDERS = [*_TEST, "orders", "expected", "BG/NBD", "RMSE", "of BG/NBD"]
_PROOFS = [*_TEST, "left", "stayed", "expected", "Brier", "of one curve"]
_COHORTS = ["first paid", "customers", "days", "expected", "Kaplan-Meier"]


def _orders_row(proof: Json) -> list[str]:
    counts = [_count(proof[key]) for key in ("orders", "expected", "bg_nbd")]
    errors = [_number(proof[key]) for key in ("error", "bg_nbd_error")]
    return [str(proof["days"]), proof["origin"][:10], f"{proof['customers']:,}", *counts, *errors]


def _proof_row(proof: Json) -> list[str]:
    shares = [_share(proof[key]) for key in ("stayed", "expected")]
    briers = [_number(proof[key]) for key in ("brier", "brier_constant")]
    counts = [f"{proof[key]:,}" for key in ("customers", "left")]
    return [str(proof["days"]), proof["origin"][:10], *counts, *shares, *briers]


def _cohort_row(row: Any) -> list[str]:
    cohort, customers, days, expected, observed = row
    return [cohort, f"{customers:,}", str(days), _share(expected), _share(observed)]


def sentences(summary: Json) -> Iterator[str]:
    """The sums in words, with what they rest on."""
    worth = " and ".join(f"{v:,.0f} {one}" for one, v in summary["predicted_cltv"].items())
    until = f"the next {summary['cap_months']} months at most"
    rests = f"margin {summary['gross_margin']:.0%}, discount {summary['discount_rate']:.1%} a year"
    customers = f"{summary['customers']:,} customers as of {summary['as_of'][:10]}"
    if "expected_orders" in summary:
        yield f"{customers} will leave {worth or 'an amount not known'} in {until} ({rests})"
        return
    months = summary["median_remaining_months"]
    yield f"{customers} stay {months:.1f} months in the median, {summary['cap_months']} at most"
    yield f"together they will leave {worth or 'an amount not known'} in {until} ({rests})"
    yield _ratio(summary)
    yield _model(summary)


def _ratio(summary: Json) -> str:
    ratio, mean = summary["ratio_formula"], summary["mean_predicted_cltv"]
    each = "not known" if mean is None else f"{mean:,.2f}"
    if ratio["cltv"] is None:
        return f"per customer that is {each}; the ratio formula gives none ({ratio['reason']})"
    formula = f"{ratio['arpa']:,.2f} x {ratio['margin']:.0%} / {ratio['churn']:.2%} a month"
    return f"per customer that is {each}; the ratio formula gives {ratio['cltv']:,.2f} ({formula})"


def _model(summary: Json) -> str:
    model = summary["model"]
    known, grade = model["known_periods"], model["grade"]
    how = {None: "a hazard by customer", "logistic": "a logistic hazard, as few left"}
    said = how.get(model["fallback"], "one hazard for all, as too few left to learn from")
    version, promoted = summary["version"], grade == PROMOTED
    then = f", version {version}" if version else ""
    then += ": the next `retention score` publishes what it expects" if version and promoted else ""
    return f"{said}; {known} of 12 periods of a year were observed; grade {grade}{then}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
