"""The lives of a block of customers, day by day: every event is drawn from a known hazard."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Self

import numpy as np

from simulation.accounts import Accounts, History
from simulation.block import Block
from simulation.kinds import NEVER, Bytes, Flags, Ints
from simulation.people import Traits
from simulation.world import World


@dataclass(frozen=True)
class Paths:
    """What usage and support see of each day, arrays of shape (days, n) at the day's start."""

    mode: Bytes
    state: Bytes
    plan: Bytes
    seats: Ints
    leaving: Flags  # an end is scheduled
    treated: Flags  # a treatment works; noted where goods are sold

    @classmethod
    def empty(cls, days: int, n: int) -> Self:
        """Room for so many days of n customers."""
        codes = [np.zeros((days, n), dtype=np.int8) for _ in range(3)]
        seats = np.zeros((days, n), dtype=np.int64)
        flags = [np.zeros((days, n), dtype=np.bool_) for _ in range(2)]
        return cls(codes[0], codes[1], codes[2], seats, flags[0], flags[1])

    def note(self, row: int, now: Accounts) -> None:
        """Keep the start of a day."""
        self.mode[row], self.state[row] = now.mode, now.state
        self.plan[row], self.seats[row] = now.plan, now.seats
        self.leaving[row] = now.ends_on != NEVER


@dataclass(frozen=True)
class Lives:
    """A block from start to end: log, daily paths, and the standing at each as-of day."""

    history: History
    paths: Paths
    standing: dict[int, Accounts]


def live(rng: np.random.Generator, who: Traits, world: World, as_of: Container[int]) -> Lives:
    """Live through the days of the company's history.

    Parameters
    ----------
    rng : Generator
        Draws as many numbers per day whatever happens, so lives depend on the seed alone.
    who : Traits
        The block.
    world : World
        The company and its calendar.
    as_of : container of int
        Days at whose start the standing is kept; may hold `end`.
    """
    start, end = world.start, world.end
    paths = Paths.empty(end - start, len(who))
    block = Block(rng, who, world)
    block.begin(start)
    everyone = np.arange(len(who))
    standing: dict[int, Accounts] = {}
    for day in range(start, end + 1):
        if day in as_of:
            standing[day] = block.now.take(everyone)
        if day < end:
            paths.note(day - start, block.now)
            block.pass_day(day)
    return Lives(History.of(block.log), paths, standing)
