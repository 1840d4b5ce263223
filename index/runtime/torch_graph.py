"""A tower's torch graph as it runs: rounded to bf16, compiled, and still the one of fp32.

Pixels (n, s, s, 3) uint8 -> unit vectors (n, d).
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.runtime.self_check import CHECKED, FLOOR, compare, made_pictures

SLACK = 5e-4  # of cosine, which other sums of bf16 may lose


def fast_graph(graph_in: Callable[[str], Any], config: EncoderConfig, size: int, batch: int) -> Any:
    """What `graph_in` makes of a dtype's name, in the form that `config` asks for.

    bf16 is taken on request, and on a GPU where it keeps the vectors; on a CPU the runtime openvino
    is the fast one. Compiled graphs take whole batches. Raises ConfigError where compiling fails.
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
    """Compiled for whole batches, which takes a minute or so; as near to fp32 as before."""
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
    """Mean cosine of the vectors of a batch of made pictures."""
    torch = importlib.import_module("torch")
    pictures = made_pictures(min(batch, CHECKED), size)
    pictures = np.resize(pictures, (batch, *pictures.shape[1:]))
    device = next(one.parameters()).device
    with torch.inference_mode():
        wanted, found = (
            graph(torch.from_numpy(pictures).to(device)).float().cpu().numpy()
            for graph in (one, other)
        )
    return compare(wanted, found).mean
