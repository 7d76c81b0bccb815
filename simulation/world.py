"""One company on the calendar: its model, its history, and what the company did on which day."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simulation.kinds import Floats, Ints, add_months, month_of
from simulation.models import Model

FIRST_WAVE, NEXT_WAVE = 4, 8  # months to the first experiment, and between two
PRICE_RISE = 1.06  # of the list prices


@dataclass(frozen=True)
class World:
    """A model with a history of [start, end), days since 1970."""

    model: Model
    start: int
    end: int
    usage_rate: float = 1.0

    def _at(self, share: float) -> int:
        """The first day of a month about so far into the history; mid-history for short ones."""
        day = self.start + round(share * (self.end - self.start))
        first = np.array([day]).astype("datetime64[D]").astype("datetime64[M]")
        return max(int(first.astype("datetime64[D]").astype(np.int64)[0]), self.start + 1)

    @cached_property
    def migration(self) -> int:
        """Everybody on the legacy plan is moved to its successor, at the same price."""
        return self._at(0.45)

    @cached_property
    def renaming(self) -> int:
        """An event and a plan get another name."""
        return self._at(0.55)

    @cached_property
    def price_rise(self) -> int:
        """List prices rise; who has a subscription pays more from the next renewal on."""
        return self._at(0.65)

    @cached_property
    def import_day(self) -> int:
        """Tickets of a second help desk become known, those of months before all at once."""
        return self._at(0.75)

    @cached_property
    def waves(self) -> tuple[int, ...]:
        """Days on which customers are assigned to an experiment."""
        span = 1 + (self.end - self.start) // 28
        ahead = np.arange(FIRST_WAVE, span, NEXT_WAVE)
        days = add_months(np.full(len(ahead), self.start), ahead)
        found = tuple(int(day) for day in days if day < self.end)
        return found or ((self.start + self.end) // 2,)

    def wave_after(self, day: Ints) -> Ints:
        """The first wave on or after each day; the last day of all where there is none."""
        edges = np.array([*self.waves, 1 << 40])
        next_: Ints = edges[np.searchsorted(edges, day)]
        return next_

    def season(self, day: Ints | int) -> Floats:
        """The calendar's factor on leaving, or on ordering where goods are sold."""
        factor: Floats = np.array(self.model.months)[month_of(day)]
        return factor
