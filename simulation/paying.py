"""What will become of customers who pay: sums over the futures of their hidden state."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from simulation import hazards, hidden
from simulation.accounts import Accounts
from simulation.kinds import NEVER, Floats, Ints
from simulation.people import Traits
from simulation.world import World

HORIZON_DAYS = 90
GRACE_DAYS = 30
AHEAD = 5  # paid periods that can touch the horizon
ROWS = 6_000  # done together, so that a day's arrays stay in the cache

MOVES = np.ascontiguousarray(hidden.transitions().T)
_PAUSED = np.linalg.matrix_power(MOVES, hazards.PAUSE_DAYS)
# By way of paying, and by days overdue: before, 0 to DUNNING_DAYS, after.
_OVERDUE = np.arange(hazards.DUNNING_DAYS)
_OWED = np.zeros((3, hazards.DUNNING_DAYS + 3))
_OWED[:, 1:-2] = hazards.still_owing(np.arange(3)[:, None], _OVERDUE[None, :])
_LOST = np.zeros_like(_OWED)
_LOST[:, -2] = hazards.still_owing(np.arange(3), np.full(3, hazards.DUNNING_DAYS))


def point(state: Ints) -> Floats:
    """All probability on the state each customer is in, shape (STATES, n)."""
    mass = np.zeros((hidden.STATES, len(state)))
    mass[state, np.arange(len(state))] = 1.0
    return mass


@dataclass(frozen=True)
class Outcome:
    """Chances over the horizon, arrays of shape (n,)."""

    voluntary: Floats
    involuntary: Floats
    upsell: Floats

    @property
    def churn(self) -> Floats:
        """Either cause; the two exclude each other."""
        return self.voluntary + self.involuntary

    def mixed(self, other: "Outcome", share: Floats) -> "Outcome":
        """What to expect when a share of cases is the other's."""
        names = [f.name for f in fields(self)]
        own, its = ([getattr(one, name) for name in names] for one in (self, other))
        return Outcome(*((1.0 - share) * a + share * b for a, b in zip(own, its, strict=True)))


@dataclass(frozen=True)
class Case:
    """When the rows are treated, and whether their upsell is wanted (else it is 0)."""

    treated_on: Ints  # past or to come; NEVER for none; shape (n,)
    upsell: bool = False

    def take(self, at: Ints) -> Self:
        """Some rows."""
        return replace(self, treated_on=self.treated_on[at])


def outcomes(
    now: Accounts, who: Traits, as_of: Ints, cases: Sequence[Case], world: World
) -> list[Outcome]:
    """Chances of customers with coverage and no announced end, under several treatments.

    Parameters
    ----------
    now, who : arrays of shape (n,)
        Standing at the start of `as_of`, and traits.
    as_of : array of shape (n,)
        Days since 1970.
    cases : sequence of Case
        One outcome for each.
    world : World
    """
    found = np.zeros((len(cases), 3, len(as_of)))
    for first in range(0, len(as_of), ROWS):
        at = np.arange(first, min(first + ROWS, len(as_of)))
        future = _Future.of(now.take(at), who.take(at), as_of[at], world)
        found[:, :, at] = future.integrate([case.take(at) for case in cases])
    return [Outcome(*one) for one in found]


@dataclass
class _Mass:
    """Probability by hidden state, shape (STATES, n), and what has happened so far, shape (n,).

    `stay` has not decided to leave; `able` is the part of it whose next change may still be the
    first purchase of more; the resting parts pause, by the day they began.
    """

    stay: Floats
    able: Floats
    voluntary: Floats
    unpaid: Floats
    bought: Floats
    resting: list[tuple[Floats, Floats]]
    case: Case

    @classmethod
    def of(cls, state: Ints, case: Case) -> Self:
        """Nothing has happened."""
        zeros = np.zeros((3, len(state)))
        return cls(point(state), point(state), zeros[0], zeros[1], zeros[2], [], case)


@dataclass(frozen=True)
class _Day:
    """What holds on one day whatever the treatment, arrays of shape (n,)."""

    lost: Floats  # dunning runs out
    leave: Floats  # factors on the rates by state
    grow: Floats
    may_shrink: Floats
    may_pause: Floats
    ends: Floats  # share of those who decide to leave whose coverage ends in the horizon


