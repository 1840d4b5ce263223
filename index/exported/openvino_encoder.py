"""The encoder of an exported tower: pictures -> unit vectors (n, d) float32, without torch."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from unprompt.index.base.in_threads import map_in_threads
from unprompt.index.base.machine import own_cores
from unprompt.index.base.settings import read_settings
from unprompt.index.base.shared_property import shared_property
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.runtime.compiled import Network, SavedGraph, compile_graph
from unprompt.index.runtime.infer_pool import BATCH, ImagePool, precision_here
from unprompt.index.runtime.openvino_graph import GRAPH, WEIGHTS
from unprompt.index.runtime.self_check import check_batched


class OpenVinoEncoder:
    """Encodes single pictures on all cores, and batches of pixels with one core per batch.

    Either network is compiled when it is first needed. Threads may share an encoder.
    """

    def __init__(self, folder: Path, description: dict[str, Any], threads: int | None = None):
        self.space: str = description["space"]
        self.dim: int = description["dim"]
        config = read_settings(EncoderConfig, description["config"], str(folder))
        self.preprocess = read_settings(Preprocess, description["preprocess"], str(folder))
        self.batch_size = config.batch_size or description.get("batch_size", BATCH)
        self.streams = threads or own_cores()
        precision = precision_here(description.get("precision", config.precision))
        files = folder / GRAPH, folder / WEIGHTS
        self._saved = SavedGraph(*files, description["files"], precision, threads)
        self._single: Network | None = None
        self._ready: Future[Network] | None = None
        self._compiling = Lock()

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """RGB images -> unit vectors (n, d) float32.

        Every picture has a run of its own: in batches it would take as long (docs/speed.md), and
        its vector would depend on the others. Meanwhile other threads prepare the next pictures.
        """
        vectors = map_in_threads(self._encode_image, images, self.streams)
        return np.concatenate([np.zeros((0, self.dim), dtype=np.float32), *vectors])

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (n, s, s, 3) uint8, n at most `batch_size` -> unit vectors (n, d) float32."""
        return self._pool(pixels)

    def prepare(self, pool: Executor) -> None:
        """Compile the network for single pictures in a thread of `pool`."""
        self._ready = pool.submit(self._compile)

    def release(self) -> None:
        """Free the network for single pictures; the next single picture compiles it again."""
        self._single = None

    def _encode_image(self, image: Image.Image) -> np.ndarray:
        return self._encode_one(self.preprocess([image]))

    def _encode_one(self, pixels: np.ndarray) -> np.ndarray:
        ready = self._ready  # another thread may reset it meanwhile
        if ready is not None:
            ready.exception()  # waits; `_compile` raises the error again
            self._ready = None
        return self._compile()(pixels)[0]

    def _compile(self) -> Network:
        with self._compiling:
            network = self._single
            if network is None:
                size = self.preprocess.image_size
                network = self._single = compile_graph(self._saved, (1, size, size, 3))
            return network

    @shared_property
    def _pool(self) -> ImagePool:
        size = self.preprocess.image_size
        pool = ImagePool(self._saved, size, self.batch_size, self.streams)
        check_batched(self._encode_one, pool, size, self.batch_size)
        return pool
