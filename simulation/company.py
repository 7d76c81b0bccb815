"""A whole company, written block by block: tables, project file and the truth beside them."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa

from simulation import billing, support
from simulation.kinds import DATA_END, add_months, month_starts
from simulation.ledgers import costs_table, plans_table
from simulation.life import live
from simulation.people import customers_table, draw_traits
from simulation.project_file import project_text
from simulation.truth import truth_table
from simulation.usage import usage
from simulation.write import Writer, clear

MOST = 9_999_999  # ids have seven digits
BLOCK = 1_000  # customers who live and are written together; part of what a seed means


def simulate(
    out: Path,
    *,
    customers: int = 5_000,
    months: int = 24,
    seed: int = 7,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write a simulated company into the folder `out`.

    The first n customers are the same whatever `customers` is, and the same seed gives the same
    bytes. The project file comes last: a folder without it is not finished.

    Parameters
    ----------
    out : Path
        Made when missing; tables of an earlier company in it are replaced.
    customers : int
        How many, including those who never paid.
    months : int
        Length of the history up to `data_end`, 1 to 240.
    seed : int
        Not negative.
    progress : callable, optional
        Gets one line per block.

    Raises
    ------
    ValueError
        A number out of its range.
    """
    _check("customers", customers, 1, MOST)
    _check("months", months, 1, 240)
    _check("seed", seed, 0, 2**63 - 1)
    out.mkdir(parents=True, exist_ok=True)
    clear(out)
    start = int(add_months(np.array([DATA_END]), -months)[0])
    blocks = -(-customers // BLOCK)
    with Writer(out, end=DATA_END) as writer:
        writer.write("plans", plans_table())
        writer.write("costs", costs_table(start, DATA_END, customers))
        for number in range(blocks):
            for name, columns in simulate_block(seed, number, start, DATA_END):
                writer.write(name, columns, block=number, customers=customers)
            if progress is not None:
                done = min(customers, (number + 1) * BLOCK)
                progress(f"block {number + 1} of {blocks}: {done:,} customers written")
    (out / "retention.toml").write_text(project_text(start, DATA_END), encoding="utf-8")


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}; got {value}")


def simulate_block(
    seed: int, number: int, start: int, end: int
) -> Iterator[tuple[str, dict[str, pa.Array]]]:
    """Tables of one block of `BLOCK` customers, by name; `truth` is the last.

    Each kind of table draws from its own generator, seeded by block and kind, so that a change in
    one leaves the others as they were.
    """
    seeds = ((seed, number, kind) for kind in count())
    rngs = (np.random.default_rng(parts) for parts in seeds)
    who = draw_traits(next(rngs), number * BLOCK + 1, BLOCK, start, end)
    lives = live(next(rngs), who, start, end, month_starts(start, end))
    dated = billing.date(next(rngs), lives.history, who)
    yield "customers", customers_table(next(rngs), who, end)
    yield "subscriptions", billing.subscriptions(dated, who)
    yield "invoices", billing.invoices(dated, who)
    yield "payments", billing.payments(next(rngs), dated, who)
    yield "usage", usage(next(rngs), lives.paths, who, start, end)
    yield "tickets", support.tickets(next(rngs), lives.paths, who, start, end)
    yield "surveys", support.surveys(next(rngs), lives.paths, who, dated, start)
    yield "touches", support.touches(next(rngs), lives.paths, who, start)
    yield "truth", truth_table(lives.standing, who)
