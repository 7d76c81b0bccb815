"""A whole company, written block by block: tables, project file and the truth beside them."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa

from simulation import billing, shop, support
from simulation.accounts import CONTROL, TREATED
from simulation.kinds import DATA_END, add_months, month_starts
from simulation.ledgers import costs_table, fx_table, plans_table
from simulation.life import live
from simulation.models import MODELS
from simulation.people import customers_table, draw_traits
from simulation.presets import PRESETS
from simulation.project_file import project_text
from simulation.truth import truth_table
from simulation.usage import usage
from simulation.workers import WORKERS, in_order
from simulation.world import World
from simulation.write import Writer, clear, write_block

MOST = 9_999_999  # ids have seven digits
BLOCK = 1_000  # customers who live and are written together; part of what a seed means


def simulate(
    out: Path,
    *,
    customers: int = 5_000,
    months: int = 24,
    seed: int = 7,
    model: str = "subscription",
    preset: str | None = None,
    usage_rate: float = 1.0,
    workers: int = WORKERS,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write a simulated company into the folder `out`.

    The first n customers are the same whatever `customers` and `workers` are, and the same seed
    gives the same bytes. The project file comes last: a folder without it is not finished.

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
    model : str
        A revenue model of `simulation.models.MODELS`.
    preset : str, optional
        A name of `simulation.presets.PRESETS`, which fixes all of the above.
    usage_rate : float
        Factor on the rows of use; about 250 per customer in 24 months when 1.
    workers : int
        Processes; a small company is written by this one alone.
    progress : callable, optional
        Gets one line per block.

    Raises
    ------
    ValueError
        A number out of its range, or a name that is none.
    """
    if preset is not None:
        fixed = PRESETS[_named("preset", preset, PRESETS)]
        customers, months, seed, model = fixed.customers, fixed.months, fixed.seed, fixed.model
        usage_rate = fixed.usage_rate
    _named("model", model, MODELS)
    _check("customers", customers, 1, MOST)
    _check("months", months, 1, 240)
    _check("seed", seed, 0, 2**63 - 1)
    _check("usage_rate", usage_rate, 0, 100)
    _check("workers", workers, 1, 64)
    out.mkdir(parents=True, exist_ok=True)
    clear(out)
    start = int(add_months(np.array([DATA_END]), -months)[0])
    world = World(MODELS[model], start, DATA_END, usage_rate)
    blocks = -(-customers // BLOCK)
    with Writer(out) as writer:
        for name, columns in _company_tables(world, customers):
            writer.write(name, columns)
        jobs = ((out, world, seed, number, customers) for number in range(blocks))
        for number, tables in enumerate(in_order(_write_block, jobs, blocks, workers)):
            for name, table in tables.items():
                writer.write(name, table)
            if progress is not None:
                done = min(customers, (number + 1) * BLOCK)
                progress(f"block {number + 1} of {blocks}: {done:,} customers written")
    (out / "retention.toml").write_text(project_text(world), encoding="utf-8")


def _check(name: str, value: float, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}; got {value}")


def _named(what: str, name: str, known: Iterable[str]) -> str:
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}; got {name!r}")
    return name


def _company_tables(world: World, customers: int) -> Iterator[tuple[str, dict[str, pa.Array]]]:
    """Tables that belong to no customer."""
    if not world.model.sells_goods:
        yield "plans", plans_table(world)
    yield "costs", costs_table(world.start, world.end, customers, world.model)
    if world.model.currencies:
        yield "fx_rates", fx_table(world.start, world.end)


def _write_block(job: tuple[Path, World, int, int, int]) -> dict[str, pa.Table]:
    """Write the large tables of a block and give back the others."""
    out, world, seed, number, customers = job
    tables = simulate_block(seed, number, world)
    return write_block(out, tables, end=world.end, block=number, customers=customers)


def simulate_block(
    seed: int, number: int, world: World
) -> Iterator[tuple[str, dict[str, pa.Array] | pa.Table]]:
    """Tables of one block of `BLOCK` customers, by name; `truth` is the last.

    Each kind of table draws from its own generator, seeded by block and kind, so that a change in
    one leaves the others as they were.
    """
    seeds = ((seed, number, kind) for kind in count())
    rngs = (np.random.default_rng(parts) for parts in seeds)
    who = draw_traits(next(rngs), number * BLOCK + 1, BLOCK, world)
    dates, goods = month_starts(world.start, world.end), world.model.sells_goods
    lives = (shop.live_shopping if goods else live)(next(rngs), who, world, dates)
    dated = billing.date(next(rngs), lives.history, who)
    yield "customers", customers_table(next(rngs), who, world)
    if goods:
        yield "orders", shop.orders(next(rngs), lives.paths, who, world)
    else:
        yield "subscriptions", billing.subscriptions(dated, who, world)
        yield "invoices", billing.invoices(dated, who, world)
        yield "payments", billing.payments(next(rngs), dated, who, world)
    yield "usage", usage(next(rngs), lives.paths, who, world)
    yield "tickets", support.tickets(next(rngs), lives.paths, who, world)
    yield "surveys", support.surveys(next(rngs), lives.paths, who, dated, world.start)
    yield "touches", support.touches(next(rngs), lives.paths, who, world.start)
    yield "treatments", support.treatments(lives.history.only(TREATED, CONTROL), who)
    yield "truth", (shop.silence_table if goods else truth_table)(lives.standing, who, world)
