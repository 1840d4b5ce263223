"""The encoder of an exported tower: pictures -> unit vectors (n, d) float32, without torch."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from unprompt.index.base.errors import ClosedError
from unprompt.index.base.machine import own_cores
from unprompt.index.base.settings import read_settings
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.runtime.compiled import Network, SavedGraph, compile_graph, query_streams
from unprompt.index.runtime.infer_pool import BATCH, ImagePool, precision_here
from unprompt.index.runtime.openvino_graph import GRAPH, WEIGHTS
from unprompt.index.runtime.self_check import check_batched
from unprompt.index.threads.in_threads import map_in_threads
from unprompt.index.threads.shared_property import forget, shared_property


class OpenVinoEncoder:
    """Encodes single pictures, several at the same time, and batches of pixels.

    Either network is compiled when it is first needed. Threads may share an encoder.
    """

    def __init__(
        self,
        folder: Path,
        description: dict[str, Any],
        threads: int | None = None,
        streams: int | None = None,
    ):
        """`threads`: cores to use, None is all. `streams`: single pictures at the same time."""
        self.space: str = description["space"]
        self.dim: int = description["dim"]
        config = read_settings(EncoderConfig, description["config"], str(folder))
        self.preprocess = read_settings(Preprocess, description["preprocess"], str(folder))
        self.batch_size = config.batch_size or description.get("batch_size", BATCH)
        self.streams = threads or own_cores()
        precision = precision_here(description.get("precision", config.precision))
        files = folder / GRAPH, folder / WEIGHTS
        at_once = streams or query_streams(threads)
        self._saved = SavedGraph(*files, description["files"], precision, threads, at_once)
        self._single: Network | None = None
        self._ready: Future[Network] | None = None
        self._compiling = Lock()
        self._closed = False

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """RGB images -> unit vectors (n, d) float32.

        Every picture has a run of its own: a batch would take as long (docs/speed.md), and the bits
        of a vector would depend on the other pictures.
        """
        vectors = map_in_threads(self._encode_image, images, self._saved.streams)
        return np.array(vectors, dtype=np.float32).reshape(len(images), self.dim)

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
        return self.encode_one(self.preprocess([image]))[0]

    def close(self) -> None:
        """Free all networks; a later call raises ClosedError. No other call may run."""
        self._closed = True
        ready, self._ready = self._ready, None
        if ready is not None:
            wait([ready])
        self.release()
        forget(self, "_pool")

    def encode_one(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (1, s, s, 3) uint8 of one picture -> its unit vector (1, d) float32."""
        ready = self._ready  # another thread may reset it meanwhile
        if ready is not None:
            wait([ready])  # `_compile` raises its error again
            self._ready = None
        return self._compile()(pixels)[0]

    def _compile(self) -> Network:
        with self._compiling:
            self._check_open()
            network = self._single
            if network is None:
                size = self.preprocess.image_size
                network = self._single = compile_graph(self._saved, (1, size, size, 3))
            return network

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(
                "this image encoder is closed, as the inverter that it belongs to; load the bundle "
                "again: unprompt.load(bundle)"
            )

    @shared_property
    def _pool(self) -> ImagePool:
        self._check_open()
        size = self.preprocess.image_size
        pool = ImagePool(self._saved, size, self.batch_size, self.streams)
        check_batched(self.encode_one, pool, size, self.batch_size)
        return pool
