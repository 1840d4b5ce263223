"""metrics.jsonl -> curves.png: loss, validation cosine, learning rate over the steps."""

from pathlib import Path

from unprompt.index.base.durable import write_atomically
from unprompt.inversion.train.loop.metrics import read_metrics

PANELS = (
    ("step", "loss", "training loss"),
    ("validation", "cosine", "validation cosine"),
    ("step", "learning_rate", "learning rate"),
)


def draw_curves(metrics: Path, picture: Path) -> None:
    """Draw the metrics of a run so far. Without metrics nothing is drawn."""
    if not metrics.is_file():
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = read_metrics(metrics)
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, (kind, name, title) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        points = [(e["step"], e[name]) for e in lines if e.get("kind") == kind and name in e]
        marker = "o" if len(points) < 40 else ""
        axes.plot([p[0] for p in points], [p[1] for p in points], marker=marker)
        axes.set_title(title)
        axes.set_xlabel("optimiser steps")
        axes.grid(alpha=0.3)
    with write_atomically(picture) as temporary:
        canvas.print_figure(temporary, dpi=120, format="png")
