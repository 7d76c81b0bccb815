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
    block = Block(np.random.default_rng(3), moment.who.take(row), WORLD)
    block.now = moment.now.take(row)
    for day in range(AS_OF, AS_OF + FUTURE):
        block.pass_day(day)
    happened = outcomes(History.of(block.log), len(row))
    return chosen, {e: what.reshape(-1, COPIES).mean(axis=1) for e, what in happened.items()}


def outcomes(history: History, n: int) -> dict[str, np.ndarray]:
    """Whether each copy left (by cause), bought more, or paid first, entry by entry."""
    found = {event: np.zeros(n, dtype=bool) for event in ("voluntary", "involuntary")}
    found |= {event: np.zeros(n, dtype=bool) for event in ("upsell", "conversion")}
    until = AS_OF + HORIZON_DAYS
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
