"""Do reasons hold: against the simulated company's truth, stated answers, and other seeds.

    python benchmarks/reasons.py [--customers 5000] [--seed 7] [--data ../shared/data]

A simulated company is trained as any other; the reasons are those of as-of dates after the last
that the model learned from. The extended telecom tables are cross-validated; the reasons are those
of customers that the fold's model has not seen, of all who left and said why.
"""

import argparse
import os
import platform
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cases.reasons_case import FACTORS, FAMILIES, STATED, factors, risen

from features.frames import frame
from features.project import load_project
from features.staging import stage
from models.fitted import Fitted
from models.loaded import LoadedModel
from models.peers import peers_card
from models.portable import PortableModel
from models.registry import Registry
from simulation.company import simulate
from training.recipe import fit
from training.sample import Dataset
from training.search import choose
from training.splits import customer_folds
from training.train import train

HERE = Path(__file__).parent
MONTHS, TIMES, BEFORE = 24, 1.5, 3
NEEDED = 0.7
TELCO = """
name = "telco_extended"
revenue_model = "subscription"
[sources.snapshots]
file = "extended.csv"
columns = {{ customer_id = "Customer ID" }}
attributes = {columns}
[targets.churn]
kind = "churn"
label = "Churn Label"
positive = "Yes"
"""
Row = tuple[str, int, float, float, float]  # what, rows, agreement, commonest, at random


def tops(model: LoadedModel, rows: pd.DataFrame) -> np.ndarray:
    """The feature that speaks for the first reason of each row; empty where there is none."""
    found = model.explain(model.matrix(rows), top=1)
    return np.array(
        [r[0]["evidence"]["feature"] if r and r[0]["contribution"] > 0 else "" for r in found]
    )


def compared(what: str, ours: np.ndarray, true: np.ndarray) -> Row:
    """Share that agrees, and of always saying the commonest, and of ours in any order."""
    shares, mine = (pd.Series(one).value_counts(normalize=True) for one in (true, ours))
    random = float((shares * mine.reindex(shares.index).fillna(0)).sum())
    return what, len(true), float(np.mean(ours == true)), float(shares.max()), random


def company(folder: Path, customers: int, seed: int) -> tuple[list[Row], dict[str, Any], float]:
    """The simulated company: agreement, stability, and seconds of explaining one customer."""
    simulate(folder, customers=customers, months=MONTHS, seed=seed)
    project = load_project(folder)
    shutil.rmtree(project.outputs, ignore_errors=True)
    staged, registry = stage(project), Registry.for_project(project)
    report = train(project, staged, "churn", registry=registry)
    if report.version is None or report.reasons is None:
        raise SystemExit(report.reason)
    model = registry.load(project.model_name("churn"), report.version)
    truth = pd.read_parquet(folder / "truth")
    truth["as_of"] = pd.to_datetime(truth["as_of"]).astype("datetime64[us]")
    rose = risen(truth, factors(customers, MONTHS, seed), TIMES, BEFORE)
    rose = rose[rose["as_of"] > pd.Timestamp(model.card["train"]["last_as_of"])]
    built = frame(staged, "churn")
    keys = built.keys[["customer_id", "as_of"]].assign(row=np.arange(len(built.keys)))
    rose = rose.merge(keys, on=["customer_id", "as_of"], validate="one_to_one")
    rows = built.features.iloc[rose["row"]].reset_index(drop=True)
    alone = {key: value for key, value in model.card.items() if key != "peers"}
    without = LoadedModel("x", 1, PortableModel(alone, model.portable.ensemble))
    of = {feature.name: FAMILIES.get(feature.family, "none") for feature in model.features}
    of[""] = "none"
    found = []
    at_risk = (rose["churn"] >= project.bands.medium).to_numpy()
    for name, explained in (("", model), (", without peers", without)):
        ours = np.array([of[top] for top in tops(explained, rows)])
        for who, mask in (("at risk", at_risk), ("all", np.ones(len(rose), dtype=bool))):
            for what, column in (("strongest factor", "reason"), ("factor that rose most", "rose")):
                true = rose[column].to_numpy()[mask]
                found.append(compared(f"{who}: {what}{name}", ours[mask], true))
    matrix = model.matrix(rows.iloc[:100])
    start = time.process_time()
    for row in matrix:
        model.explain(row[None, :])
        model.would_change(row)
    seconds = (time.process_time() - start) / len(matrix)
    return found, report.reasons["stability"], seconds


