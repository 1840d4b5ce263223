"""A saved graph for bulk work: pixels (b, s, s, 3) -> vectors, a batch a core, all at once.

Each lane is one core with a request of its own. A core that decodes pictures and then runs the
tower on them never waits for another, and one core a batch loses nothing to synchronisation.
"""

from queue import SimpleQueue
from typing import Any

import numpy as np

from unprompt.index.runtime.compiled import SavedGraph, load_core, read_graph, widen_weights

BATCH = 16  # more fall out of the caches, fewer leave the matrix units idle
CONVOLVED_BATCH = 8  # of a network of convolutions, which has few weights for its activations


class Lanes:
    """The compiled graph; a thread that calls gets a lane, and waits while all are taken."""

    def __init__(self, saved: SavedGraph, image_size: int, batch: int, lanes: int):
        graph = read_graph(saved)
        graph.reshape([batch, image_size, image_size, 3])  # fixed shapes run fastest
        self._requests = Requests(compile_lanes(graph, saved.precision, lanes), lanes)
        self._batch = batch

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """At most a batch of pixels (n, s, s, 3) uint8 -> (n, d) float32.

        A smaller batch is filled up, so that a picture's last bits depend on its place alone.
        """
        return self._requests(fill_up(pixels, self._batch))[: len(pixels)]


def fill_up(pixels: np.ndarray, batch: int) -> np.ndarray:
    """Pixels (n, s, s, 3) -> (batch, s, s, 3), the last picture as often as it takes."""
    missing = batch - len(pixels)
    if missing:
        pixels = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
    return np.ascontiguousarray(pixels)


class TextLanes:
    """A saved graph over words and their mask; a thread that calls gets a lane."""

    def __init__(self, saved: SavedGraph, lanes: int):
        self._requests = Requests(compile_lanes(read_graph(saved), saved.precision, lanes), lanes)

    def __call__(self, words: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Words (n, t, d) float32 and mask (n, t) int64 -> (n, d) float32."""
        return self._requests(words, mask)


class Requests:
    """A compiled network with one output, and a request for each lane.

    They are made at once: OpenVINO makes none while another one runs.
    """

    def __init__(self, compiled: Any, lanes: int):
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(lanes):
            self._free.put(compiled.create_infer_request())

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        request = self._free.get()
        try:
            request.infer(list(inputs), share_inputs=True)
            return np.array(request.get_output_tensor(0).data, dtype=np.float32)
        finally:
            self._free.put(request)


def compile_lanes(graph: Any, precision: str, lanes: int) -> Any:
    """A graph that so many cores run at the same time, each on inputs of its own."""
    widen_weights(graph)
    hints = {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": lanes,
        "INFERENCE_NUM_THREADS": lanes,
        "ENABLE_CPU_PINNING": False,  # several processes would pin themselves to the same cores
    }
    return load_core().compile_model(graph, "CPU", hints)


def has_bf16() -> bool:
    """Whether this CPU multiplies in bfloat16; where it does not, nothing is gained by it."""
    return "BF16" in load_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def precision_here(chosen: str) -> str:
    """bf16 was chosen where a graph was written; elsewhere it would only be slow."""
    return "bf16" if chosen == "bf16" and has_bf16() else "f32"
