"""Do reasons hold: against the simulated company's truth, stated answers, and other seeds.

    python benchmarks/reasons.py [--customers 5000] [--seeds 7 11 1 2 3] [--data ../shared/data]

Simulated companies are trained as any other; the reasons are those of as-of dates after the last
that the model learned from. The extended telecom tables are cross-validated; the reasons are those
of customers that the fold's model has not seen, of all who left and said why.
"""

import argparse
import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cases.reasons_case import FACTORS, FAMILIES, FEW, STATED, Told, factors, risen

from features.frames import frame
from features.project import load_project
from features.staging import stage
from models.fitted import Fitted
from models.loaded import LoadedModel
from models.peers import peers_card
from models.portable import PortableModel
from models.registry import Registry
from simulation.company import simulate
from training.reason_stability import SEEDS, TOP
from training.recipe import fit
from training.sample import Dataset
from training.search import choose
from training.splits import customer_folds
from training.train import train

HERE = Path(__file__).parent
MONTHS, TIMES, BEFORE = 24, 1.5, 3
NEEDED = 0.7
LINE = "at risk: strongest factor"
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


@dataclass(frozen=True)
class Company:
    """What one simulated company tells: comparisons, stability, seconds of explaining one."""

    told: dict[str, Told]
    stability: dict[str, Any]
    seconds: float


def tops(model: LoadedModel, rows: pd.DataFrame, of: dict[str, str], none: str) -> np.ndarray:
    """What speaks for the first `TOP` reasons of each row, by feature; `none` beyond the last."""
    out = np.full((len(rows), TOP), none, dtype=object)
    for row, found in zip(out, model.explain(model.matrix(rows), top=TOP), strict=True):
        raising = [r["evidence"]["feature"] for r in found if r["contribution"] > 0]
        row[: len(raising)] = [of.get(name, none) for name in raising]
    return out


def company(folder: Path, customers: int, seed: int) -> Company:
    """A simulated company, trained and explained."""
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
    rows = built.features.iloc[rose["row"].to_numpy()].reset_index(drop=True)
    alone = {key: value for key, value in model.card.items() if key != "peers"}
    without = LoadedModel("x", 1, PortableModel(alone, model.portable.ensemble))
    of = {feature.name: FAMILIES.get(feature.family, "none") for feature in model.features}
    found = {}
    at_risk = (rose["churn"] >= project.bands.medium).to_numpy()
    for name, explained in (("", model), (", without peers", without)):
        ours = tops(explained, rows, of, "none")
        for who, mask in (("at risk", at_risk), ("all", np.ones(len(rose), dtype=bool))):
            for what, column in (("strongest factor", "reason"), ("factor that rose most", "rose")):
                true = rose[column].to_numpy()[mask]
                found[f"{who}: {what}{name}"] = Told(ours[mask], true)
    return Company(found, report.reasons["stability"], seconds_of_one(model, rows))


def seconds_of_one(model: LoadedModel, rows: pd.DataFrame) -> float:
    """Seconds of processor to explain one customer, with what would change the score."""
    matrix = model.matrix(rows.iloc[:100])
    start = time.process_time()
    for row in matrix:
        model.explain(row[None, :])
        model.would_change(row)
    return (time.process_time() - start) / len(matrix)


def stated(folder: Path, data: Path) -> Told:
    """The extended telecom tables: the first reason of who left against what they said."""
    source = data / "telco_ibm"
    tables = [
        pd.read_csv(source / f"Telco_customer_churn_{name}.csv.gz", keep_default_na=False)
        for name in ("services", "demographics", "status")
    ]
    whole = tables[0].merge(tables[1], on="Customer ID").merge(tables[2], on="Customer ID")
    names = {column: str(column).lower().replace(" ", "_") for column in whole}
    of = {name: category for category, text in STATED.items() for name in text.split()}
    columns = [column for column in whole if names[column] in of]
    folder.mkdir(parents=True, exist_ok=True)
    whole[["Customer ID", "Churn Label", *columns]].to_csv(folder / "extended.csv", index=False)
    (folder / "retention.toml").write_text(TELCO.format(columns=columns), encoding="utf-8")
    project = load_project(folder)
    staged = stage(project)
    dataset = Dataset(staged, project.target("churn"), frame(staged, "churn"))
    rows, y = dataset.labelled(None, None)
    ours = np.full((len(rows), TOP), "", dtype=object)
    for train_at, test_at in customer_folds(y, dataset.customer[rows], 5, 0):
        encoder = dataset.encoder(rows[train_at])
        sample = dataset.sample(rows[train_at], y[train_at], encoder)
        setting = choose(sample, encoder.categorical).setting
        plain = Fitted(encoder, fit(sample, setting, encoder.categorical)).portable
        card = {**plain.card, "peers": peers_card(plain, sample.array, sample.customer)}
        model = LoadedModel("x", 1, PortableModel(card, plain.ensemble))
        ours[test_at] = tops(model, dataset.frame.iloc[rows[test_at]], of, "Other")
    said = whole.set_index("Customer ID")["Churn Category"]
    true = said.reindex(dataset.keys["customer_id"].iloc[rows]).to_numpy()
    left = y == 1
    return Told(ours[left], true[left])


