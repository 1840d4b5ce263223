"""Scores and reliability bins -> PNG plots of a report; the only file that loads matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from unprompt.index.base.durable import write_atomically
from unprompt.inversion.estimate.confidence import Reliability


class Bar(NamedTuple):
    """One bar with its interval; `mark` is drawn as a line across the bar."""

    name: str
    value: float
    interval: tuple[float, float]
    mark: float | None = None


def plot_bars(bars: Sequence[Bar], label: str, path: Path, mark: str | None = None) -> None:
    """Draw horizontal bars, the first on top; `mark` names what their marks show."""
    figure, axes = _figure(7, 0.5 * len(bars) + 1)
    reverse = list(reversed(bars))
    places = list(range(len(reverse)))
    errors = [
        [max(0.0, bar.value - bar.interval[0]) for bar in reverse],
        [max(0.0, bar.interval[1] - bar.value) for bar in reverse],
    ]
    axes.barh(places, [bar.value for bar in reverse], xerr=errors, capsize=3)
    axes.set_ylim(-0.6, len(places) - 0.4)
    axes.set_yticks(places, [bar.name for bar in reverse])
    marks = [(bar.mark, place) for bar, place in zip(reverse, places, strict=True)]
    shown = [(value, place) for value, place in marks if value is not None]
    if shown:
        values, heights = zip(*shown, strict=True)
        axes.scatter(values, heights, marker="|", s=250, color="orange", label=mark, zorder=3)
        figure.legend(loc="outside upper right")
    axes.set_xlabel(label)
    _save(figure, path)


def plot_reliability(curves: Mapping[str, Sequence[Reliability]], path: Path) -> None:
    """Draw expected against found cosines, a curve per name; equal values lie on the gray line."""
    figure, axes = _figure(5, 5)
    values = [value for bins in curves.values() for b in bins for value in (b.found, b.expected)]
    limits = [min(values) - 0.02, max(values) + 0.02]
    axes.plot(limits, limits, color="grey", linewidth=1)
    for name, bins in curves.items():
        axes.plot([b.expected for b in bins], [b.found for b in bins], marker="o", label=name)
    if len(curves) > 1:
        axes.legend()
    axes.set_xlabel("expected cosine")
    axes.set_ylabel("mean cosine found")
    _save(figure, path)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    with write_atomically(path) as temporary:
        figure.canvas.print_figure(temporary, dpi=110, format="png")
