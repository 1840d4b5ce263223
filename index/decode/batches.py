"""Decoded pictures, one after another -> batches of them, limited by number and by bytes."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from PIL import Image

from unprompt.index.decode.budget import BUDGET_BYTES

T = TypeVar("T")
BATCH_BYTES = BUDGET_BYTES // 4  # decoded pictures that wait for one call of the towers


def picture_batches(
    items: Iterable[T], image_of: Callable[[T], Image.Image | None], most: int
) -> Iterator[list[T]]:
    """Lists of at most `most` items, and of few more bytes than BATCH_BYTES, in order.

    `image_of` gives an item's picture, or None where it could not be opened. A batch ends with the
    picture that fills it, so that the next one is not opened earlier than needed.
    """
    batch: list[T] = []
    held = 0
    for item in items:
        batch.append(item)
        image = image_of(item)
        held += 0 if image is None else 4 * image.width * image.height  # as Pillow keeps RGB
        if len(batch) == most or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
