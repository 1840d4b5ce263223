"""The content of many picture files -> their unit vectors, in order, on all cores."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np

from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.encoders.protocols import BulkEncoder
from unprompt.index.exported.pixels import PixelReader

AHEAD = 2  # batches submitted per stream, so that no stream waits for the reader
Vector = np.ndarray | UnreadableImageError
Encoded = list[tuple[str, Vector]]


def encode_contents(
    encoder: BulkEncoder, contents: Iterable[tuple[str, bytes]]
) -> Iterator[tuple[str, Vector]]:
    """(name, file content) pairs -> (name, unit vector (d,) float32) pairs.

    An unreadable picture gives its UnreadableImageError instead of a vector. Each stream of the
    encoder is a thread that decodes a batch and runs the tower on it. Batches do not depend on the
    number of streams, so the vectors do not either. `contents` is read in the caller's thread.
    """
    read = PixelReader(encoder.preprocess)
    source = iter(contents)
    with ThreadPoolExecutor(encoder.streams) as pool:
        submitted: deque[Future[Encoded]] = deque()
        while True:
            while len(submitted) < encoder.streams * AHEAD:
                block = list(islice(source, encoder.batch_size))
                if not block:
                    break
                submitted.append(pool.submit(_encode_block, encoder, read, block))
            if not submitted:
                return
            yield from submitted.popleft().result()


def _encode_block(
    encoder: BulkEncoder, read: PixelReader, block: list[tuple[str, bytes]]
) -> Encoded:
    found: list[np.ndarray | UnreadableImageError] = []
    for name, content in block:
        try:
            found.append(read(content, name))
        except UnreadableImageError as error:
            found.append(error)
    pixels = [part for part in found if isinstance(part, np.ndarray)]
    vectors = iter(encoder.encode_pixels(np.stack(pixels)) if pixels else ())
    return [
        (name, part if isinstance(part, UnreadableImageError) else next(vectors))
        for (name, _), part in zip(block, found, strict=True)
    ]
