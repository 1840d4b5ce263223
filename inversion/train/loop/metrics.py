"""Metrics of a run: RUN/metrics.jsonl, one object per line, and the same in RUN/tensorboard."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unprompt.index.base.durable import write_atomically

METRICS, BOARD = "metrics.jsonl", "tensorboard"


class MetricsLog:
    """A log that appends. Each line is on disk before `log` returns."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._writer: Any = None

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Append the figures of a step as one line."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder / BOARD), purge_step=step)
        kind = values.get("kind", "step")
        for name, value in values.items():
            if isinstance(value, float):
                self._writer.add_scalar(f"{kind}/{name}", value, step)
        self._writer.flush()

    def truncate_after(self, step: int) -> None:
        """Remove the lines after a step, when a run resumes from an earlier checkpoint."""
        path = self._folder / METRICS
        if not path.is_file():
            return
        kept = [line for line in read_metrics(path) if line["step"] <= step]
        with write_atomically(path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a metrics file, without a line that a kill cut off."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found
