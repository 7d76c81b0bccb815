"""What will happen, by the known hazards: the chance of each event given the state at as_of.

The hidden state is a finite Markov chain and every other factor of the hazards is known ahead, so
the chances are sums over its futures, one matrix product a day, and not estimates. Left out is only
who leaves, comes back within the grace and leaves again, all inside one horizon.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from simulation import arrow, hazards, hidden
from simulation.accounts import Accounts
from simulation.kinds import DAY, FREE, NEVER, PAID, TRIAL, Floats, Ints
from simulation.people import Traits

HORIZON_DAYS = 90
GRACE_DAYS = 30
AHEAD = 5  # paid periods that can touch the horizon
_MATRIX = hidden.transitions()


@dataclass(frozen=True)
class Chances:
    """Probabilities over the horizon, arrays of shape (n,); NaN where not eligible."""

    voluntary: Floats
    involuntary: Floats
    upsell: Floats
    conversion: Floats

    @property
    def churn(self) -> Floats:
        """Either cause; the two exclude each other."""
        return self.voluntary + self.involuntary


def chances(now: Accounts, who: Traits, as_of: int) -> Chances:
    """Chances of a block given its standing at the start of day `as_of`."""
    n = len(who)
    filled = Chances(*(np.full(n, np.nan) for _ in range(4)))
    stays = np.flatnonzero((now.mode == PAID) & (now.ends_on == NEVER))
    paying = _Paying.of(now, who, stays, as_of)
    filled.voluntary[stays], filled.involuntary[stays], filled.upsell[stays] = paying.integrate()
    filled.upsell[(now.mode == PAID) & (now.ends_on != NEVER)] = 0.0
    free = np.flatnonzero((now.mode == FREE) | (now.mode == TRIAL))
    filled.conversion[free] = _conversion(now, who, free, as_of)
    return filled


def _point(state: Ints) -> Floats:
    """All probability on the state each customer is in, shape (n, STATES)."""
    mass = np.zeros((len(state), hidden.STATES))
    mass[np.arange(len(state)), state] = 1.0
    return mass


@dataclass(frozen=True)
class _Paying:
    """Customers with coverage and no announced end, seen from as_of."""

    as_of: int
    now: Accounts
    risk: Floats
    growth: Floats
    payer: Ints  # shape (n, 1)
    bills: Ints  # day of the bill that is overdue, then of those to come; shape (n, 1 + AHEAD)
    fails: Floats  # probability that each is owed, before its retries that are still to come

    @classmethod
    def of(cls, now: Accounts, who: Traits, at: Ints, as_of: int) -> Self:
        """Some customers of a block."""
        payer = who.payer[at][:, None]
        ends = np.stack([now.end_of_period(at, k) for k in range(AHEAD)], axis=1)
        since = now.overdue_since[at][:, None]
        overdue = since != NEVER
        days = np.where(overdue, as_of - 1 - since, 0)  # retries up to yesterday have failed
        owed = np.where(overdue, 1.0 / hazards.still_owing(payer, days), 0.0)
        return cls(
            as_of=as_of,
            now=now.take(at),
            risk=who.risk[at],
            growth=who.growth[at],
            payer=payer,
            bills=np.hstack([np.where(overdue, since, NEVER), ends]),
            fails=np.hstack([owed, np.broadcast_to(hazards.FAILS[payer], ends.shape)]),
        )

    def integrate(self) -> tuple[Floats, Floats, Floats]:
        """Voluntary churn, involuntary churn, upsell.

        `stay` is the mass that has not decided to leave; `able` the part of it whose next change
        may still be the first purchase of more.
        """
        until = self.as_of + HORIZON_DAYS
        ends = self.bills[:, 1:]
        last_end = np.where(ends < until, ends, 0).max(axis=1)
        stay = _point(self.now.state)
        able = stay.copy()
        voluntary, unpaid, upsell = np.zeros((3, len(stay)))
        for day in range(self.as_of, until):
            lost, owing = self._dunning(day)
            unpaid += stay.sum(axis=1) * lost
            stay *= 1.0 - lost[:, None]
            able *= 1.0 - lost[:, None]
            leave, grow, shrink = self._rates(day, owing)
            gone = stay * leave
            at_once = hazards.AT_ONCE + (1.0 - hazards.AT_ONCE) * owing
            voluntary += np.where(day < last_end, 1.0, at_once) * gone.sum(axis=1)
            won = able * grow
            upsell += won.sum(axis=1)
            stay = (stay - gone) @ _MATRIX
            able = (able * (1.0 - leave - shrink) - won) @ _MATRIX
        kept = hazards.stays_away(hazards.RETURN_VOLUNTARY, GRACE_DAYS)
        lost_for_good = hazards.stays_away(hazards.RETURN_UNPAID, GRACE_DAYS)
        return voluntary * kept, unpaid * lost_for_good, upsell

    def _dunning(self, day: int) -> tuple[Floats, Floats]:
        """Chance that dunning runs out today, and that a bill is owed today."""
        since = day - self.bills
        owed = self.fails * hazards.still_owing(self.payer, since)
        lost = np.where(since == hazards.DUNNING_DAYS, owed, 0.0).sum(axis=1)
        running = (since >= 0) & (since < hazards.DUNNING_DAYS)
        return lost, np.where(running, owed, 0.0).sum(axis=1)

    def _rates(self, day: int, owing: Floats) -> tuple[Floats, Floats, Floats]:
        """A day's chances of leaving, buying more and cutting back, shape (n, STATES)."""
        now, ends = self.now, self.bills[:, 1:]
        running = np.where(ends > day, ends, NEVER).min(axis=1)
        tenure = day - now.started
        leave = hazards.churn_scale(self.risk, now.annual, running - day, tenure)
        grow = hazards.growth_scale(self.growth, now.plan, tenure) * (1.0 - owing)
        grow = np.where(day - now.cut_on < hazards.QUIET_DAYS, 0.0, grow)
        can_shrink = ((now.seats > 1) | (now.plan > 1)) * (1.0 - owing)
        return (
            hazards.daily(hazards.LEAVE, leave[:, None]),
            hazards.daily(hazards.GROW, grow[:, None]),
            hazards.SHRINK * can_shrink[:, None],
        )


