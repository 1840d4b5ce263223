"""Picture inputs -> one BatchRecord per picture, in order; a bad picture is a failed record."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from unprompt.index.base.errors import UnreadableImageError
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.records import BatchRecord
from unprompt.inversion.inverter import BATCH, Inverter
from unprompt.inversion.opening import OpenedPicture
from unprompt.inversion.query import Query

DECODERS = 4  # threads that open pictures


_Opened = OpenedPicture | UnreadableImageError


def invert_pictures(
    inverter: Inverter,
    pictures: Iterable[PictureInput],
    query: Query = Query(),
    batch_size: int = BATCH,
) -> Iterator[BatchRecord]:
    """Invert pictures batch by batch; threads decode the next batch meanwhile.

    The last bits of an answer depend on which pictures share its batch.
    """
    with ThreadPoolExecutor(DECODERS) as pool:
        ahead: tuple[list[PictureInput], list[Future[_Opened]]] | None = None
        for batch in _batches(iter(pictures), batch_size):
            following = batch, [pool.submit(_open, picture, query.metadata) for picture in batch]
            if ahead is not None:
                yield from _invert_batch(inverter, *ahead, query)
            ahead = following
        if ahead is not None:
            yield from _invert_batch(inverter, *ahead, query)


def _batches(pictures: Iterator[PictureInput], size: int) -> Iterator[list[PictureInput]]:
    while batch := list(islice(pictures, size)):
        yield batch


def _open(picture: PictureInput, metadata: bool) -> _Opened:
    try:
        return picture.open(metadata)
    except UnreadableImageError as error:
        return error


def _invert_batch(
    inverter: Inverter, pictures: list[PictureInput], opening: list[Future[_Opened]], query: Query
) -> Iterator[BatchRecord]:
    opened = [future.result() for future in opening]
    images = [one.image for one in opened if isinstance(one, OpenedPicture)]
    answers = iter(inverter.invert_images(images, query))
    for picture, one in zip(pictures, opened, strict=True):
        name, image_id = printable(picture.name), printable(picture.image_id)
        if isinstance(one, UnreadableImageError):
            yield BatchRecord(name, image_id, None, printable(str(one)))
        else:
            answer = replace(next(answers), metadata_prompt=one.metadata_prompt)
            yield BatchRecord(name, image_id, answer)


def printable(name: str) -> str:
    """A file name as text for any output: a byte that is not UTF-8 becomes \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