def stated(folder: Path, data: Path) -> Row:
    """The extended telecom tables: the first reason of who left against what they said."""
    source = data / "telco_ibm"
    tables = [
        pd.read_csv(source / f"Telco_customer_churn_{name}.csv.gz", keep_default_na=False)
        for name in ("services", "demographics", "status")
    ]
    whole = tables[0].merge(tables[1], on="Customer ID").merge(tables[2], on="Customer ID")
    names = {column: column.lower().replace(" ", "_") for column in whole}
    of = {name: category for category, text in STATED.items() for name in text.split()}
    columns = [column for column in whole if names[column] in of]
    folder.mkdir(parents=True, exist_ok=True)
    whole[["Customer ID", "Churn Label", *columns]].to_csv(folder / "extended.csv", index=False)
    (folder / "retention.toml").write_text(TELCO.format(columns=columns), encoding="utf-8")
    project = load_project(folder)
    staged = stage(project)
    dataset = Dataset(staged, project.target("churn"), frame(staged, "churn"))
    rows, y = dataset.labelled(None, None)
    top = np.full(len(rows), "", dtype=object)
    for train_at, test_at in customer_folds(y, dataset.customer[rows], 5, 0):
        encoder = dataset.encoder(rows[train_at])
        sample = dataset.sample(rows[train_at], y[train_at], encoder)
        setting = choose(sample, encoder.categorical).setting
        plain = Fitted(encoder, fit(sample, setting, encoder.categorical)).portable
        card = {**plain.card, "peers": peers_card(plain, sample.X, sample.customer)}
        model = LoadedModel("x", 1, PortableModel(card, plain.ensemble))
        top[test_at] = tops(model, dataset.frame.iloc[rows[test_at]])
    said = whole.set_index("Customer ID")["Churn Category"]
    true = said.reindex(dataset.keys["customer_id"].iloc[rows]).to_numpy()
    ours = np.array([of.get(name, "Other") for name in top])
    left = y == 1
    return compared("stated churn category", ours[left], true[left])


def lines(rows: list[Row]) -> str:
    """A table in Markdown."""
    head = "| against | rows | agrees | se | always the commonest | ours shuffled |\n"
    head += "|---|---:|---:|---:|---:|---:|\n"
    return head + "\n".join(
        f"| {what} | {n:,} | {share:.1%} | {np.sqrt(share * (1 - share) / n):.1%} | {most:.1%} |"
        f" {random:.1%} |"
        for what, n, share, most, random in rows
    )


def text(
    given: argparse.Namespace,
    found: list[Row],
    telco: Row,
    stability: dict[str, Any],
    seconds: float,
) -> str:
    """The results as Markdown."""
    line = next(row for row in found if row[0] == "at risk: strongest factor")
    mapping = "; ".join(f"{ours}: {true}" for ours, true in FAMILIES.items())
    return f"""# Do reasons hold

{os.cpu_count()} cores, Python {platform.python_version()},
`python benchmarks/reasons.py`, {datetime.now(UTC):%Y-%m-%d}.

## A simulated company: {given.customers:,} customers, {MONTHS} months, seed {given.seed}

The family of the first reason against the true one, of customers whose true hazard is at least
{TIMES} times that of {BEFORE} months before, at as-of dates after the last that the model learned
from. `At risk`: whose true chance of leaving is in the medium band or above; `all` has those too
whose risk rose from next to nothing to little. The strongest factor is the simulation's own
`reason` (profile, which never changes, and none among them); the factor that rose most is, of
{", ".join(FACTORS)}, that with the greatest ratio to {BEFORE} months before. Families of our
features stand for those of the truth as follows: {mapping}.

{lines(found)}

| line | needed | measured |
|---|---:|---:|
| at risk, the strongest factor | {NEEDED:.0%} | {line[2]:.1%} |
| first reason the same over {stability["seeds"]} seeds, riskiest tenth | | \
{stability["same_top"]:.1%} |
| overlap of the first three (Jaccard) | | {stability["jaccard"]:.1%} |
| explaining one customer, ms of processor | 10 | {seconds * 1e3:.1f} |

## Telecom, extended tables

Of all who left, by models that have not seen them; which column speaks for which category is in
`benchmarks/cases/reasons_case.py`.

{lines([telco])}
"""


def main() -> None:
    """Measure; print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--folder", type=Path, default=HERE / ".data" / "reasons")
    given = parser.parse_args()
    folder = given.folder.resolve()
    telco = stated(folder / "telco", given.data.resolve())
    found, stability, seconds = company(folder / "company", given.customers, given.seed)
    page = text(given, found, telco, stability, seconds)
    sys.stdout.write(page)
    (HERE / "results" / "reasons.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