def _conversion(now: Accounts, who: Traits, at: Ints, as_of: int) -> Floats:
    """Chance of a first payment of free users and trials."""
    mass = _point(now.state[at])
    trial_end = np.where(now.mode[at] == TRIAL, now.trial_end[at], -1)
    bought = np.zeros(len(at))
    for day in range(as_of, as_of + HORIZON_DAYS):
        scale = hazards.conversion_scale(who.appetite[at], day - now.signup[at])
        chance = hazards.daily(hazards.CONVERT, scale[:, None])
        chance = np.where((trial_end > day)[:, None], 0.0, chance)
        chance = np.where((trial_end == day)[:, None], hazards.TRIAL_CONVERTS, chance)
        buys = mass * chance
        bought += buys.sum(axis=1)
        mass = (mass - buys) @ _MATRIX
    return bought


def truth_table(standing: dict[int, Accounts], who: Traits) -> pa.Table:
    """Per customer and as-of after sign-up: state, chances; null where not eligible."""
    parts = []
    for day, now in standing.items():
        here = np.flatnonzero(now.signup < day)
        known = chances(now, who, day)
        columns = {
            "customer_id": arrow.ids("c", who.number[here]),
            "as_of": arrow.moments(np.full(len(here), day * DAY)),
            "health": pa.array(hidden.level(now.state[here])),
            "friction": pa.array(hidden.friction(now.state[here]) == 1),
        }
        named = {
            "churn": known.churn,
            "churn_voluntary": known.voluntary,
            "churn_involuntary": known.involuntary,
            "upsell": known.upsell,
            "conversion": known.conversion,
        }
        columns |= {name: pa.array(v[here], from_pandas=True) for name, v in named.items()}
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)
