"""Rows ordered by probability once, and what the order is worth under many sets of weights."""

import numpy as np

from models.portable import Floats


class Ranking:
    """Rows ordered once by falling probability, so that many sets of weights are cheap.

    Parameters
    ----------
    y, p : ndarray of shape (n,)
    """

    def __init__(self, y: Floats, p: Floats) -> None:
        self._order = np.argsort(-p, kind="stable")
        self._y = y[self._order]
        falling = p[self._order]
        self._starts = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]][: len(p)])

    def under(self, w: Floats) -> "Ranked":
        """The ranking under each row of weights (draws, n)."""
        if not len(self._order):
            return Ranked(np.zeros((len(w), 1)), np.zeros((len(w), 1)))
        rows = w[:, self._order]
        events = rows * self._y
        if len(self._starts) < len(self._order):
            rows = np.add.reduceat(rows, self._starts, axis=1)
            events = np.add.reduceat(events, self._starts, axis=1)
        return Ranked(events, rows)


class Ranked:
    """Groups of tied rows from the highest probability down, for several sets of weights.

    Parameters
    ----------
    events, rows : ndarray of shape (draws, groups)
        Weight of the events and of all rows in each group.
    """

    def __init__(self, events: Floats, rows: Floats) -> None:
        self._events, self._rows = events, rows
        self._events_above = np.cumsum(events, axis=1)
        self._rows_above = np.cumsum(rows, axis=1)
        self._all_events, self._all_rows = self._events_above[:, -1], self._rows_above[:, -1]

    def auc(self) -> Floats:
        """ROC AUC of each draw; NaN with one class."""
        others = self._rows - self._events
        all_others = self._all_rows - self._all_events
        above = self._rows_above - self._events_above - others / 2
        lost = np.einsum("ij,ij->i", self._events, above)
        return 1 - divide(lost, self._all_events * all_others)

    def average_precision(self) -> Floats:
        """Average precision of each draw; NaN without events."""
        precision = self._events_above / np.maximum(self._rows_above, 1e-300)
        found = np.einsum("ij,ij->i", self._events, precision)
        return divide(found, self._all_events)

    def lift(self, share: float) -> Floats:
        """Lift in the top `share` of each draw; NaN without events."""
        edges = share * self._all_rows
        found = [
            _inside(edge, rows, events)
            for edge, rows, events in zip(edges, self._rows_above, self._events_above, strict=True)
        ]
        rate = divide(self._all_events, self._all_rows)
        return divide(divide(np.asarray(found), edges), rate)

    def attainable(self, share: float) -> Floats:
        """(lift - 1) / (greatest lift - 1) of each draw; NaN where no lift is possible."""
        greatest = np.minimum(divide(self._all_rows, self._all_events), 1 / share)
        return divide(self.lift(share) - 1, np.where(greatest > 1, greatest - 1, 0))


def _inside(edge: float, rows: Floats, events: Floats) -> float:
    """Events above `edge`; the group that holds it counts at its mean rate."""
    at = min(int(np.searchsorted(rows, edge)), len(rows) - 1)
    rows_before, events_before = (rows[at - 1], events[at - 1]) if at else (0.0, 0.0)
    width = rows[at] - rows_before
    part = (edge - rows_before) / width if width > 0 else 0.0
    return float(events_before + part * (events[at] - events_before))


def divide(a: Floats, b: Floats) -> Floats:
    """Quotient, NaN where `b` is 0."""
    out = np.full(np.shape(b), np.nan)
    return np.asarray(np.divide(a, b, out=out, where=np.asarray(b) != 0))
