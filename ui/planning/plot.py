"""A plan -> plan.png: days of every piece of work, bytes of every kind of file."""

from pathlib import Path

from unprompt.build.planning.plan import DAY, Plan
from unprompt.index.base.durable import write_atomically
from unprompt.ui.planning.table import show_bytes, show_days


def draw_plan(plan: Plan, path: Path) -> None:
    """Draw both as bars on logarithmic axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [line for line in plan.lines if line.seconds > 0][::-1]
    disk = plan.disk[::-1]
    figure = Figure(figsize=(9, 0.35 * (len(lines) + len(disk)) + 2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, height_ratios=[len(lines), len(disk)])
    days = [line.seconds / DAY for line in lines]
    bars = upper.barh([line.work.label for line in lines], days)
    upper.bar_label(bars, [show_days(value) for value in days], padding=3)
    upper.set_xlabel("days on one device")
    sizes = [line.bytes for line in disk]
    bars = lower.barh([line.what for line in disk], sizes, color="tab:green")
    lower.bar_label(bars, [show_bytes(size) for size in sizes], padding=3)
    lower.set_xlabel("bytes on disk")
    for axes in (upper, lower):
        axes.set_xscale("log")
        axes.margins(x=0.15)
    upper.set_title(plan.request.name)
    with write_atomically(path) as temporary:
        canvas.print_figure(temporary, dpi=110, format="png")
