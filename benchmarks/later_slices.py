"""What it gains and costs to hold a setting to later slices before it is used.

Run: `python benchmarks/later_slices.py`. Companies of eight months are drawn from a known truth, in
which something may move from month to month; a setting is fitted on all of them and judged on the
month to come. Three rules decide between it and the newest rate. Log loss is expected over the true
probabilities.
"""

from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.portable import sigmoid
from training import forward
from training.baselines import constant
from training.recipe import FALLBACK, fit, fit_all
from training.sample import Sample

Floats = NDArray[np.float64]
RUNS, MONTHS = 24, 8
WAIT = timedelta(days=30)
CASES = [
    ("nothing moves", 0.0, 300),
    ("nothing moves", 0.0, 2000),
    ("level, at random", 0.7, 2000),
    ("level, step by step", 0.3, 2000),
    ("effect of age, at random", 0.4, 2000),
    ("effect of age, at random", 1.0, 2000),
    ("signal fades", 0.15, 2000),
]


def company(kind: str, size: float, rows: int, seed: int) -> tuple[list[Sample], Floats]:
    """The months as samples, the one to come last, and its true probabilities."""
    random = np.random.default_rng(seed)
    months = MONTHS + 1
    lasting, came = random.normal(size=rows), random.integers(-20, months, rows)
    level, age_effect, signal = np.zeros(months), np.full(months, -0.3), np.ones(months)
    if kind.startswith("level"):
        level = random.normal(0, size, months)
        level = np.cumsum(level) if "step" in kind else level
    elif kind.startswith("effect"):
        age_effect = random.normal(-0.2, size, months)
    elif kind.startswith("signal"):
        signal = np.clip(1 - size * np.arange(months), 0, 1)
    found = []
    for month in range(months):
        here = np.flatnonzero(came <= month)
        x = 0.8 * lasting[here] + random.normal(0, 0.6, len(here))
        age = (month - came[here]) / 8
        z = level[month] - 2.2 + signal[month] * x + age_effect[month] * (age - 1.2)
        p = sigmoid(z)
        y = (random.random(len(here)) < p).astype(float)
        X = np.column_stack([x, age, random.normal(size=(len(here), 2))])
        day = pd.Series([pd.Timestamp("2020-01-01") + month * WAIT] * len(y))
        found.append(Sample(X, y, here, np.arange(len(y)), day, pd.DataFrame(X)))
    return found, p


def joined(samples: list[Sample]) -> Sample:
    """All months that train."""
    return Sample(
        np.vstack([one.X for one in samples]),
        np.concatenate([one.y for one in samples]),
        np.concatenate([one.customer for one in samples]),
        np.arange(sum(len(one) for one in samples)),
        pd.concat([one.as_of for one in samples], ignore_index=True),
        pd.concat([one.simple for one in samples], ignore_index=True),
    )


def judged(kind: str, size: float, rows: int, seed: int) -> list[float]:
    """Loss above the truth of the rate, the model and each rule; above the rate; what is kept."""
    (*before, after), p = company(kind, size, rows, seed)
    train = joined(before)
    parts = forward._parts(train, WAIT)  # noqa: SLF001  the rules differ in what they do with it
    models = fit_all(train, [(known, FALLBACK) for known, _ in parts], ())
    gains = [
        forward._gain(model, train.take(known), train.take(now))  # noqa: SLF001
        for model, (known, now) in zip(models, parts, strict=True)
    ]
    z = fit(train, FALLBACK, ()).decision_function(after.X)
    rate = constant(train).rate

    def loss(log_odds: Floats) -> float:
        return float(np.mean(p * np.logaddexp(0, -log_odds) + (1 - p) * np.logaddexp(0, log_odds)))

    model, plain = loss(z), loss(np.full(len(p), np.log(rate / (1 - rate))))
    best = float(-np.mean(p * np.log(p) + (1 - p) * np.log1p(-p)))
    means = np.array([one.mean() for one in gains])
    kept = [means[-1] > 0, means.mean() > 0, forward.carries_over(gains)]
    chosen = [model if k else plain for k in (True, *kept)]
    harm = [max(one - plain, 0.0) for one in chosen]
    return [plain - best, *(one - best for one in chosen), *harm, *kept]


def main() -> None:
    """Print the table; log loss above the truth in thousandths."""
    print(
        "| what moves | sd | rows | rate | model | newest slice | mean | as used"
        " | above the rate: model | newest slice | mean | as used | kept |"
    )
    print("|---|" + "---:|" * 12)
    for kind, size, rows in CASES:
        found = np.array([judged(kind, size, rows, seed) for seed in range(RUNS)]).mean(axis=0)
        numbers = " | ".join(f"{1000 * value:.1f}" for value in found[:9])
        kept = ", ".join(f"{share:.0%}" for share in found[9:])
        print(f"| {kind} | {size:g} | {rows} | {numbers} | {kept} |", flush=True)


if __name__ == "__main__":
    main()
