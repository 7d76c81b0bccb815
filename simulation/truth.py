"""What will happen, by the known hazards: the chance of each event given the state at as_of.

The hidden state is a finite Markov chain and every other factor of the hazards is known ahead, so
the chances are sums over its futures, one matrix product a day, and not estimates. What is left out
is second order: an account that changes twice within the horizon, and decisions during dunning.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulation import arrow, hazards, hidden
from simulation.accounts import Accounts
from simulation.kinds import DAY, FREE, NEVER, PAID, TRIAL, Floats, Ints
from simulation.people import Traits

HORIZON_DAYS = 90
GRACE_DAYS = 30
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
    """Customers with coverage and no announced end; arrays of shape (n,) and (n, periods)."""

    as_of: int
    state: Ints
    risk: Floats
    annual: np.ndarray
    growth: Floats
    plan: Ints
    started: Ints
    ends: Ints  # ends of the running period and those after it
    lost_on: Ints  # days on which dunning would run out, beside `ends`
    lost: Floats  # and the probability of it, seen from the bill

    @classmethod
    def of(cls, now: Accounts, who: Traits, at: Ints, as_of: int) -> "_Paying":
        """The paying customers of a block."""
        ends = np.stack([now.end_of_period(at, k) for k in range(5)], axis=1)
        bill_fails = hazards.bill_is_lost(who.payer[at])
        overdue = now.overdue_since[at] != NEVER
        left = hazards.retries_left(as_of - now.overdue_since[at])
        still = np.where(overdue, hazards.unpaid_for_good(who.payer[at], left), 0.0)
        since = np.where(overdue, now.overdue_since[at], as_of)
        return cls(
            as_of,
            now.state[at],
            who.risk[at],
            now.annual[at],
            who.growth[at],
            now.plan[at],
            now.started[at],
            ends,
            np.column_stack([since, ends]) + hazards.DUNNING_DAYS,
            np.column_stack([still, np.repeat(bill_fails[:, None], ends.shape[1], axis=1)]),
        )

    def integrate(self) -> tuple[Floats, Floats, Floats]:
        """Voluntary churn, involuntary churn, upsell."""
        until = self.as_of + HORIZON_DAYS
        last_end = np.where(self.ends < until, self.ends, 0).max(axis=1)
        stay, able = _point(self.state), _point(self.state)
        voluntary, upsell = np.zeros(len(stay)), np.zeros(len(stay))
        for day in range(self.as_of, until):
            able *= 1.0 - np.where(self.lost_on == day, self.lost, 0.0).sum(axis=1)[:, None]
            leave, grow = self._rates(day)
            gone = stay * leave
            counts = np.where(day < last_end, 1.0, hazards.AT_ONCE)
            voluntary += counts * gone.sum(axis=1)
            won = able * grow
            upsell += won.sum(axis=1)
            stay = (stay - gone) @ _MATRIX
            able = (able - won - able * leave) @ _MATRIX
        unpaid = 1.0 - np.prod(np.where(self.lost_on < until, 1.0 - self.lost, 1.0), axis=1)
        kept = hazards.stays_away(hazards.RETURN_VOLUNTARY, GRACE_DAYS)
        lost = hazards.stays_away(hazards.RETURN_UNPAID, GRACE_DAYS)
        return voluntary * kept, (1.0 - voluntary) * unpaid * lost, upsell

    def _rates(self, day: int) -> tuple[Floats, Floats]:
        """A day's chances of leaving and of buying more, shape (n, STATES)."""
        running = np.where(self.ends > day, self.ends, NEVER).min(axis=1)
        tenure = day - self.started
        leave = hazards.churn_scale(self.risk, self.annual, running - day, tenure)
        grow = hazards.growth_scale(self.growth, self.plan, tenure)
        return (
            hazards.daily(hazards.LEAVE, leave[:, None]),
            hazards.daily(hazards.GROW, grow[:, None]),
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
