"""What the card says so that reasons can be told: peers, and how far the reasons hold."""

from typing import Any

import numpy as np

from models.fitted import Fitted
from models.peers import LEAST, peers_card
from training.reason_stability import stability
from training.recipe import Setting, thinned
from training.sample import Rows, Sample

PEER_ROWS = 20_000  # customers that quantiles are taken over


def reason_card(fitted: Fitted, sample: Sample, setting: Setting) -> dict[str, Any]:
    """`peers` (null with too few customers) and `reasons`: their `stability` over seeds.

    Parameters
    ----------
    fitted : Fitted
        What is registered.
    sample : Sample
        The rows it was learned from.
    setting : Setting
        With which it was learned.
    """
    latest = sample.take(newest_rows(sample))
    latest = latest.take(thinned(latest, PEER_ROWS))
    return {
        "peers": peers_card(fitted.portable, latest.array, latest.customer),
        "reasons": {"stability": stability(sample, setting, fitted.encoder)},
    }


def newest_rows(sample: Sample) -> Rows:
    """The rows of the newest date; where it has too few customers, the newest row of each."""
    as_of = sample.as_of.to_numpy()
    newest = np.flatnonzero(as_of == as_of.max())
    if len(np.unique(sample.customer[newest])) >= LEAST:
        return newest
    order = np.argsort(as_of, kind="stable")[::-1]
    _, first = np.unique(sample.customer[order], return_index=True)
    return np.sort(order[first])