def table(head: str, rows: dict[str, Told]) -> str:
    """Comparisons as Markdown."""
    return f"""| {head} | rows | agrees | se | always the commonest | ours shuffled | balanced |\
 always the commonest, balanced | among three |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
""" + "\n".join(f"| {what} | {one.cells()}" for what, one in rows.items())


def recalls(told: Told) -> str:
    """Agreement by true family as Markdown."""
    found = told.recalls()
    return """| true family | rows | agrees | among three |
|---|---:|---:|---:|
""" + "\n".join(
        f"| {family} | {found[family][0]:,} | {found[family][1]:.1%} | {found[family][2]:.1%} |"
        for family in (*FACTORS, "none")
        if family in found
    )


def text(given: argparse.Namespace, found: dict[int, Company], telco: Told) -> str:
    """The results as Markdown."""
    mapping = "; ".join(f"{ours}: {true}" for ours, true in FAMILIES.items())
    names = next(iter(found.values())).told
    pooled = {name: Told.joined([one.told[name] for one in found.values()]) for name in names}
    by_seed = {f"seed {seed}": one.told[LINE] for seed, one in found.items()}
    least = min(float(one.first.mean()) for one in by_seed.values())
    stable = "\n".join(
        f"| {seed} | {one.stability['same_top']:.1%} | {one.stability['jaccard']:.1%} |"
        for seed, one in found.items()
    )
    seconds = max(one.seconds for one in found.values())
    return f"""# Do reasons hold

{os.cpu_count()} cores, Python {platform.python_version()},
`python benchmarks/reasons.py`, {datetime.now(UTC):%Y-%m-%d}.

## Simulated companies: {given.customers:,} customers, {MONTHS} months

The family of the first reason against the true one, of customers whose true hazard is at least
{TIMES} times that of {BEFORE} months before, at as-of dates after the last that the model learned
from. `At risk`: whose true chance of leaving is in the medium band or above; `all` has those too
whose risk rose from next to nothing to little. The strongest factor is the simulation's own
`reason`; the factor that rose most is, of {", ".join(FACTORS)}, that with the greatest ratio to
{BEFORE} months before. `Balanced` is the mean agreement of the true families with {FEW} rows or
more, each counting the same; `among three` the share of rows where any of the reasons told is of
the true family. Families of our features stand for those of the truth as follows:
{mapping}. The end of a term is an occasion and follows the other reasons, so that it is the first
one only where nothing else raises the risk.

| line | needed | measured |
|---|---:|---:|
| at risk, the strongest factor, least of {len(found)} companies | {NEEDED:.0%} \
| {least:.1%} |
| explaining one customer, ms of processor | 10 | {seconds * 1e3:.1f} |

{table("at risk, strongest factor", by_seed)}

By true family, at risk, all companies; the strongest factor, then the one that rose most:

{recalls(pooled[LINE])}

{recalls(pooled["at risk: factor that rose most"])}

{table("all companies", pooled)}

The riskiest tenth of a company, its recipe learned again from {SEEDS} other seeds:

| company | first reason the same | overlap of the first three (Jaccard) |
|---|---:|---:|
{stable}

## Telecom, extended tables

Of all who left, by models that have not seen them; which column speaks for which category is in
`benchmarks/cases/reasons_case.py`.

{table("against", {"stated churn category": telco})}
"""


def main() -> None:
    """Measure; print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 11, 1, 2, 3])
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--folder", type=Path, default=HERE / ".data" / "reasons")
    given = parser.parse_args()
    folder = given.folder.resolve()
    telco = stated(folder / "telco", given.data.resolve())
    found = {}
    for seed in given.seeds:
        found[seed] = company(folder / f"company-{seed}", given.customers, seed)
        sys.stdout.write(f"seed {seed}: {found[seed].told[LINE].cells()}\n")
        sys.stdout.flush()
    page = text(given, found, telco)
    sys.stdout.write(page)
    (HERE / "results" / "reasons.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
