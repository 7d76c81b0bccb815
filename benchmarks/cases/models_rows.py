"""Rows of the benchmark of models: data set, protocol, what others reached, the line to reach."""

from dataclasses import dataclass

from cases.models_lines import AGAINST_CONSTANT, Line


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    example : str
        A project of `examples/`; of the simulated company, `simulated`.
    repeats : int
        Cross-validations, each with folds of its own seed; ignored where the test is fixed.
    extra : str
        What is measured beside the usual metrics, a key of `models_extra.EXTRAS`.
    way : str
        For one data set cross-validated in several ways: `ungrouped` or `deduplicated`.
    """

    key: str
    example: str
    target: str
    protocol: str
    published: str
    reference: str
    lines: tuple[Line, ...]
    repeats: int = 1
    extra: str = ""
    way: str = ""


def _auc(at: float, *more: Line) -> tuple[Line, ...]:
    return (Line("auc", at), *more)


def _loss(at: float) -> Line:
    return Line("log_loss", at, less=True)


BELOW_CONSTANT = Line(AGAINST_CONSTANT, 0.0, less=True)
FOLDS = "5 folds of whole customers"
WAYS = "profit per customer when acting where the expected profit is positive; 5 folds"
NONE = "none stated"

ROWS = (
    Row(
        "telco",
        "telco",
        "churn",
        FOLDS,
        "AUC .83 to .86",
        "AUC .844, log loss .418",
        _auc(0.848, _loss(0.413)),
    ),
    Row("gym_churn", "gym_churn", "churn", FOLDS, NONE, "AUC .983", _auc(0.983)),
    Row("powerco", "powerco_clients", "churn", FOLDS, NONE, "AUC .711", _auc(0.711)),
    Row(
        "learning_renewal",
        "learning_365",
        "renewal",
        "25 days after each monthly purchase; tested from 2022-07-01",
        NONE,
        "AUC .63, log loss .668",
        _auc(0.63, BELOW_CONSTANT),
    ),
    Row(
        "learning_conversion",
        "learning_365",
        "conversion",
        "7 days after registration, paid within 30; tested from 2022-07-01",
        NONE,
        "AUC .72, lift10 3.3",
        _auc(0.73),
    ),
    Row(
        "telco_eprofits",
        "telco_eprofits",
        "churn",
        "30 % of the rows, seed 42, not stratified",
        "AUC .8606 to .8621, EMPC 10.95 to 11.00",
        "AUC .8425, EMPC 10.65; a blend .8620, 10.91",
        _auc(0.862, Line("empc", 10.95)),
        extra="empc",
    ),
    Row(
        "telco_dated",
        "telco_dated",
        "churn",
        "leaves within 30 days; trained at 2019-10-15 and 11-15, tested at 12-15",
        NONE,
        "AUC .865, log loss .215 (31 days)",
        _auc(0.865),
    ),
    Row(
        "bank_churn",
        "bank_churn_modelling",
        "churn",
        "5 times 5 folds, seeds 0 to 4",
        "AUC .861, AP .647; with ratios .8668, .7067",
        "AUC .866, log loss .332",
        _auc(0.866, Line("average_precision", 0.70)),
        repeats=5,
    ),
    Row(
        "bank_churners", "bank_churners", "churn", FOLDS, "AUC .98 to .99", "AUC .994", _auc(0.994)
    ),
    Row(
        "iranian_grouped",
        "iranian_churn",
        "churn",
        f"{WAYS}, repeated rows together",
        "3.29 (split not stated)",
        NONE,
        (Line("oracle_share", 0.9),),
        extra="profit",
    ),
    Row(
        "iranian_ungrouped",
        "iranian_churn",
        "churn",
        f"{WAYS} of rows",
        "3.29 (split not stated)",
        "4.83 of an oracle's 5.43",
        (Line("oracle_share", 0.9),),
        extra="profit",
        way="ungrouped",
    ),
    Row(
        "iranian_deduplicated",
        "iranian_churn",
        "churn",
        f"{WAYS}, repeated rows left out",
        "3.29 (split not stated)",
        "5.18 of an oracle's 5.74",
        (Line("oracle_share", 0.9),),
        extra="profit",
        way="deduplicated",
    ),
    Row(
        "online_retail",
        "online_retail",
        "churn",
        "nothing bought in 90 days; tested at 2010-09-08",
        NONE,
        "AUC .731, log loss .616; recency alone .665",
        _auc(0.74),
    ),
    Row(
        "smobile_company",
        "smobile_churn",
        "churn",
        "learned on a sample of which half left, tested on the company",
        NONE,
        "AUC .766, lift10 4.2",
        _auc(0.765),
    ),
    Row(
        "smobile_sample",
        "smobile_churn",
        "churn_balanced",
        "learned and tested on samples of which half left",
        NONE,
        "AUC .765, lift10 1.82",
        _auc(0.765),
    ),
    Row(
        "cdnow",
        "cdnow",
        "churn",
        "no order in 13 weeks, tested at 1997-09-30; the same ranking against 39 weeks",
        "BG/NBD: AUC .769 (13 weeks), .763 (39)",
        "three slices: AUC .7775, .7708",
        _auc(0.778, Line("auc_39_weeks", 0.771)),
        extra="weeks",
    ),
    Row(
        "complete_journey",
        "complete_journey",
        "redemption",
        "redeems a coupon of the campaign; tested from 2017-08-01",
        NONE,
        "AUC .798",
        _auc(0.80),
    ),
    Row(
        "airline",
        "airline_loyalty",
        "churn",
        "cancels within 3 months; tested at the end of 2018-09",
        NONE,
        "AUC .76, lift10 5.6",
        _auc(0.77),
    ),
    Row(
        "oulad_14",
        "oulad_2013",
        "withdrawal_14d",
        "withdraws within 14 days; learned on 2013B, tested on 2013J",
        NONE,
        "AUC .732",
        _auc(0.73),
    ),
    Row(
        "oulad_28",
        "oulad_2013",
        "withdrawal_28d",
        "the same within 28 days",
        NONE,
        "AUC .706",
        _auc(0.71),
    ),
    Row(
        "oulad_60",
        "oulad_2013",
        "withdrawal_60d",
        "the same within 60 days",
        NONE,
        "AUC .689",
        _auc(0.69),
    ),
    Row(
        "bank_marketing",
        "bank_marketing",
        "deposit",
        f"{FOLDS}, without `duration`",
        "AUC .80 (more features, rolling windows)",
        "AUC .805, log loss .269",
        _auc(0.81),
    ),
    Row(
        "bank_marketing_later",
        "bank_marketing",
        "deposit_later",
        "first 80 % to last 20 %, recalibrated every 1,000 calls",
        NONE,
        "AUC .668",
        _auc(0.67, BELOW_CONSTANT),
    ),
    Row(
        "ravenstack",
        "ravenstack_flags",
        "churn",
        f"{FOLDS}; the flags carry no signal",
        NONE,
        "AUC .52",
        (Line("grade_u_or_c", 1.0),),
        extra="grade",
    ),
    Row(
        "ravenstack_tables",
        "ravenstack_saas",
        "churn",
        "no account ever leaves",
        NONE,
        NONE,
        (Line("grade_u_or_c", 1.0),),
        extra="grade",
    ),
    Row(
        "eu_savings",
        "eu_savings_contracts",
        "surrender",
        "surrenders within a year; tested at 2007-01-01, under drift",
        NONE,
        "log loss: constant .2972, best honest .2971",
        (BELOW_CONSTANT, Line("drift_flagged", 1.0)),
        extra="drift",
    ),
    Row(
        "simulated",
        "simulated",
        "churn",
        "rolling origins; 5,000 customers, 24 months, seed 7",
        "the truth",
        NONE,
        (
            Line("share_of_truth", 0.9),
            Line("calibration_slope", 0.9),
            Line("calibration_slope", 1.1, less=True),
        ),
        extra="truth",
    ),
)
