"""What is registered: a refit on all that is known, with card, charts and out-of-fold scores."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from features.project import Project
from features.staging import Staged
from models.calibrate import Calibration, fit_calibration
from models.card import describe
from models.card_page import card_pages
from models.charts import (
    Chart,
    calibration_chart,
    lift_chart,
    origins_chart,
    top_features_chart,
)
from models.encode import Encoder
from models.fitted import Fitted
from models.metrics import calibration_bins
from models.registry import Registry
from training.backtest import Backtest
from training.backtest_table import chart_rows
from training.causes import cause_card
from training.labels import known_after
from training.monitor_slices import profile_card
from training.prior import LEAST, corrected
from training.promotion import decide, gate_tag
from training.reason_card import reason_card
from training.recipe import Setting, fit_all, inner_folds, thinned
from training.report import Report
from training.sample import Dataset, Floats, Labelled, Rows, Sample
from training.sequential import newest_level
from training.size_card import learned_from
from training.splits import customer_folds

LEVEL_ROWS = 100_000  # the newest level is read from whole customers up to so many rows


@dataclass(frozen=True)
class Refit:
    """The model to register and the rows it was learned from."""

    fitted: Fitted
    rows: Rows
    y: Floats
    told: dict[str, Any] = field(default_factory=dict)  # of the card, for reasons


def refit(data: Dataset, found: Backtest, data_end: datetime | None) -> Refit:
    """The chosen setting on all mature slices, calibrated on the pooled back-test predictions.

    The back-test predicted later time (of a snapshot: other customers) than it was learned from,
    so its log-odds are those of rows the model had not seen. Where the base rate moves, the level
    is that of the newest slices, by the refit's own predictions for customers left out.
    """
    rows, y = _known(data, data_end)
    encoder = data.encoder(rows, y)
    sample = data.sample(rows, y, encoder)
    (model,) = fit_all(sample, [(None, found.setting)], encoder.categorical)
    log_odds = np.concatenate([trial.log_odds[found.best] for trial in found.trials])
    tested = np.concatenate([trial.test_rows for trial in found.trials])
    answers = np.concatenate([trial.y for trial in found.trials])
    calibration = fit_calibration(log_odds, answers, groups=data.customer[tested])
    calibration = newest_level(calibration, data, tested, log_odds, answers)
    if data_end is not None and sample.as_of.nunique() >= LEAST:
        calibration = _corrected(calibration, data, sample, encoder, found.setting)
    fitted = Fitted(encoder, model, calibration)
    told = reason_card(fitted, sample, found.setting)
    told["profile"] = profile_card(fitted, sample, log_odds, data.customer[tested])
    return Refit(fitted, sample.rows, sample.y, told)


def _corrected(
    calibration: Calibration, data: Dataset, sample: Sample, encoder: Encoder, setting: Setting
) -> Calibration:
    """The calibration at the newest level, sought as at each origin of the back-test."""
    few = sample.take(thinned(sample, LEVEL_ROWS))
    folds = inner_folds(few)
    models = fit_all(few, [(train, setting) for train, _ in folds], encoder.categorical)
    log_odds = np.full(len(few), np.nan)
    for model, (_, test) in zip(models, folds, strict=True):
        log_odds[test] = model.decision_function(few.X[test])
    return corrected(calibration, log_odds, few.y, few.as_of, known_after(data.target))


def _known(data: Dataset, data_end: datetime | None) -> Labelled:
    """All mature slices; all of a snapshot, but of its samples, drawn each in its way, only one."""
    if data_end is None and data.target.split.train_sample is not None:
        return data.parts()[0]
    dates = None if data_end is None else data.mature(data_end)
    return data.newest(*data.labelled(dates, data_end))


def register(
    project: Project,
    staged: Staged,
    data: Dataset,
    found: Backtest,
    report: Report,
    whole: Refit,
    registry: Registry,
) -> int:
    """Log the refitted model, make it the champion if it passed, record why; returns the version.

    Of a snapshot, the calibrated out-of-fold probability of every customer that the registered
    model has seen is written to `<outputs>/oof/<target>-<version>.parquet` (`customer_id`,
    `probability`): the scores to publish. Where snapshots have dates these are the back-test's of
    the newest one.
    """
    name = project.model_name(report.target)
    card = _card(project, staged, data, found, report, whole)
    charts = _charts(found, whole.fitted, report)
    version = registry.log(
        name,
        whole.fitted,
        card,
        params=_params(found, whole) | _tuning(report),
        metrics=_numbers(report),
        series=_trials(report),
        charts=charts,
        documents={"backtest": report.as_json()},
        tags={
            "target": report.target,
            "data_fingerprint": staged.fingerprint,
            "gate": gate_tag(report),
        },
    )
    if data.target.label is not None:
        _write_out_of_fold(project, data, found, whole, f"{report.target}-{version}")
    registry.attach(
        name, version, card_pages(card | whole.fitted.card(), report.as_json(), version, charts)
    )
    decide(registry, name, version, report)
    return version


def _card(
    project: Project,
    staged: Staged,
    data: Dataset,
    found: Backtest,
    report: Report,
    whole: Refit,
) -> dict[str, Any]:
    """The description of the model, its recipe, and until when the labels it learned were known."""
    tests = np.concatenate([trial.test_rows for trial in found.trials])
    card = describe(
        project,
        report.target,
        train_as_of=_dates(data, whole.rows),
        test_as_of=_dates(data, tests),
        metrics={"model": report.model, "baselines": report.baselines},
        grade=report.grade,
        fingerprint=staged.fingerprint,
        trained_at=datetime.now(UTC).replace(tzinfo=None),
    )
    until = None if data.data_end is None else data.data_end.isoformat()
    recipe = {"name": found.setting.name, "params": found.setting.params}
    extra: dict[str, Any] = {"recipe": recipe, "known_until": until, "reason": report.reason}
    cause = cause_card(data, found.trials, whole.rows, whole.y, whole.fitted.encoder)
    extra |= {} if cause is None else {"cause": cause}
    extra |= {"rows": len(whole.y), "rate": float(whole.y.mean()), "tables": staged.rows}
    extra |= {"learned_from": learned_from(data, whole.rows)}
    newest = found.trials[-1]
    extra |= {"bins": calibration_bins(newest.y, newest.probability[found.best])}
    extra |= {"importance": whole.fitted.importance()}
    return card | extra | whole.told


def _dates(data: Dataset, rows: Rows) -> list[datetime]:
    as_of = data.keys["as_of"].iloc[rows].dropna().drop_duplicates()
    return sorted(as_of.dt.to_pydatetime().tolist())


def _params(found: Backtest, whole: Refit) -> dict[str, Any]:
    return {
        "recipe": found.setting.name,
        **found.setting.params,
        "rows": len(whole.y),
        "features": len(whole.fitted.catalogue),
        "calibration": whole.fitted.calibration.method,
    }


def _tuning(report: Report) -> dict[str, Any]:
    """What the searches for settings tried and found, a value for each search."""
    return {
        f"tuning_{key}": ", ".join(
            f"{one[key]:.5g}" if type(one[key]) is float else str(one[key])
            for one in report.tuning
            if key in one
        )
        for key in dict.fromkeys(key for one in report.tuning for key in one if key != "trials")
    }


def _trials(report: Report) -> dict[str, list[float | None]]:
    """Of each search, the log loss of every setting in the order it was tried."""
    return {
        f"tuning_{number}_log_loss": [trial["log_loss"] for trial in one["trials"]]
        for number, one in enumerate(report.tuning, 1)
    }


def _numbers(report: Report) -> dict[str, float | None]:
    """Every estimate of the back-test under a name MLflow takes."""
    named = {"": report.model or {}} | {f"{k}_": v for k, v in report.baselines.items()}
    return {
        f"{prefix}{metric}": found["value"]
        for prefix, metrics in named.items()
        for metric, found in metrics.items()
        if isinstance(found, dict)
    }


def _charts(found: Backtest, fitted: Fitted, report: Report) -> dict[str, Chart]:
    newest = found.trials[-1]
    probability = newest.probability[found.best]
    return {
        "calibration": calibration_chart(newest.y, probability),
        "lift": lift_chart(newest.y, probability),
        "top_features": top_features_chart(fitted.importance(), fitted.catalogue),
        "origins": origins_chart(chart_rows(report.as_json())),
    }


def _write_out_of_fold(
    project: Project, data: Dataset, found: Backtest, whole: Refit, name: str
) -> None:
    if data.holdout is None:
        trial = found.trials[-1]
        as_of = data.keys["as_of"]
        newest = as_of.iloc[trial.test_rows].isin([as_of.max()]).to_numpy() | data.is_snapshot
        rows, probability = trial.test_rows[newest], trial.probability[found.best][newest]
    else:
        rows, probability = whole.rows, _out_of_fold(data, whole, found.setting)
    customer = data.keys["customer_id"].iloc[rows].to_numpy()
    frame = pd.DataFrame({"customer_id": customer, "probability": probability})
    folder = project.outputs / "oof"
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / f"{name}.parquet", index=False)


def _out_of_fold(data: Dataset, whole: Refit, setting: Setting) -> Floats:
    """The probability of each row of a refit by models that have not seen its customer."""
    encoder = whole.fitted.encoder
    sample = data.sample(whole.rows, whole.y, encoder)
    folds = list(customer_folds(whole.y, sample.customer))
    models = fit_all(sample, [(train, setting) for train, _ in folds], encoder.categorical)
    log_odds = np.empty(len(sample))
    for model, (_, test) in zip(models, folds, strict=True):
        log_odds[test] = model.decision_function(sample.X[test])
    return whole.fitted.calibration.probability(log_odds)
