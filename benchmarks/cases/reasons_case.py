"""Which true reason each reason of ours stands for, and what truly drove each simulated risk.

The two tables below were written from the meaning of the features and of the stated answers, before
any result was seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd

from simulation import hazards, hidden
from simulation.company import BLOCK
from simulation.kinds import DATA_END, add_months, month_starts
from simulation.life import live
from simulation.models import MODELS
from simulation.people import draw_traits
from simulation.reasons import STEADY
from simulation.world import World

# Family of our features -> family of the truth. What customers answer in surveys follows the hidden
# health that use follows too; the truth has no family for contacts, so those never agree.
FAMILIES = {
    "usage": "usage",
    "surveys": "usage",
    "support": "support",
    "billing": "billing",
    "lifecycle": "lifecycle",
    "profile": "profile",
    "touches": "contacts",
}
FEW = 10  # rows of a family below which its recall says nothing
FACTORS = ("usage", "support", "billing", "lifecycle", "profile")

# Column of the extended tables -> the stated category that it would speak for.
STATED = {
    "Competitor": (  # more data, faster downloads, better devices, a better offer
        "internet_service internet_type avg_monthly_gb_download unlimited_data streaming_tv"
        " streaming_movies streaming_music device_protection_plan multiple_lines phone_service"
        " offer"
    ),
    "Price": (  # too high, extra data charges, long distance charges
        "monthly_charge total_charges total_refunds total_extra_data_charges total_revenue"
        " total_long_distance_charges avg_monthly_long_distance_charges"
    ),
    "Dissatisfaction": "online_security online_backup paperless_billing",  # product, service
    "Attitude": "premium_tech_support",  # of who supports and provides
    "Other": (  # moved, deceased, not said
        "age married number_of_dependents gender senior_citizen number_of_referrals"
        " tenure_in_months contract payment_method"
    ),
}


def factors(customers: int, months: int, seed: int) -> pd.DataFrame:
    """What multiplies the hazard of leaving of every customer at every month, by `FACTORS`."""
    start = int(add_months(np.array([DATA_END]), -months)[0])
    world = World(MODELS["subscription"], start, DATA_END, 1.0)
    by_level = hazards.LEAVE[::2] / hazards.LEAVE[2 * STEADY]
    parts = []
    for block in range(-(-customers // BLOCK)):
        rngs = (np.random.default_rng((seed, block, kind)) for kind in count())
        who = draw_traits(next(rngs), block * BLOCK + 1, BLOCK, world)
        lives = live(next(rngs), who, world, month_starts(world.start, world.end))
        ids = [f"c{number:07d}" for number in who.number]
        for day, now in lives.standing.items():
            ones, to_end = np.ones(len(ids)), np.maximum(now.period_end - day, 1)
            tenure = np.maximum(day - now.started, 0)
            found = {
                "customer_id": ids,
                "as_of": np.datetime64(day, "D").astype("datetime64[us]"),
                "usage": by_level[hidden.level(now.state)],
                "support": np.where(hidden.friction(now.state) == 1, hazards.FRICTION_LEAVES, 1.0),
                "billing": hazards.lately(day, now.repriced_on, now.promo_until),
                "lifecycle": hazards.churn_scale(ones, now.term > 1, to_end, tenure),
                "profile": who.risk / world.model.leave,
            }
            parts.append(pd.DataFrame(found))
    return pd.concat(parts, ignore_index=True)


def risen(truth: pd.DataFrame, known: pd.DataFrame, times: float, months: int) -> pd.DataFrame:
    """Rows of the truth whose hazard is `times` that of some months before, with what rose most.

    The hazard is the product of the factors; where an unpaid bill is likelier to end it than the
    customer, it is the chance of that, and billing is what rose.
    """
    known = known.assign(hazard=known[[*FACTORS]].prod(axis=1))
    keys = ["customer_id", "as_of"]
    now = truth[truth["churn"].notna()].merge(known, on=keys, validate="one_to_one")
    early = now[[*keys, *FACTORS, "hazard", "churn_involuntary"]]
    early = early.assign(as_of=early["as_of"] + pd.DateOffset(months=months))
    both = now.merge(early, on=keys, suffixes=("", "_before"))
    unpaid = both["churn_involuntary"] > both["churn_voluntary"]
    ratios = np.column_stack([both[f] / both[f"{f}_before"] for f in FACTORS])
    both["rose"] = np.where(unpaid, "billing", np.array(FACTORS)[ratios.argmax(axis=1)])
    owed = both["churn_involuntary"] >= times * both["churn_involuntary_before"]
    left = both["hazard"] >= times * both["hazard_before"]
    return both[np.where(unpaid, owed, left)].reset_index(drop=True)


@dataclass(frozen=True)
class Told:
    """Families of the first reasons, greatest first, beside the true one.

    `ours` is of shape (n, TOP), `true` of shape (n,).
    """

    ours: np.ndarray
    true: np.ndarray

    @property
    def first(self) -> np.ndarray:
        """Whether the first reason agrees, shape (n,)."""
        return np.asarray(self.ours[:, 0] == self.true)

    @property
    def among(self) -> np.ndarray:
        """Whether any of those told agrees, shape (n,)."""
        return np.asarray((self.ours == self.true[:, None]).any(axis=1))

    @classmethod
    def joined(cls, parts: Sequence["Told"]) -> "Told":
        """Those of several companies."""
        return cls(*(np.concatenate([getattr(p, k) for p in parts]) for k in ("ours", "true")))

    def recalls(self) -> dict[str, tuple[int, float, float]]:
        """Rows of each true family, and the shares of them where `first` and `among` hold."""
        families, rows = np.unique(self.true.astype(str), return_counts=True)
        return {
            str(f): (
                int(n),
                float(self.first[self.true == f].mean()),
                float(self.among[self.true == f].mean()),
            )
            for f, n in zip(families, rows, strict=True)
        }

    def cells(self) -> str:
        """Rows, agreement with its error, the commonest, any order, balanced, among those told."""
        n, share = len(self.true), float(self.first.mean())
        shares, mine = (
            pd.Series(one).value_counts(normalize=True) for one in (self.true, self.ours[:, 0])
        )
        random = float((shares * mine.reindex(shares.index).fillna(0)).sum())
        counted = [recall for rows, recall, _ in self.recalls().values() if rows >= FEW]
        error = np.sqrt(share * (1 - share) / n)
        return (
            f"{n:,} | {share:.1%} | {error:.1%} | {shares.max():.1%} | {random:.1%} |"
            f" {np.mean(counted):.1%} | {1 / len(counted):.1%} | {self.among.mean():.1%} |"
        )
