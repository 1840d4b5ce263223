"""Rates of embedding.py as a picture: bars of images a second, a panel a tower."""

from pathlib import Path
from typing import Any


def plot_rates(found: dict[str, Any], title: str, path: Path) -> None:
    """Write the picture of what embedding.py found."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    towers = [name for name in found if isinstance(found[name], dict)]
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(towers), squeeze=False)
    for panel, tower in zip(panels[0], towers, strict=True):
        rates = {n: f["images_per_second"] for n, f in found[tower].items() if n != "preprocess"}
        colours = ["#4c78a8" if name.startswith("ours") else "#b0b7c3" for name in rates]
        bars = panel.barh(list(rates), list(rates.values()), color=colours)
        panel.bar_label(bars, fmt="%.0f", padding=3)
        panel.invert_yaxis()
        panel.spines[["top", "right"]].set_visible(False)
        panel.set(title=tower, xlabel="images per second")
        panel.margins(x=0.12)
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=150)
