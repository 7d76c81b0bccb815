"""One day of a block of customers: what is due, what they decide, and the hidden move."""

import numpy as np

from simulation import accounts as entry
from simulation import hazards, hidden
from simulation.accounts import Accounts, Log
from simulation.kinds import (
    FREE,
    LEFT,
    NEVER,
    PAID,
    PAUSED,
    TRIAL,
    Floats,
    Ints,
    add_months,
    months_between,
)
from simulation.people import PROPENSITY, Traits
from simulation.plans import PROMO_MONTHS, TOP
from simulation.world import World

UPGRADE_SHARE = 0.3  # of purchases of more; the rest are seats


class Block:
    """The running standing of a block and the day's steps, in the order of `pass_day`."""

    def __init__(self, rng: np.random.Generator, who: Traits, world: World) -> None:
        self.rng, self.who, self.n = rng, who, len(who)
        self.world, self.model = world, world.model
        self.now, self.log = Accounts.empty(self.n), Log()
        matrix = hidden.transitions()
        self.moves = hidden.cumulative(matrix)
        self.newcomer = hidden.cumulative(hidden.NEWCOMER)
        self.comeback = hidden.cumulative(hidden.COMEBACK)
        self.settled = hidden.cumulative(hidden.stationary(matrix))

    def begin(self, start: int) -> None:
        """Customers of earlier days are there, with their last renewal."""
        now, who = self.now, self.who
        now.signup, now.term = who.signup.copy(), who.term.copy()
        now.state = hidden.draw(self.settled, self.rng.random(self.n))
        old = np.flatnonzero(who.signup < start)
        free, paid = old[who.route[old] == FREE], old[who.route[old] == PAID]
        now.mode[free], now.seats[free], now.subscription[free] = FREE, 1, 1
        self.log.add(entry.SIGNED_FREE, who.signup[free], free, now)
        self._start_paid(paid, who.signup[paid])
        passed = months_between(now.anchor[paid], start) // now.term[paid]
        now.periods[paid] = np.maximum(passed, 1)
        late = paid[now.end_of_period(paid) < start]
        now.periods[late] += 1
        now.period_end[paid] = now.end_of_period(paid)
        renewed = paid[now.periods[paid] > 1]
        now.invoice[renewed] += 1
        self.log.add(entry.RENEWED, now.end_of_period(renewed, -1), renewed, now)

    def pass_day(self, day: int) -> None:
        """One day: what is due, what people decide, then the hidden move."""
        draws = self.rng.random((5, self.n))
        if day == self.world.migration:
            self._migrate(day)
        self._sign_up(day, draws[0])
        self._end_trials(day, draws[0])
        self._resume(day)
        self._end_scheduled(day)
        self._retry(day, draws[1])
        self._renew(day, draws[1])
        if day in self.world.waves:
            self._treat(day, draws[0])
        self._decide(day, draws[2], draws[3])
        self._convert(day, draws[2])
        self._come_back(day, draws[2], draws[3])
        self.now.state = hidden.draw(self.moves[self.now.state], draws[4])

    def _start_paid(self, who: Ints, day: int | Ints) -> None:
        """A subscription's first payment; a new subscription unless one runs unpaid."""
        if not len(who):
            return
        now, traits = self.now, self.who
        fresh = who[(now.mode[who] != FREE) & (now.mode[who] != TRIAL)]
        now.subscription[fresh] += 1
        first = who[now.started[who] == NEVER]
        now.plan[first], now.seats[first] = traits.plan[first], traits.seats[first]
        now.promo_until[who] = NEVER
        now.mode[who] = PAID
        now.started[who] = now.anchor[who] = day
        now.price_list[who] = day >= self.world.price_rise
        now.repriced_on[who] = NEVER
        promoted = first[traits.promoted[first]]
        now.promo_until[promoted] = add_months(now.started[promoted], PROMO_MONTHS)
        now.periods[who] = 1
        now.period_end[who] = now.end_of_period(who)
        now.invoice[who] += 1
        self.log.add(entry.STARTED, day, who, now)

    def _sign_up(self, day: int, draw: Floats) -> None:
        now, traits = self.now, self.who
        new = np.flatnonzero(traits.signup == day)
        if not len(new):
            return
        now.state[new] = 2 * hidden.draw(self.newcomer, draw[new])
        free, trial = new[traits.route[new] == FREE], new[traits.route[new] == TRIAL]
        now.mode[free], now.seats[free] = FREE, 1
        now.mode[trial], now.trial_end[trial] = TRIAL, day + hazards.TRIAL_DAYS
        now.plan[trial], now.seats[trial] = traits.plan[trial], traits.seats[trial]
        now.subscription[free] = now.subscription[trial] = 1
        self.log.add(entry.SIGNED_FREE, day, free, now)
        self.log.add(entry.SIGNED_TRIAL, day, trial, now)
        self._start_paid(new[traits.route[new] == PAID], day)

    def _end_trials(self, day: int, draw: Floats) -> None:
        now = self.now
        over = np.flatnonzero((now.mode == TRIAL) & (now.trial_end == day))
        if not len(over):
            return
        buys = draw[over] < hazards.TRIAL_CONVERTS[now.state[over]]
        lapsed = over[~buys]
        now.mode[lapsed], now.plan[lapsed], now.seats[lapsed] = FREE, 0, 1
        self.log.add(entry.TRIAL_LAPSED, day, lapsed, now)
        self._start_paid(over[buys], day)

    def _leave(self, who: Ints, day: int, *, unpaid: bool) -> None:
        now = self.now
        now.mode[who], now.left_on[who], now.left_unpaid[who] = LEFT, day, unpaid
        now.ends_on[who] = now.overdue_since[who] = NEVER

    def _resume(self, day: int) -> None:
        back = np.flatnonzero(self.now.resumes_on == day)
        self.now.mode[back], self.now.resumes_on[back] = PAID, NEVER
        self.log.add(entry.RESUMED, day, back, self.now)

    def _end_scheduled(self, day: int) -> None:
        self._leave(np.flatnonzero(self.now.ends_on == day), day, unpaid=False)

    def _retry(self, day: int, draw: Floats) -> None:
        """Retries of failed payments, and the end of dunning."""
        now = self.now
        overdue = np.flatnonzero(now.overdue_since != NEVER)
        since = day - now.overdue_since[overdue]
        tried = overdue[np.isin(since, hazards.RETRY_AFTER)]
        paid = draw[tried] < hazards.RETRY_SUCCEEDS[self.who.payer[tried]]
        now.overdue_since[tried[paid]] = NEVER
        self.log.add(entry.RECOVERED, day, tried[paid], now)
        self.log.add(entry.RETRY_FAILED, day, tried[~paid], now)
        ended = overdue[since == hazards.DUNNING_DAYS]
        self._leave(ended, day, unpaid=True)
        self.log.add(entry.ENDED_UNPAID, day, ended, now)

    def _renew(self, day: int, draw: Floats) -> None:
        """Periods that end today go on; who is overdue already is not billed again."""
        now = self.now
        due = np.flatnonzero((now.mode == PAID) & (now.period_end == day))
        if not len(due):
            return
        now.periods[due] += 1
        now.period_end[due] = now.end_of_period(due)
        if day >= self.world.price_rise:
            dearer = due[now.price_list[due] == 0]
            now.price_list[dearer], now.repriced_on[dearer] = 1, day
        due = due[now.overdue_since[due] == NEVER]
        now.invoice[due] += 1
        fails = draw[due] < hazards.FAILS[self.who.payer[due]]
        now.overdue_since[due[fails]] = day
        self.log.add(entry.FAILED, day, due[fails], now)
        self.log.add(entry.RENEWED, day, due[~fails], now)

    def _stays(self) -> Ints:
        """Who pays and has not said that it will end."""
        now = self.now
        return np.flatnonzero((now.mode == PAID) & (now.ends_on == NEVER))

    def _migrate(self, day: int) -> None:
        """The legacy plan becomes its successor at night; nothing else changes."""
        now, who = self.now, self._stays()
        moved = who[(now.plan[who] == 2) & (now.overdue_since[who] == NEVER)]
        self.log.add(entry.MIGRATED, day, moved, now)

    def _treat(self, day: int, draw: Floats) -> None:
        """A random part of those who pay is treated, the rest is the control group."""
        who = self._stays()
        arm = draw[who] < PROPENSITY[self.who.segment[who]]
        self.now.treated_on[who] = np.where(arm, day, NEVER)
        self.log.add(entry.TREATED, day, who[arm], self.now)
        self.log.add(entry.CONTROL, day, who[~arm], self.now)

    def _decide(self, day: int, draw: Floats, second: Floats) -> None:
        """Cancel, buy more, cut back, or pause: at most one of them a day."""
        now = self.now
        who = self._stays()
        who = who[now.started[who] < day]
        overdue = now.overdue_since[who] != NEVER
        leave, grow, shrink, pause = self.rates(who, day)
        grow, shrink, pause = (np.where(overdue, 0.0, rate) for rate in (grow, shrink, pause))
        edges = np.cumsum([leave, grow, shrink, pause], axis=0)
        choice = (draw[who] >= edges).sum(axis=0)
        cancels = choice == 0
        at_once = cancels & (overdue | (second[who] < self.model.at_once))
        waits = who[cancels & ~at_once]
        now.ends_on[waits] = now.period_end[waits]
        self.log.add(entry.CANCEL_REQUESTED, day, waits, now)
        self._leave(who[at_once], day, unpaid=False)
        self.log.add(entry.ENDED_NOW, day, who[at_once & ~overdue], now)
        self.log.add(entry.ENDED_OWING, day, who[at_once & overdue], now)
        self._change(who[choice == 1], day, second, up=True)
        self._change(who[choice == 2], day, second, up=False)
        pauses = who[choice == 3]
        now.mode[pauses], now.resumes_on[pauses] = PAUSED, day + hazards.PAUSE_DAYS
        self.log.add(entry.PAUSED_ON, day, pauses, now)

    def rates(self, who: Ints, day: int) -> tuple[Floats, Floats, Floats, Floats]:
        """A day's chances of leaving, buying more, cutting back and pausing of who pays."""
        now, traits, model = self.now, self.who, self.model
        state, tenure = now.state[who], day - now.started[who]
        to_end, long = now.period_end[who] - day, now.term[who] > 1
        scale = hazards.churn_scale(traits.risk[who], long, to_end, tenure)
        scale *= hazards.lately(day, now.repriced_on[who], now.promo_until[who])
        scale *= hazards.treated(day, now.treated_on[who], traits.response[who])
        scale *= self.world.season(day)
        growth = hazards.growth_scale(
            traits.growth[who], now.plan[who], tenure, seated=model.seated
        )
        growth = np.where(day - now.cut_on[who] < hazards.QUIET_DAYS, 0.0, growth)
        shrink = np.where((now.seats[who] > 1) | (now.plan[who] > 1), hazards.SHRINK[state], 0.0)
        may_pause = ~long & (to_end > hazards.PAUSE_DAYS)
        return (
            hazards.daily(hazards.LEAVE[state], scale),
            hazards.daily(hazards.GROW[state], growth),
            shrink,
            np.where(may_pause, model.pause * hazards.PAUSE[state], 0.0),
        )

    def _change(self, who: Ints, day: int, draw: Floats, *, up: bool) -> None:
        """Another plan or number of seats; more is always a tenth more at least."""
        if not len(who):
            return
        now = self.now
        now.was_plan[who], now.was_seats[who] = now.plan[who], now.seats[who]
        if up:
            prefers = draw[who] < (UPGRADE_SHARE if self.model.seated else 1.0)
            upgrades = prefers & (now.plan[who] < TOP)
            more = np.ceil(now.seats[who] * (0.1 + 0.3 * draw[who])).astype(np.int64)
            now.plan[who] += upgrades
            now.seats[who] += np.where(upgrades, 0, more)
            now.invoice[who] += 1
        else:
            downgrades = now.seats[who] == 1
            fewer = np.ceil(now.seats[who] * (0.1 + 0.3 * draw[who])).astype(np.int64)
            now.plan[who] -= downgrades
            now.seats[who] -= np.where(downgrades, 0, np.minimum(fewer, now.seats[who] - 1))
            now.cut_on[who] = day
        self.log.add(entry.CHANGED, day, who, now)

    def _convert(self, day: int, draw: Floats) -> None:
        now = self.now
        who = np.flatnonzero((now.mode == FREE) & (now.signup < day) & (now.trial_end != day))
        scale = hazards.conversion_scale(self.who.appetite[who], day - now.signup[who])
        buys = draw[who] < hazards.daily(hazards.CONVERT[now.state[who]], scale)
        self._start_paid(who[buys], day)

    def _come_back(self, day: int, draw: Floats, second: Floats) -> None:
        now = self.now
        who = np.flatnonzero(now.mode == LEFT)
        rate = hazards.return_rate(now.left_unpaid[who], day - now.left_on[who])
        back = who[draw[who] < self.model.win_back * rate]
        now.state[back] = 2 * hidden.draw(self.comeback, second[back])
        self._start_paid(back, day)
