"""The catalogue for people: one row per feature, and the page of documentation made of them."""

from collections.abc import Iterable

from features.declare import Feature

COLUMNS = ("name", "family", "unit", "window", "meaning", "actionable")


def feature_row(feature: Feature) -> tuple[str, ...]:
    """What the catalogue says of one feature, in the order of `COLUMNS`."""
    window = f"{feature.window_days} d" if feature.window_days else "-"
    acts = "yes" if feature.actionable else "no"
    return feature.name, feature.family, feature.unit, window, feature.meaning, acts


def catalogue_page(catalogue: Iterable[Feature]) -> str:
    """The catalogue as Markdown."""
    lines = [
        "# Features",
        "",
        "Written by `retention features --write` from the declarations; a test keeps it current.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
    ]
    cells = ([cell.replace("|", "\\|") for cell in feature_row(one)] for one in catalogue)
    lines += [f"| `{name}` | {' | '.join(rest)} |" for name, *rest in cells]
    return "\n".join(lines) + "\n"
