"""Differences between pictures of one seed across batch sizes.

The tests' tiny Stable Diffusion with random weights, on the CPU; one line a number type and solver.
"""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from tiny_pipelines import save_sd  # noqa: E402

from unprompt.build.pictures.diffusion.config import DiffusionConfig, SchedulerConfig  # noqa: E402
from unprompt.build.pictures.diffusion.renderer import DiffusersRenderer  # noqa: E402

PROMPTS = [f"the fox {number} and an owl" for number in range(12)]
SIZES = (1, 3, 4, 12)
SOLVERS = {
    "PNDM": SchedulerConfig(),
    "DPM-Solver++": SchedulerConfig("DPMSolverMultistepScheduler"),
    "SDE-DPM-Solver++": SchedulerConfig(
        "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}
    ),
    "DDIM": SchedulerConfig("DDIMScheduler"),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = DiffusionConfig(str(save_sd(Path(folder) / "sd")), steps=4, device="cpu")
        for dtype in get_args(get_type_hints(DiffusionConfig)["dtype"])[1:]:
            for solver, scheduler in SOLVERS.items():
                config = replace(base, dtype=dtype, scheduler=scheduler)
                alone, *others = (draw(replace(config, batch_size=size)) for size in SIZES)
                gaps = [np.abs(other - alone) for other in others]
                report = {
                    "dtype": dtype,
                    "solver": solver,
                    "largest_levels": int(max(gap.max() for gap in gaps)),
                    "share_percent": round(100 * max((gap > 0).mean() for gap in gaps), 3),
                }
                sys.stdout.write(json.dumps(report) + "\n")
                sys.stdout.flush()


def draw(config: DiffusionConfig) -> np.ndarray:
    """Pictures (n, h, w, 3) of all prompts, drawn in batches."""
    drawn = DiffusersRenderer(config).draw(PROMPTS, range(len(PROMPTS)))
    return np.array([one.picture for one in drawn], dtype=np.int16)


if __name__ == "__main__":
    main()
