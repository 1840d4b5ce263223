"""A plan -> plan.png: GPU-days of every piece of work, bytes of every kind of file."""

from pathlib import Path

from unprompt.build.planning.plan import Plan
from unprompt.index.base.durable import write_atomically
from unprompt.ui.planning.figures import show_bytes, show_days


def draw_plan(plan: Plan, path: Path) -> None:
    """Draw both as bars on logarithmic axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    works = [work.counted for work in plan.works if work.counted.seconds > 0][::-1]
    disk = plan.disk[::-1]
    figure = Figure(figsize=(9, 0.35 * (len(works) + len(disk)) + 2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, height_ratios=[len(works), len(disk)])
    days = [line.seconds / 86_400 for line in works]
    bars = upper.barh([line.label for line in works], days)
    upper.bar_label(bars, [show_days(value) for value in days], padding=3)
    upper.set_xlabel("days on one device")
    bars = lower.barh(
        [line.what for line in disk], [line.bytes for line in disk], color="tab:green"
    )
    lower.bar_label(bars, [show_bytes(line.bytes) for line in disk], padding=3)
    lower.set_xlabel("bytes on disk")
    for axes in (upper, lower):
        axes.set_xscale("log")
        axes.margins(x=0.15)
    upper.set_title(plan.request.name)
    with write_atomically(path) as temporary:
        canvas.print_figure(temporary, dpi=110, format="png")
