"""What the prior correction gains where a base rate moves, and costs where it stands.

Run: `python benchmarks/calibration_drift.py`. Slices have predictions that are right but for a
level; a calibration and a correction see the known ones, and the level to come judges both. Log
loss is expected over the true probabilities, so only levels and training rows are random.
"""

import numpy as np
from numpy.typing import NDArray

from models.calibrate import fit_calibration
from models.portable import sigmoid
from models.prior import Slice, prior_shift

Floats = NDArray[np.float64]
RUNS = 60
RATE = -3.0  # log-odds on average
CASES = [
    (shape, size, rows, slices, wait)
    for shape, size in (("stands", 0.0), ("walks", 0.1), ("walks", 0.2), ("walks", 0.4))
    for rows in (300, 3000)
    for slices, wait in ((6, 30), (12, 30), (12, 90), (24, 30))
] + [("noise", 0.2, 3000, 12, 30), ("season", 0.3, 3000, 24, 30), ("jump", 0.7, 300, 12, 30)]


def levels(random: np.random.Generator, shape: str, size: float, n: int, ahead: int) -> Floats:
    """The level of each slice."""
    if shape == "noise":
        return random.normal(0, size, n)
    if shape == "season":
        return np.asarray(size * np.sin(2 * np.pi * np.arange(n) / 12 + random.uniform(0, 7)))
    if shape == "jump":
        return np.where(np.arange(n) < n - ahead - 4, 0.0, size)
    return np.cumsum(random.normal(0, size, n))


def gains(shape: str, size: float, rows: int, slices: int, wait: int, seed: int) -> list[float]:
    """Log loss saved: as decided, always, by the newest rate, at most; and whether it was used."""
    random = np.random.default_rng(seed)
    ahead = -(-wait // 30)
    level = levels(random, shape, size, slices + ahead, ahead)
    z = [random.normal(RATE, 1, rows) for _ in range(slices)]
    y = [
        (random.random(rows) < sigmoid(a + b)).astype(float)
        for a, b in zip(z, level[:slices], strict=True)
    ]
    plain = fit_calibration(np.concatenate(z), np.concatenate(y), method="platt")
    known = [Slice.of(30.0 * i, plain.log_odds(z[i]), y[i]) for i in range(slices)]
    prior = prior_shift(known, wait)
    newest, overall = (
        np.log((v.sum() + 0.5) / (len(v) - v.sum() + 0.5)) for v in (y[-1], np.concatenate(y))
    )
    to_come = random.normal(RATE, 1, 20_000)
    p = sigmoid(to_come + level[-1])
    q = plain.log_odds(to_come)

    def loss(log_odds: Floats) -> float:
        return float(np.mean(p * np.logaddexp(0, -log_odds) + (1 - p) * np.logaddexp(0, log_odds)))

    others = (q + prior.shift, q + prior.level, q + newest - overall, to_come + level[-1])
    return [*(loss(q) - loss(other) for other in others), float(prior.used)]


def main() -> None:
    """Print the table; log loss in thousandths."""
    print(
        "| level | sd | rows | slices | wait | gain | se | always | newest rate | at most | used |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for case in CASES:
        found = np.array([gains(*case, seed) for seed in range(RUNS)])
        mean = found.mean(axis=0) * 1000
        error = found[:, 0].std(ddof=1) / np.sqrt(RUNS) * 1000
        shape, size, rows, slices, wait = case
        print(
            f"| {shape} | {size:g} | {rows} | {slices} | {wait} | {mean[0]:.2f} | {error:.2f}"
            f" | {mean[1]:.2f} | {mean[2]:.2f} | {mean[3]:.2f} | {mean[4] / 1000:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
