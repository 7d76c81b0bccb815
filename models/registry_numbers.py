"""Metrics as MLflow takes them: defined ones, a step for each value of a series, in batches."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from mlflow.entities import Metric

BATCH = 1000  # metrics in one call, the most that MLflow takes
Numbers = Mapping[str, float | None]


def batches(
    metrics: Numbers, series: Mapping[str, Sequence[float | None]]
) -> Iterator[list[Metric]]:
    """Metrics at step 0 and the values of each series from step 1 on, without undefined ones."""
    moment = int(time.time() * 1000)
    rows = (dict(zip(series, row, strict=True)) for row in zip_longest(*series.values()))
    found = [
        Metric(key, value, moment, step)
        for step, numbers in enumerate([metrics, *rows])
        for key, value in numbers.items()
        if value is not None and math.isfinite(value)
    ]
    for first in range(0, len(found), BATCH):
        yield found[first : first + BATCH]
