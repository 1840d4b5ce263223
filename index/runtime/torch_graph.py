"""A tower's torch graph -> a faster graph of the same vectors: rounded to bf16, compiled.

Graphs take pixels (n, s, s, 3) uint8 and give unit vectors (n, d).
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.runtime.self_check import CHECKED, FLOOR, compare, synthetic_pictures

SLACK = 5e-4  # of cosine, for sums of bf16 in another order


def fast_graph(graph_in: Callable[[str], Any], config: EncoderConfig, size: int, batch: int) -> Any:
    """The graph that runs fastest with the settings `config`; `graph_in` makes it for a dtype.

    bf16 is used on request, and on a GPU where it keeps the vectors; on a CPU the runtime openvino
    is faster. Compiled graphs take whole batches. Raises ConfigError where compiling fails or
    changes the vectors.
    """
    torch = importlib.import_module("torch")
    exact = graph_in("float32")
    on_gpu = next(exact.parameters()).device.type == "cuda"
    if on_gpu:
        exact = exact.to(memory_format=torch.channels_last)
    chosen = exact
    if config.precision == "bf16" or (config.precision == "auto" and on_gpu):
        rounded = graph_in("bfloat16")
        keeps = config.precision == "bf16" or _agreement(exact, rounded, size, CHECKED) >= FLOOR
        chosen = rounded if keeps else exact
    return _compiled(chosen, exact, size, batch) if config.compile else chosen


def _compiled(graph: Any, exact: Any, size: int, batch: int) -> Any:
    """Compile for whole batches, about a minute; raises ConfigError if it moves the vectors."""
    torch = importlib.import_module("torch")
    floor = FLOOR if graph is exact else _agreement(exact, graph, size, batch) - SLACK
    compiled = torch.compile(graph, dynamic=False)
    try:
        mean = _agreement(exact, compiled, size, batch)
    except Exception as error:  # of whatever compiler torch calls on
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"torch cannot compile this tower here: {first_line}; on a CPU it needs a C++ "
            "compiler (`apt-get install g++`), on a GPU Triton; or leave `encoder.compile` out"
        ) from error
    if not mean >= floor:
        raise ConfigError(
            f"the compiled tower gives other vectors (mean cosine to fp32 {mean:.5f}, wanted "
            f"{floor:.5f} and more); leave `encoder.compile` out"
        )
    return compiled


def _agreement(one: Any, other: Any, size: int, batch: int) -> float:
    """Mean cosine between the vectors of two graphs over a batch of synthetic pictures."""
    torch = importlib.import_module("torch")
    pictures = synthetic_pictures(min(batch, CHECKED), size)
    pictures = np.resize(pictures, (batch, *pictures.shape[1:]))
    device = next(one.parameters()).device
    with torch.inference_mode():
        wanted, found = (
            graph(torch.from_numpy(pictures).to(device)).float().cpu().numpy()
            for graph in (one, other)
        )
    return compare(wanted, found).mean
