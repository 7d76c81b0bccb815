"""Charts of a model, each an Altair function of plain numbers."""

from pathlib import Path

import altair as alt

Chart = alt.TopLevelMixin


def write_chart(chart: Chart, folder: Path, name: str) -> list[Path]:
    """Write a chart as HTML that needs no network, as Vega-Lite JSON and as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{kind}" for kind in ("html", "json", "png")]
    chart.save(str(paths[0]), inline=True)
    chart.save(str(paths[1]))
    chart.save(str(paths[2]), scale_factor=2)
    return paths
