"""Pictures and image towers -> keys (n, d) by tower. Towers and pictures run at the same time."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import ImageEncoder
from unprompt.index.exported.export import OpenVinoEncoder
from unprompt.index.threads.in_threads import map_in_threads


def encode_pictures(
    encoders: Sequence[ImageEncoder], images: Sequence[Image.Image], threads: int
) -> list[np.ndarray]:
    """RGB images (n) -> the unit vectors (n, d) float32 of every encoder, in order.

    An exported tower runs on each picture by itself, so that no picture waits for a batch to fill
    and none changes the bits of another. A picture is resized once for all towers of one
    preprocessing. Other encoders get all pictures at once.
    """
    keys = [np.empty((len(images), encoder.dim), dtype=np.float32) for encoder in encoders]
    groups: dict[Preprocess, list[int]] = {}
    for place, encoder in enumerate(encoders):
        if isinstance(encoder, OpenVinoEncoder):
            groups.setdefault(encoder.preprocess, []).append(place)
        else:
            keys[place] = encoder.encode(images)

    def run(task: tuple[int, Preprocess]) -> None:
        number, preprocess = task
        pixels = preprocess([images[number]])
        for place in groups[preprocess]:
            encoder = encoders[place]
            assert isinstance(encoder, OpenVinoEncoder)
            keys[place][number] = encoder.encode_one(pixels)

    map_in_threads(run, [(number, g) for number in range(len(images)) for g in groups], threads)
    return keys
