"""Where each customer of a block stands on a day, and the log of what changed."""

from dataclasses import dataclass, field, fields

import numpy as np

from simulation.kinds import ABSENT, NEVER, Flags, Ints, add_months

# Entries of the log.
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
) = range(13)


@dataclass
class Accounts:
    """The standing of a block, arrays of shape (n,); days since 1970."""

    mode: Ints
    state: Ints  # hidden
    plan: Ints
    seats: Ints
    annual: Flags
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
    was_plan: Ints
    was_seats: Ints

    @classmethod
    def empty(cls, n: int) -> "Accounts":
        """Nobody has signed up."""
        never = {"started", "trial_end", "period_end", "overdue_since", "ends_on", "left_on"}
        arrays = {f.name: np.full(n, NEVER if f.name in never else 0) for f in fields(cls)}
        arrays |= {name: np.zeros(n, dtype=bool) for name in ("annual", "left_unpaid")}
        arrays["mode"] = np.full(n, ABSENT)
        return cls(**arrays)

    def take(self, who: Ints) -> "Accounts":
        """A copy of some rows."""
        return Accounts(**{f.name: getattr(self, f.name)[who] for f in fields(self)})

    def end_of_period(self, who: Ints, ahead: int = 0) -> Ints:
        """Last day of the running paid period (exclusive), or of one so many periods ahead."""
        months = (self.periods[who] + ahead) * np.where(self.annual[who], 12, 1)
        return add_months(self.anchor[who], months)


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
        after = {
            f.name: np.concatenate([getattr(a, f.name) for a in log.after])[order]
            for f in fields(Accounts)
        }
        return cls(np.concatenate(log.kinds)[order], day[order], who[order], Accounts(**after))

    def only(self, *kinds: int) -> "History":
        """The entries of some kinds."""
        at = np.flatnonzero(np.isin(self.kind, kinds))
        return History(self.kind[at], self.day[at], self.who[at], self.after.take(at))
