"""A compiled network -> its inference requests, which any number of threads share."""

from queue import SimpleQueue
from typing import Any

import numpy as np


class Requests:
    """The inference requests of a compiled network. A call takes a free one, or waits for it.

    All are created at the start, because OpenVINO creates none while another one runs.
    """

    def __init__(self, compiled: Any, count: int):
        """`count`: how many calls may run at the same time, of whatever threads."""
        self._free: SimpleQueue[Any] = SimpleQueue()
        self._outputs = len(compiled.outputs)
        for _ in range(count):
            self._free.put(compiled.create_infer_request())

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Input arrays -> an array (n, d) float32 per output, which belongs to the caller."""
        request = self._free.get()
        try:
            request.infer([np.ascontiguousarray(given) for given in inputs], share_inputs=True)
            found = [request.get_output_tensor(place) for place in range(self._outputs)]
            return [np.array(tensor.data, dtype=np.float32) for tensor in found]
        finally:
            self._free.put(request)
