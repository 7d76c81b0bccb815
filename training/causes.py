"""The cause of churn, proven on later leavers and fitted for the model to register."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.causes import Leavers, fit_cause, log_loss
from models.encode import Encoder
from models.portable import involuntary_share
from training.sample import Dataset, Floats, Rows
from training.splits import newest
from training.trial import Trial

Json = dict[str, Any]


def prove_cause(data: Dataset, trials: Sequence[Trial]) -> Json | None:
    """Log loss of the cause among later leavers, learned at each origin, against one share.

    Returns
    -------
    dict or None
        `learned` where the model's mean log loss is below that of the newest share, and `origins`:
        leavers, involuntary ones, the two log losses and the mean expected share. None where the
        target has no causes.
    """
    origins = [found for trial in trials if (found := _origin(data, trial))]
    if not origins:
        return None
    gain = np.mean([one["share_log_loss"] - one["log_loss"] for one in origins])
    return {"learned": bool(gain > 0), "gain": float(gain), "origins": origins}


def _origin(data: Dataset, trial: Trial) -> Json | None:
    """What an origin shows; None without leavers whose cause is known, then or later."""
    causes = data.causes()
    if causes is None or trial.at is None:
        return None
    encoder = data.encoder(trial.train_rows, trial.train_y)
    left = trial.test_rows[trial.y == 1]
    before = leavers(data, trial.train_rows, trial.train_y, encoder, trial.at)
    cause = None if before is None else _fitted(before, encoder)
    if cause is None or not len(left):
        return None
    y = (causes[left] == "involuntary").astype(np.float64)
    X = encoder.transform(data.frame.iloc[left])
    share, constant = involuntary_share(cause, X), np.full(len(y), cause["share"])
    return {
        "at": f"{trial.at:%Y-%m-%d}",
        "leavers": len(y),
        "involuntary": int(y.sum()),
        "expected": float(share.mean()),
        "log_loss": log_loss(y, share),
        "share_log_loss": log_loss(y, constant),
    }


def _fitted(known: Leavers, encoder: Encoder, *, learned: bool = True) -> Json | None:
    """The second model; on narrow matrices more threads of the linear algebra only wait."""
    with threadpool_limits(1, "blas"):
        return fit_cause(known, encoder.categorical, learned=learned)


def leavers(
    data: Dataset, rows: Rows, y: Floats, encoder: Encoder, known_before: datetime | None
) -> Leavers | None:
    """Those of some rows who left, with what was known of the cause; None where there are none."""
    causes, left = data.causes(known_before), rows[y == 1]
    if causes is None or not len(left):
        return None
    as_of = data.keys["as_of"].iloc[left]
    return Leavers(
        encoder.transform(data.frame.iloc[left]),
        (causes[left] == "involuntary").astype(np.float64),
        data.customer[left],
        as_of.isin(newest(list(as_of))).to_numpy(),
    )


def cause_card(
    data: Dataset,
    trials: Sequence[Trial],
    rows: Rows,
    y: Floats,
    encoder: Encoder,
) -> Mapping[str, Any] | None:
    """The second model on the rows of the refit, with its back-test; None where none is told."""
    proof = prove_cause(data, trials)
    known = leavers(data, rows, y, encoder, data.data_end)
    if known is None:
        return None
    learned = proof is not None and proof["learned"]
    cause = _fitted(known, encoder, learned=learned)
    return None if cause is None else cause | {"backtest": proof}
