"""Companies that never change, by name: their tables are frozen by a hash in the tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """The settings of `simulate` that a name stands for."""

    customers: int
    months: int
    seed: int
    model: str = "subscription"
    usage_rate: float = 1.0


PRESETS = {"reference": Preset(customers=2_000, months=24, seed=20_260_101)}
