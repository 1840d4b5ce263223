"""Picture inputs -> one BatchRecord per picture, in order; a bad picture is a failed record."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from PIL import Image

from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.decode.batches import picture_batches
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.records import BatchRecord
from unprompt.inversion.inverter import BATCH, Inverter
from unprompt.inversion.opening import OpenedPicture
from unprompt.inversion.query import Query

DECODERS = 4  # threads that open pictures
AHEAD = 8  # pictures that they open while a batch is inverted


_Opened = OpenedPicture | UnreadableImageError


def invert_pictures(
    inverter: Inverter,
    pictures: Iterable[PictureInput],
    query: Query = Query(),
    batch_size: int = BATCH,
) -> Iterator[BatchRecord]:
    """Invert pictures batch by batch; threads decode the next ones meanwhile.

    A batch is smaller where its pictures are large. The last bits of an answer depend on which
    pictures share its batch.
    """
    with ThreadPoolExecutor(DECODERS) as pool:
        opened = _open_ahead(pool, pictures, query.metadata)
        for batch in picture_batches(opened, _image_of, batch_size):
            yield from _invert_batch(inverter, batch, query)
            batch.clear()  # before the next pictures are waited for


def _open_ahead(
    pool: ThreadPoolExecutor, pictures: Iterable[PictureInput], metadata: bool
) -> Iterator[tuple[PictureInput, _Opened]]:
    """The pictures in order, opened by the pool; few of them are open at a time."""
    waiting: deque[tuple[PictureInput, Future[_Opened]]] = deque()
    for picture in pictures:
        waiting.append((picture, pool.submit(_open, picture, metadata)))
        if len(waiting) > AHEAD:
            first, opening = waiting.popleft()
            yield first, opening.result()
    while waiting:
        first, opening = waiting.popleft()
        yield first, opening.result()


def _image_of(opened: tuple[PictureInput, _Opened]) -> Image.Image | None:
    return opened[1].image if isinstance(opened[1], OpenedPicture) else None


def _open(picture: PictureInput, metadata: bool) -> _Opened:
    try:
        return picture.open(metadata)
    except UnreadableImageError as error:
        return UnreadableImageError(str(error))  # without its traceback, which holds the picture
    except Exception as error:  # one picture must not end the batch, whatever its file holds
        fault = f"cannot read {picture.name}: {type(error).__name__}: {error}"
        return UnreadableImageError(fault)


def _invert_batch(
    inverter: Inverter, batch: list[tuple[PictureInput, _Opened]], query: Query
) -> Iterator[BatchRecord]:
    images = [image for image in map(_image_of, batch) if image is not None]
    answers = iter(inverter.invert_images(images, query))
    for picture, one in batch:
        name, image_id = printable(picture.name), printable(picture.image_id)
        if isinstance(one, UnreadableImageError):
            yield BatchRecord(name, image_id, None, printable(str(one)))
        else:
            answer = replace(next(answers), metadata_prompt=one.metadata_prompt)
            yield BatchRecord(name, image_id, answer)


def printable(name: str) -> str:
    """A file name as text for any output: a byte that is not UTF-8 becomes \\xNN."""
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return name.encode("utf-8", "backslashreplace").decode()
