"""Many picture files -> their vectors, in order; every lane decodes a batch and runs the tower."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np

from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.encoders.protocols import BulkEncoder
from unprompt.index.exported.pixels import PixelReader

AHEAD = 2  # batches begun or waiting for each lane
Vector = np.ndarray | UnreadableImageError
Encoded = list[tuple[str, Vector]]


def encode_contents(
    encoder: BulkEncoder, contents: Iterable[tuple[str, bytes]]
) -> Iterator[tuple[str, Vector]]:
    """(name, file content) -> (name, unit vector (d,) float32 or why the picture cannot be read).

    Batches hold the same pictures however many lanes there are, so the vectors are the same too.
    """
    read = PixelReader(encoder.preprocess)
    source = iter(contents)
    with ThreadPoolExecutor(encoder.lanes) as pool:
        begun: deque[Future[Encoded]] = deque()
        while True:
            while len(begun) < encoder.lanes * AHEAD:
                block = list(islice(source, encoder.batch_size))
                if not block:
                    break
                begun.append(pool.submit(_encode_block, encoder, read, block))
            if not begun:
                return
            yield from begun.popleft().result()


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
