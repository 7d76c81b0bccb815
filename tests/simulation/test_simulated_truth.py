"""The truth against the plainest way to know it: live one moment's futures thousands of times."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from simulation import accounts as entry
from simulation.accounts import Accounts, History
from simulation.block import Block
from simulation.kinds import DATA_END, FREE, NEVER, PAID, TRIAL, add_months
from simulation.life import live
from simulation.models import SUBSCRIPTION
from simulation.paying import GRACE_DAYS, HORIZON_DAYS
from simulation.people import Traits, draw_traits
from simulation.truth import Chances, chances
from simulation.world import World

START = int(add_months(np.array([DATA_END]), -12)[0])
AS_OF = int(add_months(np.array([DATA_END]), -5)[0])
WORLD = World(SUBSCRIPTION, START, DATA_END)
BEFORE = WORLD.waves[0] - 31  # a month before an experiment
COPIES = 4_000
FUTURE = HORIZON_DAYS + GRACE_DAYS
ENDS = (entry.ENDED_NOW, entry.ENDED_OWING, entry.ENDED_UNPAID, entry.CANCEL_REQUESTED)


GROUPS = (
    "monthly",
    "monthly, weak card",
    "yearly, term ends inside",
    "yearly, term ends outside",
    "overdue",
    "cut back lately",
    "trial",
    "free",
)


@dataclass(frozen=True)
class Moment:
    """A block at one as-of, with hazards raised so that events compete with each other."""

    who: Traits
    now: Accounts
    known: Chances


@pytest.fixture(scope="module")
def moment() -> Moment:
    who = draw_traits(np.random.default_rng(1), 1, 1_500, WORLD)
    now = live(np.random.default_rng(2), who, WORLD, [AS_OF]).standing[AS_OF]
    who = replace(who, risk=who.risk * 5, growth=who.growth * 8, appetite=who.appetite * 4)
    return Moment(who, now, chances(now, who, np.full(len(who), AS_OF), WORLD))


def first_of_each(who: Traits, now: Accounts) -> list[int]:
    """The first customer of each group."""
    stays = (now.mode == PAID) & (now.ends_on == NEVER)
    overdue = now.overdue_since != NEVER
    left = now.period_end - AS_OF
    groups = (
        stays & (now.term == 1) & ~overdue,
        stays & (now.term == 1) & ~overdue & (who.payer == 2),
        stays & (now.term > 1) & (left > 20) & (left < 60),
        stays & (now.term > 1) & (left > 120),
        stays & overdue & (AS_OF - now.overdue_since > 2) & (AS_OF - now.overdue_since < 20),
        stays & (AS_OF - now.cut_on < 60),
        now.mode == TRIAL,
        (now.mode == FREE) & (AS_OF - now.signup > 60),
    )
    return [int(np.flatnonzero(group)[0]) for group in groups]


@pytest.fixture(scope="module")
def futures(moment: Moment) -> tuple[list[int], dict[str, np.ndarray]]:
    """One customer of each group, and the share of its futures that hold each event."""
    chosen = first_of_each(moment.who, moment.now)
    row = np.repeat(chosen, COPIES)
    happened = outcomes(lived(moment.who.take(row), moment.now.take(row), AS_OF, WORLD), len(row))
    return chosen, {e: what.reshape(-1, COPIES).mean(axis=1) for e, what in happened.items()}


def lived(who: Traits, now: Accounts, as_of: int, world: World) -> History:
    """One future of each row, with the grace."""
    block = Block(np.random.default_rng(3), who, world)
    block.now = now
    for day in range(as_of, as_of + FUTURE):
        block.pass_day(day)
    return History.of(block.log)


def outcomes(history: History, n: int, as_of: int = AS_OF) -> dict[str, np.ndarray]:
    """Whether each copy left (by cause), bought more, or paid first, entry by entry."""
    found = {event: np.zeros(n, dtype=bool) for event in ("voluntary", "involuntary")}
    found |= {event: np.zeros(n, dtype=bool) for event in ("upsell", "conversion")}
    until = as_of + HORIZON_DAYS
    started: dict[int, list[int]] = {}
    after = history.after
    for at in np.flatnonzero(history.kind == entry.STARTED):
        started.setdefault(int(history.who[at]), []).append(int(history.day[at]))
    for at, kind in enumerate(history.kind):
        who, day = int(history.who[at]), int(history.day[at])
        if kind in ENDS:
            end = int(after.ends_on[at]) if kind == entry.CANCEL_REQUESTED else day
            back = any(end < s <= end + GRACE_DAYS for s in started.get(who, []))
            cause = "involuntary" if kind == entry.ENDED_UNPAID else "voluntary"
            found[cause][who] |= end < until and not back
        elif kind == entry.CHANGED and day < until and who not in started:
            more = after.plan[at] > after.was_plan[at] or after.seats[at] > after.was_seats[at]
            found["upsell"][who] |= bool(more)
        elif kind == entry.STARTED:
            found["conversion"][who] |= day < until
    return found


@pytest.mark.parametrize("event", ["voluntary", "involuntary", "upsell", "conversion"])
@pytest.mark.parametrize("group", GROUPS)
def test_the_share_of_futures_is_the_chance(moment, futures, group: str, event: str) -> None:
    chosen, shares = futures
    position = GROUPS.index(group)
    chance = getattr(moment.known, event)[chosen[position]]
    if np.isnan(chance):
        assert (event == "conversion") != (group in {"trial", "free"})
        return
    error = np.sqrt(max(chance * (1.0 - chance), 1e-9) / COPIES)
    assert abs(shares[event][position] - chance) <= 3.5 * error


def test_no_more_is_bought_once_an_end_is_scheduled(moment: Moment) -> None:
    leaving = (moment.now.mode == PAID) & (moment.now.ends_on != NEVER)
    assert leaving.any()
    assert (moment.known.upsell[leaving] == 0.0).all()
    assert np.isnan(moment.known.churn[leaving]).all()


@pytest.fixture(scope="module")
def standing() -> tuple[Traits, dict[int, Accounts]]:
    """A block with raised risks and responses, before an experiment and after it."""
    who = draw_traits(np.random.default_rng(5), 1, 1_500, WORLD)
    lives = live(np.random.default_rng(6), who, WORLD, [BEFORE, AS_OF])
    return replace(who, risk=who.risk * 5, response=who.response**2), lives.standing


class TestTreatments:
    """Churn with a treatment, without one, and while an experiment is still to come."""

    def chosen(self, who: Traits, now: Accounts) -> np.ndarray:
        """One customer at risk for each way to respond."""
        stays = (now.mode == PAID) & (now.ends_on == NEVER) & (now.overdue_since == NEVER)
        weak = stays & (now.term == 1) & (now.state // 2 == 1) & (who.payer != 2)
        responses = (who.response > 1.0, who.response == 1.0, who.response < 0.4)
        return np.array([np.flatnonzero(weak & response)[0] for response in responses])

    def share(self, who: Traits, now: Accounts, as_of: int) -> np.ndarray:
        """Share of futures with churn, for each of the chosen."""
        found = outcomes(lived(who, now, as_of, WORLD), len(who), as_of)
        churn = found["voluntary"] | found["involuntary"]
        return churn.reshape(-1, COPIES).mean(axis=1)

    @pytest.mark.parametrize("arm", ["treated", "untreated"])
    def test_an_arm_is_what_its_futures_say(self, standing, arm: str) -> None:
        who, now = standing[0], standing[1][AS_OF]
        rows = self.chosen(who, now)
        one = replace(now.take(rows), treated_on=np.full(3, AS_OF if arm == "treated" else NEVER))
        known = getattr(chances(one, who.take(rows), np.full(3, AS_OF), WORLD), arm)
        copies = np.repeat(np.arange(3), COPIES)
        share = self.share(who.take(rows[copies]), one.take(copies), AS_OF)
        assert (abs(share - known) <= 4.0 * np.sqrt(known * (1.0 - known) / COPIES)).all()

    def test_the_effect_has_the_sign_of_the_response(self, standing) -> None:
        who, now = standing[0], standing[1][AS_OF]
        rows = self.chosen(who, now)
        known = chances(now.take(rows), who.take(rows), np.full(3, AS_OF), WORLD)
        wakes, none, helps = known.treated - known.untreated
        assert wakes > 0.02
        assert none == 0.0
        assert helps < -0.1

    def test_an_experiment_to_come_is_averaged_over_its_arms(self, standing) -> None:
        who, now = standing[0], standing[1][BEFORE]
        rows = self.chosen(who, now)
        copies = np.repeat(rows, COPIES)
        known = chances(now.take(rows), who.take(rows), np.full(3, BEFORE), WORLD)
        share = self.share(who.take(copies), now.take(copies), BEFORE)
        allowed = 4.0 * np.sqrt(known.churn * (1.0 - known.churn) / COPIES)
        assert (abs(share - known.churn) <= allowed).all()
        assert known.churn[2] < known.untreated[2] - allowed[2]


def test_pauses_put_decisions_off(moment: Moment) -> None:
    """Many pauses, so that the truth must count them: who rests cannot leave or buy."""
    world = replace(WORLD, model=replace(SUBSCRIPTION, pause=25.0))
    rows = np.array(first_of_each(moment.who, moment.now)[:1])
    copies = np.repeat(rows, COPIES)
    who, now = moment.who.take(rows), moment.now.take(rows)
    known = chances(now, who, np.array([AS_OF]), world)
    history = lived(moment.who.take(copies), moment.now.take(copies), AS_OF, world)
    found = outcomes(history, COPIES)
    assert (history.kind == entry.PAUSED_ON).sum() > COPIES / 3
    for event in ("voluntary", "upsell"):
        chance = getattr(known, event)[0]
        assert abs(found[event].mean() - chance) <= 4.0 * np.sqrt(chance * (1 - chance) / COPIES)
        without = getattr(moment.known, event)[rows[0]]
        assert chance < 0.97 * without
