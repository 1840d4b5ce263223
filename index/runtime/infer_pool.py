"""A saved graph for bulk work: pixels (b, s, s, 3) -> vectors (b, d), one core per batch.

Every stream of the network is one core with its own inference request. A core that decodes the
pictures of a batch and runs the tower on them waits for no other core.
"""

from typing import Any

import numpy as np

from unprompt.index.runtime.compiled import SavedGraph, dequantize_weights, load_core, read_graph
from unprompt.index.runtime.graph_file import graph_errors
from unprompt.index.runtime.requests import Requests

BATCH = 16  # larger batches exceed the caches, smaller ones leave matrix units idle
CONVOLUTIONAL_BATCH = 8  # of convolutional networks, whose activations are large


class ImagePool:
    """A compiled graph over pixels. Threads share it: each call takes a free stream or waits."""

    @graph_errors
    def __init__(self, saved: SavedGraph, image_size: int, batch: int, streams: int):
        graph = read_graph(saved)
        graph.reshape([batch, image_size, image_size, 3])  # fixed shapes run fastest
        self._requests = Requests(compile_streams(graph, saved.precision, streams), streams)
        self._batch = batch

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (n, s, s, 3) uint8, n at most the batch size -> vectors (n, d) float32.

        A smaller batch is padded, so that the bits of a vector do not depend on n.
        """
        return self._requests(pad_batch(pixels, self._batch))[0][: len(pixels)]


def pad_batch(pixels: np.ndarray, batch: int) -> np.ndarray:
    """Pixels (n, s, s, 3) -> (batch, s, s, 3), padded with copies of the last picture."""
    missing = batch - len(pixels)
    if missing:
        pixels = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
    return np.ascontiguousarray(pixels)


class TextPool:
    """A compiled graph over token embeddings and their mask. Threads share it as ImagePool."""

    @graph_errors
    def __init__(self, saved: SavedGraph, streams: int):
        compiled = compile_streams(read_graph(saved), saved.precision, streams)
        self._requests = Requests(compiled, streams)

    def __call__(self, words: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Embeddings (n, t, d) float32 and mask (n, t) int64 -> vectors (n, d) float32."""
        return self._requests(words, mask)[0]


def compile_streams(graph: Any, precision: str, streams: int) -> Any:
    """Compile a graph that `streams` cores run at the same time, each on its own inputs."""
    dequantize_weights(graph)
    hints = {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        "ENABLE_CPU_PINNING": False,  # several processes would pin themselves to the same cores
    }
    return load_core().compile_model(graph, "CPU", hints)


def has_bf16() -> bool:
    """Whether this CPU multiplies in bfloat16; on others bf16 is slower than f32."""
    return "BF16" in load_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def precision_here(chosen: str) -> str:
    """The precision to run a graph with: bf16 only where it was chosen and this CPU has it."""
    return "bf16" if chosen == "bf16" and has_bf16() else "f32"
