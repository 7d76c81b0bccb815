"""Whether reasons hold: the same recipe learned again from other seeds, and what it says then."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encode import Encoder
from models.fitted import Fitted
from models.peers import peers_card
from models.portable import PortableModel
from models.propensity import PropensityModel
from models.reasons import Explainer
from training.recipe import Setting, fit_all, thinned
from training.sample import Sample

ROWS = 5_000  # whole customers up to so many rows are learned from
PEER_ROWS = 2_000  # of those, what is usual is read from so many
SEEDS = 3  # fits beside the first
TOP = 3  # reasons compared
SHARE = 0.1  # of the customers: those with the highest probability
_APART = 1_000  # between seeds, since a fit uses several that follow each other

Tops = NDArray[np.int64]


def stability(sample: Sample, setting: Setting, encoder: Encoder) -> dict[str, Any]:
    """How far the reasons of the riskiest tenth are the same when only the seed differs.

    Parameters
    ----------
    sample : Sample
        Of which at most `ROWS` rows are learned from, each time the same.
    setting : Setting
        The chosen recipe.
    encoder : Encoder
        Fitted.

    Returns
    -------
    dict
        `same_top` (share of customers whose first reason is the same), `jaccard` (mean overlap of
        the first three), `seeds`, `rows` (learned from), `customers` (compared). The first two are
        means over the seeds, null where nobody has a reason.
    """
    small = sample.take(thinned(sample, ROWS))
    seeds = [{"random_state": number * _APART} for number in range(SEEDS + 1)]
    settings = [replace(setting, params=setting.params | seed) for seed in seeds]
    models = fit_all(small, [(None, one) for one in settings], encoder.categorical)
    count = max(1, round(SHARE * len(small)))
    riskiest = small.take(np.argsort(-models[0].decision_function(small.X), kind="stable")[:count])
    few = small.take(thinned(small, PEER_ROWS))
    first, *others = (_explained(model, encoder, few, riskiest) for model in models)
    found = agreement(first, others)
    return {**found, "seeds": SEEDS, "rows": len(small), "customers": count}


def _explained(model: PropensityModel, encoder: Encoder, peers: Sample, rows: Sample) -> Tops:
    """The groups that raise the probability of each row, as told; -1 beyond the last."""
    plain = Fitted(encoder, model).portable
    card = {**plain.card, "peers": peers_card(plain, peers.array, peers.customer)}
    explainer = Explainer(PortableModel(card, model.ensemble_))
    effects = explainer.effects(rows.array)
    order = explainer.ranked(effects)[:, :TOP]
    return np.where(np.take_along_axis(effects, order, axis=1) > 0, order, -1)


def agreement(first: Tops, others: Sequence[Tops]) -> dict[str, float | None]:
    """`same_top` and `jaccard` of groups by rank, arrays of shape (n, k); -1 is no group."""
    has = first[:, 0] >= 0
    if not has.any():
        return {"same_top": None, "jaccard": None}
    same = [float(np.mean(other[has, 0] == first[has, 0])) for other in others]
    overlap = [
        float(np.mean([_jaccard(a, b) for a, b in zip(first[has], other[has], strict=True)]))
        for other in others
    ]
    return {"same_top": float(np.mean(same)), "jaccard": float(np.mean(overlap))}


def _jaccard(one: Tops, other: Tops) -> float:
    a, b = set(one[one >= 0].tolist()), set(other[other >= 0].tolist())
    return len(a & b) / len(a | b)
