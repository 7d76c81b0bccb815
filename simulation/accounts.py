"""Where each customer of a block stands on a day, and the log of what changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from simulation.kinds import ABSENT, NEVER, Flags, Ints, add_months

# Entries of the log.
KINDS = 18
(
    SIGNED_FREE,
    SIGNED_TRIAL,
    TRIAL_LAPSED,
    STARTED,
    RENEWED,
    FAILED,
    RETRY_FAILED,
    RECOVERED,
    CHANGED,
    CANCEL_REQUESTED,
    ENDED_NOW,
    ENDED_OWING,
    ENDED_UNPAID,
    PAUSED_ON,
    RESUMED,
    MIGRATED,
    TREATED,
    CONTROL,
) = range(KINDS)


@dataclass
class Accounts:
    """The standing of a block, arrays of shape (n,); days since 1970."""

    mode: Ints
    state: Ints  # hidden
    plan: Ints
    seats: Ints
    term: Ints  # months of a paid period
    signup: Ints
    started: Ints  # first paid day of this subscription
    trial_end: Ints
    anchor: Ints  # day that the paid periods are counted from
    periods: Ints  # periods since the anchor, the running one included
    period_end: Ints
    overdue_since: Ints
    ends_on: Ints  # a scheduled end
    left_on: Ints
    left_unpaid: Flags
    cut_on: Ints  # last time of buying less; 0 for never
    subscription: Ints  # how many this customer has had
    invoice: Ints
    price_list: Ints  # 0 before the rise of prices, 1 after
    repriced_on: Ints  # the day this subscription went over to the new prices
    promo_until: Ints  # a starting discount ends
    resumes_on: Ints
    treated_on: Ints  # last treatment
    was_plan: Ints
    was_seats: Ints

    @classmethod
    def empty(cls, n: int) -> "Accounts":
        """Nobody has signed up."""
        never = {"started", "trial_end", "period_end", "overdue_since", "ends_on", "left_on"}
        never |= {"repriced_on", "promo_until", "resumes_on", "treated_on"}
        arrays = {f.name: np.full(n, NEVER if f.name in never else 0) for f in fields(cls)}
        arrays["left_unpaid"] = np.zeros(n, dtype=bool)
        arrays["term"] = np.ones(n, dtype=np.int64)
        arrays["mode"] = np.full(n, ABSENT)
        return cls(**arrays)

    def take(self, who: Ints) -> "Accounts":
        """A copy of some rows."""
        return Accounts(**{f.name: getattr(self, f.name)[who] for f in fields(self)})

    @classmethod
    def concatenate(cls, parts: Sequence["Accounts"]) -> "Accounts":
        """Rows of several, one after the other."""
        names = [f.name for f in fields(cls)]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})

    def end_of_period(self, who: Ints, ahead: int = 0) -> Ints:
        """Last day of the running paid period (exclusive), or of one so many periods ahead."""
        return add_months(self.anchor[who], (self.periods[who] + ahead) * self.term[who])


@dataclass
class Log:
    """What happened, in order: kind, day, who, and the standing right after."""

    kinds: list[Ints] = field(default_factory=list)
    days: list[Ints] = field(default_factory=list)
    who: list[Ints] = field(default_factory=list)
    after: list[Accounts] = field(default_factory=list)

    def add(self, kind: int, day: int | Ints, who: Ints, accounts: Accounts) -> None:
        """Note that `kind` happened to `who` on `day`."""
        if len(who):
            self.kinds.append(np.full(len(who), kind))
            self.days.append(np.broadcast_to(np.asarray(day, dtype=np.int64), who.shape))
            self.who.append(who)
            self.after.append(accounts.take(who))


@dataclass(frozen=True)
class History:
    """A finished log as arrays, sorted by customer and day."""

    kind: Ints
    day: Ints
    who: Ints
    after: Accounts

    @classmethod
    def of(cls, log: Log) -> "History":
        """The log, in order of customer, day and entry."""
        who, day = np.concatenate(log.who), np.concatenate(log.days)
        order = np.lexsort((np.arange(len(who)), day, who))
        after = Accounts.concatenate(log.after).take(order)
        return cls(np.concatenate(log.kinds)[order], day[order], who[order], after)

    def only(self, *kinds: int) -> "History":
        """The entries of some kinds."""
        at = np.flatnonzero(np.isin(self.kind, kinds))
        return History(self.kind[at], self.day[at], self.who[at], self.after.take(at))
