"""An exported tower at work, without torch: pictures -> unit vectors (n, d) float32."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from unprompt.index.base.machine import own_cores
from unprompt.index.base.settings import read_settings
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.runtime.compiled import Network, SavedGraph, compile_graph
from unprompt.index.runtime.infer_pool import BATCH, Lanes, precision_here
from unprompt.index.runtime.openvino_graph import GRAPH, WEIGHTS
from unprompt.index.runtime.self_check import check_lanes

FEW = 4  # pictures: fewer are faster one by one, all cores on each


class OpenVinoEncoder:
    """One picture at a time for a query, a batch a core for bulk work, each compiled on demand."""

    def __init__(self, folder: Path, description: dict[str, Any], threads: int | None = None):
        self.space: str = description["space"]
        self.dim: int = description["dim"]
        config = read_settings(EncoderConfig, description["config"], str(folder))
        self.preprocess = read_settings(Preprocess, description["preprocess"], str(folder))
        self.batch_size = config.batch_size or description.get("batch_size", BATCH)
        self.lanes = threads or own_cores()
        precision = precision_here(description.get("precision", config.precision))
        files = folder / GRAPH, folder / WEIGHTS
        self._saved = SavedGraph(*files, description["files"], precision, threads)
        self._single: Network | None = None
        self._ready: Future[Network] | None = None
        self._compiling = Lock()

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """RGB images -> unit vectors (n, d) float32."""
        if len(images) < FEW:
            blocks = [self._encode_one(self.preprocess([image])) for image in images]
        else:
            starts = range(0, len(images), self.batch_size)
            with ThreadPoolExecutor(self.lanes) as pool:
                blocks = list(pool.map(partial(self._encode_batch, images), starts))
        return np.concatenate([np.zeros((0, self.dim), dtype=np.float32), *blocks])

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (n, s, s, 3) uint8, n at most `batch_size` -> unit vectors (n, d) float32."""
        with self._compiling:
            lanes = self._lanes
        return lanes(pixels)

    def prepare(self, pool: Executor) -> None:
        """Begin to be ready for single pictures, in another thread."""
        self._ready = pool.submit(self._compile)

    def release(self) -> None:
        """Free what single pictures need; it is made again when it is needed."""
        self._single = None

    def _encode_one(self, pixels: np.ndarray) -> np.ndarray:
        if self._ready is not None:
            wait([self._ready])  # what it raises, `_compile` raises again
            self._ready = None
        return self._compile()(pixels)[0]

    def _compile(self) -> Network:
        network = self._single  # another thread may release it meanwhile
        if network is None:
            size = self.preprocess.image_size
            network = self._single = compile_graph(self._saved, (1, size, size, 3))
        return network

    def _encode_batch(self, images: Sequence[Image.Image], start: int) -> np.ndarray:
        return self.encode_pixels(self.preprocess(images[start : start + self.batch_size]))

    @cached_property
    def _lanes(self) -> Lanes:
        size = self.preprocess.image_size
        lanes = Lanes(self._saved, size, self.batch_size, self.lanes)
        check_lanes(self._encode_one, lanes, size, self.batch_size)
        return lanes