@dataclass(frozen=True)
class _Future:
    """Rows seen from their as-of."""

    as_of: Ints
    now: Accounts
    who: Traits
    world: World
    repriced_on: Ints
    ends: Ints  # of the paid periods, the running one first; shape (AHEAD, n)
    overdue: Ints  # days that each bill is overdue at as_of, shape (1 + AHEAD, n)
    fails: Floats  # probability that each is owed, before its retries that are still to come

    @classmethod
    def of(cls, now: Accounts, who: Traits, as_of: Ints, world: World) -> Self:
        """Lay out the bills to come and the rise of the price."""
        everyone = np.arange(len(as_of))
        ends = np.stack([now.end_of_period(everyone, k) for k in range(AHEAD)])
        late = now.overdue_since != NEVER
        days = np.where(late, as_of - 1 - now.overdue_since, 0)  # retries so far have failed
        owed = np.where(late, 1.0 / hazards.still_owing(who.payer, days), 0.0)
        dearer = np.where(ends >= world.price_rise, ends, NEVER).min(axis=0)
        bills = np.vstack([np.where(late, now.overdue_since, NEVER), ends])
        return cls(
            as_of=as_of,
            now=now,
            who=who,
            world=world,
            repriced_on=np.where(now.price_list == 0, dearer, now.repriced_on),
            ends=ends,
            overdue=np.maximum(as_of - bills, -2 * HORIZON_DAYS).astype(np.int32),
            fails=np.vstack([owed, np.broadcast_to(hazards.FAILS[who.payer], ends.shape)]),
        )

    def integrate(self, cases: Sequence[Case]) -> Floats:
        """Voluntary churn, involuntary churn, upsell; shape (cases, 3, n)."""
        model = self.world.model
        masses = [_Mass.of(self.now.state, case) for case in cases]
        for ahead in range(HORIZON_DAYS):
            today = self._day(ahead)
            for mass in masses:
                treated_on = mass.case.treated_on
                factor = hazards.treated(self.as_of + ahead, treated_on, self.who.response)
                _pass(mass, today, today.leave * factor, ahead, model.pause)
        kept = hazards.stays_away(model.win_back * hazards.RETURN_VOLUNTARY, GRACE_DAYS)
        lost_for_good = hazards.stays_away(model.win_back * hazards.RETURN_UNPAID, GRACE_DAYS)
        return np.stack(
            [
                np.stack([mass.voluntary * kept, mass.unpaid * lost_for_good, mass.bought])
                for mass in masses
            ]
        )

    def _day(self, ahead: int) -> _Day:
        """The day's factors."""
        now, who, model = self.now, self.who, self.world.model
        day = self.as_of + ahead
        place = np.clip(self.overdue + (ahead + 1), 0, _OWED.shape[1] - 1)
        place += (who.payer * _OWED.shape[1]).astype(np.int32)
        owing = (self.fails * _OWED.take(place)).sum(axis=0)
        to_end = np.where(self.ends > day, self.ends, NEVER).min(axis=0) - day
        tenure = day - now.started
        leave = hazards.churn_scale(who.risk, now.term > 1, to_end, tenure)
        leave *= hazards.lately(day, self.repriced_on, now.promo_until) * self.world.season(day)
        grow = hazards.growth_scale(who.growth, now.plan, tenure, seated=model.seated)
        resumes = (now.term == 1) & (to_end > hazards.PAUSE_DAYS)
        has_end = (self.ends > day) & (self.ends < self.as_of + HORIZON_DAYS)
        return _Day(
            lost=(self.fails * _LOST.take(place)).sum(axis=0),
            leave=leave,
            grow=np.where(day - now.cut_on < hazards.QUIET_DAYS, 0.0, grow * (1.0 - owing)),
            may_shrink=((now.seats > 1) | (now.plan > 1)) * (1.0 - owing),
            may_pause=resumes * (model.pause * (1.0 - owing)),
            ends=np.where(has_end.any(axis=0), 1.0, model.at_once + (1.0 - model.at_once) * owing),
        )


def _pass(mass: _Mass, today: _Day, leave: Floats, ahead: int, pause: float) -> None:
    """One day of one case: dunning ends, decisions, the hidden move."""
    if pause and ahead >= hazards.PAUSE_DAYS:
        stay, able = mass.resting[ahead - hazards.PAUSE_DAYS]
        mass.stay += _PAUSED @ stay
        if mass.case.upsell:
            mass.able += _PAUSED @ able
    mass.unpaid += mass.stay.sum(axis=0) * today.lost
    mass.stay *= 1.0 - today.lost
    rate = hazards.daily(hazards.LEAVE[:, None], leave)
    rests = hazards.PAUSE[:, None] * today.may_pause if pause else 0.0
    gone = mass.stay * rate
    mass.voluntary += today.ends * gone.sum(axis=0)
    if pause:
        mass.resting.append((mass.stay * rests, mass.able * rests))
        gone += mass.resting[-1][0]
    if mass.case.upsell:
        mass.able *= 1.0 - today.lost
        more = mass.able * hazards.daily(hazards.GROW[:, None], today.grow)
        mass.bought += more.sum(axis=0)
        other = hazards.SHRINK[:, None] * today.may_shrink + (rate + rests)
        mass.able = MOVES @ (mass.able * (1.0 - other) - more)
    mass.stay = MOVES @ (mass.stay - gone)
