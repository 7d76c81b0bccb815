"""The build: features and state of (customer, as-of) pairs, for training and for serving alike."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from features.built import Built
from features.catalogue import attribute_features, available
from features.declare import DERIVED, MEASURES, Feature
from features.engine import Tables, tables_for
from features.errors import UnknownFeatureError
from features.grid import Grid
from features.history import Pairs
from features.kernel import Window
from features.project import Project
from features.snapshot import build_snapshot, is_snapshot
from features.staging import Staged
from features.state import STATE_WINDOWS, empty_state, finish_state, read_state
from features.state_profile import attribute_key
from features.windows import Windows, available_measures, compute_windows, wanted_windows

Progress = Callable[[str], None]
__all__ = ["Built", "build", "build_from"]


def build(
    staged: Staged,
    pairs: pd.DataFrame,
    *,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Built:
    """Features and state of those pairs from the staged tables.

    Parameters
    ----------
    pairs : DataFrame with `customer_id` and `as_of`, one row per pair
        Ignored for a snapshot, which has one row per customer.
    names : sequence of str, optional
        Features, or families, to build; all that the tables allow when left out.

    Raises
    ------
    UnknownFeatureError
        A name that is neither a feature nor a family of this company.
    """
    tables = tables_for(staged)
    _check_names(names, available(tables, staged.project))
    if is_snapshot(tables):
        return build_snapshot(tables, staged.project, names or ())
    return build_from(tables, staged.project, pairs, names=names, progress=progress)


def build_from(
    tables: Tables,
    project: Project,
    pairs: pd.DataFrame,
    *,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Built:
    """The same from open tables; rows come back in the order of `pairs`."""
    say = progress or (lambda _: None)
    chosen = available(tables, project, names or ())
    _check_names(names, available(tables, project))
    keys = pairs[["customer_id", "as_of"]].reset_index(drop=True)
    keys = keys.astype({"as_of": "datetime64[us]"})
    if keys.empty:
        return _empty(keys, chosen, project)
    wanted = wanted_windows(chosen, available_measures(tables))
    for measure, window in STATE_WINDOWS.items():
        if measure in available_measures(tables):
            wanted.setdefault(measure, set()).add(window)
    offsets = {days for windows in wanted.values() for window in windows for days in window}
    grid = Grid.of(keys["as_of"].unique(), offsets, project.timezone)
    codes = pd.Index(keys["customer_id"].unique()).sort_values()
    customer = codes.get_indexer(keys["customer_id"]).astype(np.int64)
    as_of = np.searchsorted(grid.as_of, keys["as_of"].to_numpy().astype(np.int64))
    order = np.lexsort((as_of, customer))
    ids = pa.array(codes.to_numpy(), pa.string())
    say("event windows")
    sorted_pairs = Pairs(customer[order], as_of[order], len(grid.as_of))
    values = compute_windows(tables, wanted, grid, ids, customer[order], as_of[order])
    say("states")
    attributes = attribute_features(tables, project)
    state = read_state(tables, project, list(attributes), grid, sorted_pairs, codes)
    frame, state = finish_state(state, values, project)
    own = {f.name: state[attribute_key(c)] for c, f in attributes.items() if f.name in chosen}
    features = _columns(chosen, values, state, own)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return Built(
        keys,
        features.iloc[back].reset_index(drop=True),
        frame.iloc[back].reset_index(drop=True),
        tuple(chosen.values()),
    )


def _columns(
    chosen: Mapping[str, Feature],
    values: Mapping[tuple[str, Window], np.ndarray],
    state: Mapping[str, np.ndarray],
    own: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Each feature as a column, from its window, its function or the company's attributes."""
    windows = Windows(values, state)
    of_measure = {
        m.column(days): (m.name, (0, days)) for m in MEASURES.values() for days in m.windows
    }
    of_measure |= {m.name: (m.name, (0, 0)) for m in MEASURES.values() if not m.windows}
    columns: dict[str, pd.Series] = {}
    for name, feature in chosen.items():
        if name in DERIVED:
            column = DERIVED[name].compute(windows)
        elif name in of_measure:
            column = values[of_measure[name]]
        else:
            column = own[name]
        kind = object if feature.kind == "category" else np.float64
        columns[name] = pd.Series(np.asarray(column, kind), dtype=kind)
    return pd.DataFrame(columns)


def _check_names(names: Sequence[str] | None, allowed: Mapping[str, Feature]) -> None:
    families = {feature.family for feature in allowed.values()}
    unknown = set(names or ()) - set(allowed) - families
    if unknown:
        raise UnknownFeatureError(unknown, [*families, *allowed])


def _empty(keys: pd.DataFrame, chosen: Mapping[str, Feature], project: Project) -> Built:
    features = pd.DataFrame({name: pd.Series(dtype="float64") for name in chosen})
    return Built(keys, features, empty_state(project), tuple(chosen.values()))
