"""The page of the benchmark of models, from the results of its rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from cases.models_lines import AGAINST_CONSTANT, Line
from cases.models_rows import Row

Json = Mapping[str, Any]
LEARNERS = ("ours", "logistic", "lightgbm", "histogram", "xgboost", "catboost", "ebm", "flaml")
SAYS = {
    "auc": "AUC",
    "log_loss": "log loss",
    "average_precision": "AP",
    "empc": "EMPC",
    "oracle_share": "share of the oracle's profit",
    "auc_39_weeks": "AUC, 39 weeks",
    "grade_u_or_c": "grade U or C",
    "drift_flagged": "drift flagged",
    "share_of_truth": "share of the way to the truth's AUC",
    "calibration_slope": "calibration slope",
    AGAINST_CONSTANT: "log loss less the constant's",
}
YES_NO = {"grade_u_or_c", "drift_flagged"}
FOOT = """
Ours with its 95 % interval (500 draws of customers, seed 0) and standard error. A line is met where
the estimate is at most one standard error short of it, and clearly met where the whole interval
lies beyond it. Seconds are of the back-test: the search of settings, calibration, and two of the
baselines. Looks count how often this benchmark judged models on the row's test, at any code; looks
while the recipe was made are in `docs/decisions/0011-recipe.md`.
"""
SIDE = """
## Side by side

Every learner has its defaults and seed 0, learns from the same rows, encoded alike, with its own
way of categories where it has one, and is judged on the same test. FLAML searches for {budget}
seconds a fit. The difference is ours less the best of the others on that measure, under the same
draws of customers. Best in bold.
"""


def page(rows: Sequence[Row], found: Mapping[str, Json]) -> str:
    """The whole page; a row without a result says so."""
    known = [(row, found[row.key]) for row in rows if row.key in found]
    judged = [line for _, one in known for line in one["lines"]]
    met, clearly = (sum(bool(line[what]) for line in judged) for what in ("met", "clearly"))
    summary = (
        f"`make bench-models`. {len(known)} of {len(rows)} rows were run; of their {len(judged)}"
        f" lines {met} are met, {clearly} of them clearly. Not met: {_short(known)}."
    )
    parts = [
        "# Models against the published",
        "",
        summary,
        "",
        *_lines(rows, found),
        FOOT,
    ]
    if known:
        budgets = sorted({one["budget"] for _, one in known})
        parts += [SIDE.format(budget=" or ".join(f"{b:g}" for b in budgets)).strip(), ""]
        for measure, less in (("auc", False), ("log_loss", True)):
            parts += [f"### {SAYS[measure]}", "", *_side(known, measure, less=less), ""]
        parts += ["### Seconds", "", *_seconds(known), "", "## Remarks", "", *_remarks(known)]
    return "\n".join(parts) + "\n"


def _short(known: Sequence[tuple[Row, Json]]) -> str:
    missed = [
        f"{row.key} ({SAYS[line['measure']]})"
        for row, one in known
        for line in one["lines"]
        if not line["met"]
    ]
    return ", ".join(missed) or "none"


def _lines(rows: Sequence[Row], found: Mapping[str, Json]) -> list[str]:
    heads = ("data set", "target", "protocol", "published", "reference", "line", "ours", "se")
    heads += ("met", "seconds", "seed", "looks", "measured at")
    out = [_cells(heads), _cells(["---"] * len(heads))]
    for row in rows:
        one = found.get(row.key)
        told = one["lines"] if one else [None] * len(row.lines)
        for number, (line, said) in enumerate(zip(row.lines, told, strict=True)):
            first = [row.example, row.target, row.protocol, row.published, row.reference]
            start = first if number == 0 else [""] * len(first)
            out.append(_cells([*start, wanted(line), *_ours(said, one if number == 0 else None)]))
    return out


def _ours(said: Json | None, one: Json | None) -> list[str]:
    if said is None:
        return ["not run", *[""] * 6]
    met = "clearly" if said["clearly"] else "yes" if said["met"] else "**no**"
    if said["measure"] in YES_NO:
        ours, spread, met = ("yes" if said["value"] else "no"), "", ("yes" if said["met"] else met)
    else:
        ours, spread = _interval(said), _number(said.get("se"))
    if one is None:
        return [ours, spread, met, "", "", "", ""]
    changed = ", with changes" if one["changed"] else ""
    seconds = f"{one['seconds']['ours']:.0f}"
    at = f"{one['commit']}{changed}"
    return [ours, spread, met, seconds, str(one["seed"]), str(len(one["looks"])), at]


def wanted(line: Line) -> str:
    """A line in words."""
    if line.measure in YES_NO:
        return SAYS[line.measure]
    return f"{SAYS[line.measure]} {'at most' if line.less else 'at least'} {line.at:g}"


def _side(known: Sequence[tuple[Row, Json]], measure: str, *, less: bool) -> list[str]:
    heads = ("row", *LEARNERS, "ours less the best other")
    out = [_cells(heads), _cells(["---", *["---:"] * (len(heads) - 1)])]
    for row, one in known:
        values = {
            name: one["learners"][name][measure]["value"]
            for name in LEARNERS
            if measure in one["learners"].get(name, {})
        }
        values = {name: value for name, value in values.items() if value is not None}
        if len(values) < 2:
            continue
        pick = min if less else max
        best = pick(values.values())
        other = pick((n for n in values if n != "ours"), key=lambda n: values[n])
        cells = [
            "-" if n not in values else f"**{v}**" if values[n] == best else v
            for n, v in ((n, _number(values.get(n))) for n in LEARNERS)
        ]
        apart = one["against"].get(other, {}).get(measure)
        out.append(_cells([row.key, *cells, f"{other} {_interval(apart)}" if apart else ""]))
    return out


def _seconds(known: Sequence[tuple[Row, Json]]) -> list[str]:
    out = [_cells(("row", *LEARNERS)), _cells(["---", *["---:"] * len(LEARNERS)])]
    for row, one in known:
        took = one["seconds"]
        out.append(_cells([row.key, *(f"{took[n]:.1f}" if n in took else "" for n in LEARNERS)]))
    return out


def _remarks(known: Sequence[tuple[Row, Json]]) -> list[str]:
    out = []
    for row, one in known:
        what = f"{one['rows']:,} rows tested" + (f", rate {one['rate']:.4f}" if one["rate"] else "")
        said = [f"grade {one['grade']}", what]
        if one.get("best", "model") != "model":
            said.append(f"{one['best']} is better here and would be registered")
        said += [f"{name}: {_plain(value)}" for name, value in one["remarks"].items()]
        profit = one["learners"]["ours"].get("profit")
        said += [f"profit per customer {_interval(profit)}"] if profit else []
        said += [f"{name}: {why}" for name, why in one["failed"].items()]
        out.append(f"- {row.key}: {'; '.join(said)}. {one['machine']}, {one['moment']}.")
    return out


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _interval(one: Json) -> str:
    if one.get("value") is None:
        return "undefined"
    spread = f" ({_number(one['low'])} to {_number(one['high'])})" if one.get("low") else ""
    return f"{_number(one['value'])}{spread}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if abs(value) >= 2 else f"{value:.4f}"


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
