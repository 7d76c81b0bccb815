"""What will happen, by the known hazards: the chance of each event given the state at as_of.

The hidden state is a finite Markov chain and every other factor of the hazards is known ahead, so
the chances are sums over its futures, one matrix product a day, and not estimates. Left out is only
who leaves, comes back within the grace and leaves again, or pauses while a bill is owed.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulation import arrow, hazards, hidden, reasons
from simulation.accounts import Accounts
from simulation.kinds import DAY, FREE, NEVER, PAID, TRIAL, Floats, Ints
from simulation.paying import HORIZON_DAYS, MOVES, Case, Outcome, outcomes, point
from simulation.people import PROPENSITY, Traits
from simulation.usage import rate_by_state, season
from simulation.world import World

QUIET_DAYS = 30  # the horizon of inactivity


@dataclass(frozen=True)
class Chances:
    """Probabilities over the horizon, arrays of shape (n,); NaN where not eligible."""

    voluntary: Floats
    involuntary: Floats
    upsell: Floats
    conversion: Floats
    treated: Floats  # of churn, if treated at as_of and never again
    untreated: Floats  # of churn, if not treated from as_of on

    @property
    def churn(self) -> Floats:
        """Either cause; the two exclude each other."""
        return self.voluntary + self.involuntary


def chances(now: Accounts, who: Traits, as_of: Ints, world: World) -> Chances:
    """Chances of a block given its standing at the start of its as-of days."""
    n = len(as_of)
    filled = Chances(*(np.full(n, np.nan) for _ in range(6)))
    stays = np.flatnonzero((now.mode == PAID) & (now.ends_on == NEVER))
    paying, treated, untreated = _scenarios(now.take(stays), who.take(stays), as_of[stays], world)
    filled.voluntary[stays], filled.involuntary[stays] = paying.voluntary, paying.involuntary
    filled.treated[stays], filled.untreated[stays] = treated, untreated
    filled.upsell[stays] = paying.upsell
    filled.upsell[(now.mode == PAID) & (now.ends_on != NEVER)] = 0.0
    free = np.flatnonzero((now.mode == FREE) | (now.mode == TRIAL))
    filled.conversion[free] = _conversion(now.take(free), who.take(free), as_of[free])
    return filled


def _scenarios(
    now: Accounts, who: Traits, as_of: Ints, world: World
) -> tuple[Outcome, Floats, Floats]:
    """What to expect, experiments to come included, and churn with and without a treatment."""
    wave, n = world.wave_after(as_of), len(as_of)
    is_drawn = wave < as_of + HORIZON_DAYS  # who will be treated is not known yet
    is_running = ~is_drawn & (as_of - now.treated_on < hazards.TREATED_DAYS)
    drawn, running, rest = map(np.flatnonzero, (is_drawn, is_running, ~is_drawn & ~is_running))
    found, treated, untreated = np.zeros((3, n)), np.zeros(n), np.zeros(n)

    def of(row: Ints, *more: Case) -> list[Outcome]:
        """What comes of rows as they are, treated at once, and in further cases."""
        cases = [Case(now.treated_on[row], upsell=True), Case(as_of[row]), *more]
        return outcomes(now.take(row), who.take(row), as_of[row], cases, world)

    def put(row: Ints, expected: Outcome, with_one: Outcome, without: Outcome) -> None:
        found[:, row] = expected.voluntary, expected.involuntary, expected.upsell
        treated[row], untreated[row] = with_one.churn, without.churn

    base, with_one = of(rest)
    put(rest, base, with_one, base)
    base, with_one, without = of(running, Case(np.full(len(running), NEVER)))
    put(running, base, with_one, without)
    base, with_one, later = of(drawn, Case(wave[drawn], upsell=True))
    put(drawn, base.mixed(later, PROPENSITY[who.segment[drawn]]), with_one, base)
    return Outcome(*found), treated, untreated


def _conversion(now: Accounts, who: Traits, as_of: Ints) -> Floats:
    """Chance of a first payment of free users and trials."""
    mass = point(now.state)
    trial_end = np.where(now.mode == TRIAL, now.trial_end, -1)
    bought = np.zeros(len(as_of))
    for ahead in range(HORIZON_DAYS):
        day = as_of + ahead
        scale = hazards.conversion_scale(who.appetite, day - now.signup)
        chance = hazards.daily(hazards.CONVERT[:, None], np.where(trial_end > day, 0.0, scale))
        chance = np.where(trial_end == day, hazards.TRIAL_CONVERTS[:, None], chance)
        buys = mass * chance
        bought += buys.sum(axis=0)
        mass = MOVES @ (mass - buys)
    return bought


def inactivity(now: Accounts, who: Traits, as_of: Ints, world: World) -> Floats:
    """Chance of no use within `QUIET_DAYS` where use follows the hidden state at once."""
    use = world.model.use
    mass = point(now.state)
    by_state = rate_by_state()[:, None] * (use.rows * world.usage_rate)
    for ahead in range(QUIET_DAYS):
        mass = MOVES @ (mass * np.exp(-by_state * (who.intensity * season(as_of + ahead, use))))
    quiet: Floats = mass.sum(axis=0)
    return quiet


def truth_table(standing: dict[int, Accounts], who: Traits, world: World) -> pa.Table:
    """Per customer and as-of after sign-up: state, chances, causes, reason, effect of a treatment.

    Null where not eligible; `churn_treated` and `churn_untreated` differ by `treatment_effect`.
    """
    here = [np.flatnonzero(now.signup < day) for day, now in standing.items()]
    as_of = np.repeat(np.array(list(standing), dtype=np.int64), [len(rows) for rows in here])
    parts = [now.take(rows) for now, rows in zip(standing.values(), here, strict=True)]
    now, row = Accounts.concatenate(parts), np.concatenate(here)
    mine = who.take(row)
    known = chances(now, mine, as_of, world)
    named = {
        "churn": known.churn,
        "churn_voluntary": known.voluntary,
        "churn_involuntary": known.involuntary,
        "upsell": known.upsell,
        "conversion": known.conversion,
        "churn_treated": known.treated,
        "churn_untreated": known.untreated,
        "treatment_effect": known.treated - known.untreated,
    }
    if world.model.name == "freemium":
        named["inactivity"] = inactivity(now, mine, as_of, world)
    why = reasons.of_leaving(now, mine, as_of, world, known.voluntary, known.involuntary)
    return table_of(mine, as_of, now.state, named, why)


def table_of(
    who: Traits, as_of: Ints, state: Ints, named: dict[str, Floats], why: Ints
) -> pa.Table:
    """The truth as a table; NaN becomes null."""
    columns = {
        "customer_id": arrow.ids("c", who.number),
        "as_of": arrow.moments(as_of * DAY),
        "health": pa.array(hidden.level(state)),
        "friction": pa.array(hidden.friction(state) == 1),
    }
    columns |= {name: pa.array(v, from_pandas=True) for name, v in named.items()}
    columns["reason"] = arrow.labels(why, (*reasons.FAMILIES, None))
    return pa.table(columns)
