"""The model card for people: what a version is for, how good it is, and where it ends.

Written from the card and the report of the training alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from models.card_limits import limits, missing_tables
from models.card_recipe import made
from models.card_render import Picture, Points, Section, Table, html, markdown
from models.card_words import (
    cause_words,
    day,
    estimate,
    level_words,
    lift_words,
    number,
    purpose,
    share,
)
from models.charts import Chart, svg

Json = Mapping[str, Any]
TOP = 15  # features shown by importance
METRICS = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "brier_skill": "Brier skill",
    "auc": "ROC AUC",
    "average_precision": "average precision",
    "lift1": "lift in the top 1 %",
    "lift5": "lift in the top 5 %",
    "lift10": "lift in the top 10 %",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "calibration_error": "calibration error",
    "lead_time_recall_30d": "MRR lost, in the top 10 % 30 days before",
    "expected_profit": "expected profit of contacts",
    "realised_profit": "realised profit of contacts",
    "top10_jaccard": "overlap of the top 10 % of two runs",
}
NAMES = {
    "model": "this model",
    "constant": "newest known rate",
    "rule": "simple rule",
    "logistic": "logistic regression",
    "lightgbm": "LightGBM by default",
    "champion": "champion before",
}
CALIBRATED = ("calibration_slope", "calibration_intercept", "calibration_error")
PICTURES = {
    "calibration": "Observed rate against mean probability in ten bins",
    "lift": "Share of the events found by the share of customers contacted",
    "top_features": "The features with the greatest share of importance",
    "origins": "Metrics of every model at every origin, with intervals",
}


def title(card: Json, version: int) -> str:
    """Such as `Model card: acme.churn, version 3`."""
    return f"Model card: {card['project']}.{card['target']['name']}, version {version}"


def card_pages(
    card: Json, report: Json, version: int, charts: Mapping[str, Chart]
) -> dict[str, str]:
    """`model_card.md` and `model_card.html`; arguments as of `sections`."""
    found, heading = sections(card, report), title(card, version)
    pictures = {name: svg(chart) for name, chart in charts.items() if name in PICTURES}
    return {
        "model_card.md": markdown(heading, found),
        "model_card.html": html(heading, found, pictures),
    }


def sections(card: Json, report: Json) -> list[Section]:
    """The card of a registered version.

    Parameters
    ----------
    card : mapping
        As registered (`card.json`), with `tables`, `importance` and `bins`.
    report : mapping
        Of its training, as `Report.as_json` gives it.
    """
    return [
        Section("Verdict", [*_verdict(card, report)]),
        Section("Purpose", [purpose(card), Points(["To be used for: " + _use(card)])]),
        Section("Data", [*_data(card)]),
        Section("Period", [_period(card, report)]),
        Section("Features", [*_features(card)]),
        Section("How good it is", [*_metrics(report)]),
        Section("Calibration", [*_calibration(card, report)]),
        Section("Segments", [*_segments(report)]),
        Section("Gate and leak guard", [*_checks(report)]),
        Section("Reasons", [_reasons(card)]),
        Section("Limits", [Points([*limits(card, report)])]),
        Section("How it was made", [made(card, report)]),
    ]


def _use(card: Json) -> str:
    return (
        "putting customers in order, by probability and by the money at stake, and deciding whom"
        f" to contact; each score speaks of the {card['target']['horizon_days']} days after its"
        " as-of date."
    )


def _verdict(card: Json, report: Json) -> Iterator[Any]:
    yield f"Grade {card['grade']}. " + (
        "It passed the gate and was promoted at the end of its training."
        if report["promoted"]
        else "It did not pass the gate and was not promoted at the end of its training."
    )
    yield f"Why: {report['reason']}."


def _data(card: Json) -> Iterator[Any]:
    yield f"Fingerprint of the tables: {card['data_fingerprint']}."
    tables = card.get("tables") or {}
    yield Table(("table", "rows"), [(name, number(rows)) for name, rows in tables.items()])
    missing = missing_tables(card)
    if missing:
        yield f"Tables that the project does not have: {', '.join(missing)}."


def _period(card: Json, report: Json) -> Table:
    columns = ("part", "first as-of", "last as-of", "dates", "rows", "customers", "events", "rate")
    whole = {"rows": card.get("rows"), "rate": card.get("rate")}
    parts = [
        ("registered model", card["train"], whole),
        ("back-test, newest training", _span(report["train"]), report["train"] or {}),
        ("back-test, tests", card["test"], report["test"] or {}),
    ]
    rows = [
        (
            name,
            day(span["first_as_of"]),
            day(span["last_as_of"]),
            number(span["dates"]),
            *(number(counted.get(key)) for key in ("rows", "customers", "events")),
            share(counted.get("rate")),
        )
        for name, span, counted in parts
    ]
    known = ("labels known until", day(card.get("known_until")), *["-"] * 6)
    return Table(columns, [*rows, known])


def _span(part: Json | None) -> Json:
    as_of = (part or {}).get("as_of") or []
    ends = (as_of[0], as_of[-1]) if as_of else (None, None)
    return {"first_as_of": ends[0], "last_as_of": ends[1], "dates": None}


def _features(card: Json) -> Iterator[Any]:
    importance = card.get("importance") or {}
    meanings = {one["name"]: one["meaning"] for one in card["features"]}
    used = sum(1 for name in meanings if importance.get(name))
    yield f"{len(meanings)} features, of which the model uses {used}. Most of all:"
    columns = ("feature", "share of importance", "meaning")
    leaders = sorted(importance.items(), key=lambda item: -item[1])[:TOP]
    yield Table(columns, [(name, share(part), meanings[name]) for name, part in leaders])
    yield Picture("top_features", PICTURES["top_features"])
    families: dict[str, list[Json]] = {}
    for one in card["features"]:
        families.setdefault(one["family"], []).append(one)
    for family, members in families.items():
        part = sum(importance.get(one["name"], 0.0) for one in members)
        rows = [
            (
                one["name"],
                one["unit"],
                one["meaning"],
                "yes" if one["actionable"] else "no",
                share(importance.get(one["name"], 0.0)),
            )
            for one in members
        ]
        said = f"{family}: {len(members)} features, {share(part)} of the importance"
        yield Table(("feature", "unit", "meaning", "can be acted on", "importance"), rows, said)


def _metrics(report: Json) -> Iterator[Any]:
    if report["model"] is None:
        yield "Nothing was tested."
        return
    origins = report["origins"]
    yield (
        f"Means over {len(origins)} {'tests' if len(origins) > 1 else 'test'} on rows that were"
        " not learned from, with 95 % intervals from a bootstrap over customers, beside what is"
        " simpler."
    )
    models = {"model": report["model"], **report["baselines"]}
    shown = [key for key in METRICS if any(_known(one.get(key)) for one in models.values())]
    yield Table(
        ("metric", *(NAMES[name] for name in models)),
        [(METRICS[key], *(estimate(one.get(key)) for one in models.values())) for key in shown],
    )
    said = lift_words(report["model"].get("auc"))
    if said:
        yield f"How well it puts customers in order: {said}."
    yield "At each origin:"
    columns = ("origin", "model", "rows", "rate", "log loss", "ROC AUC", "lift in the top 10 %")
    yield Table(
        columns,
        [
            (
                origin["at"] or "held out",
                NAMES[name],
                number(origin["test"]["rows"]),
                share(origin["test"]["rate"]),
                *(estimate(one.get(key)) for key in ("log_loss", "auc", "lift10")),
            )
            for origin in origins
            for name, one in {"model": origin["model"], **origin["baselines"]}.items()
        ],
    )
    yield Picture("origins", PICTURES["origins"])
    yield Picture("lift", PICTURES["lift"])


def _known(metric: Json | None) -> bool:
    return metric is not None and metric["value"] is not None


def _calibration(card: Json, report: Json) -> Iterator[Any]:
    model = report["model"] or {}
    yield (
        "A probability can be taken at its word where the slope is 1 and the intercept 0; the"
        " error is the mean distance of rate and probability over ten bins."
    )
    yield Table(
        ("", "mean over origins"),
        [(METRICS[key].partition(" ")[2], estimate(model.get(key))) for key in CALIBRATED],
    )
    yield from filter(None, (level_words(card), cause_words(card)))
    bins = card.get("bins") or []
    if bins:
        yield "By bins of equal count at the newest test:"
        columns = ("bin", "customers", "mean probability", "it happened to")
        rows = [
            (str(n), number(one["rows"]), share(one["predicted"]), share(one["observed"]))
            for n, one in enumerate(bins, 1)
        ]
        yield Table(columns, rows)
    yield Picture("calibration", PICTURES["calibration"])


def _segments(report: Json) -> Iterator[Any]:
    if not report["segments"]:
        yield "Nothing tells customers apart, so there is no metric per segment."
        return
    yield "The same tests in parts of the customers; small values are put together as `other`."
    columns = (
        "column", "value", "customers", "with the event", "rate", "mean probability",
        "log loss", "ROC AUC", "calibration slope",
    )  # fmt: skip
    rows = [
        (
            one["column"],
            one["value"],
            number(one["customers"]),
            number(one["events"]),
            share(one["rate"]),
            share(one["predicted"]),
            *(estimate(one["metrics"].get(k)) for k in ("log_loss", "auc", "calibration_slope")),
        )
        for one in report["segments"]
    ]
    yield Table(columns, rows)


def _checks(report: Json) -> Iterator[Any]:
    columns = ("check", "state", "proof")
    yield "Promoted where none of these failed:"
    yield Table(columns, [(one["name"], one["state"], one["proof"]) for one in report["gate"]])
    yield "What the leak guard looked at:"
    yield Table(columns, [(one["name"], one["state"], one["proof"]) for one in report["guard"]])


def _reasons(card: Json) -> str:
    found = (card.get("reasons") or {}).get("stability")
    if not found:
        return "How far reasons hold was not measured."
    return (
        f"Learned {found['seeds']} more times from other seeds, {share(found['same_top'])} of"
        f" {number(found['customers'])} customers at high risk kept their first reason, and their"
        f" first three overlapped by {share(found['jaccard'])}."
    )
