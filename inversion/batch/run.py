"""Picture inputs -> one BatchRecord per picture, in order; a bad picture is a failed record."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from PIL import Image

from unprompt.index.base.errors import UnreadableImageError
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.records import BatchRecord
from unprompt.inversion.inverter import BATCH, Inverter
from unprompt.inversion.metadata.picture_metadata import WrittenPrompt
from unprompt.inversion.query import Query

DECODERS = 4  # threads that open pictures


class _Loaded(NamedTuple):
    """A decoded picture, or the error message of one that cannot be decoded."""

    picture: Image.Image | None
    error_message: str | None
    written: WrittenPrompt | None


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
        ahead: tuple[list[PictureInput], list[Future[_Loaded]]] | None = None
        for batch in _batches(iter(pictures), batch_size):
            following = batch, [pool.submit(_load, picture, query.metadata) for picture in batch]
            if ahead is not None:
                yield from _invert_batch(inverter, *ahead, query)
            ahead = following
        if ahead is not None:
            yield from _invert_batch(inverter, *ahead, query)


def _batches(pictures: Iterator[PictureInput], size: int) -> Iterator[list[PictureInput]]:
    while batch := list(islice(pictures, size)):
        yield batch


def _load(picture: PictureInput, metadata: bool) -> _Loaded:
    try:
        loaded = picture.load()
    except UnreadableImageError as error:
        return _Loaded(None, str(error), None)
    return _Loaded(loaded, None, picture.read_metadata() if metadata else None)


def _invert_batch(
    inverter: Inverter, pictures: list[PictureInput], loading: list[Future[_Loaded]], query: Query
) -> Iterator[BatchRecord]:
    loaded = [future.result() for future in loading]
    answers = iter(inverter.invert_images([one.picture for one in loaded if one.picture], query))
    for picture, one in zip(pictures, loaded, strict=True):
        name, image_id = printable(picture.name), printable(picture.image_id)
        if one.error_message is not None:
            yield BatchRecord(name, image_id, None, printable(one.error_message))
        else:
            answer = replace(next(answers), metadata_prompt=one.written)
            yield BatchRecord(name, image_id, answer)


def printable(name: str) -> str:
    """A file name as text for any output: a byte that is not UTF-8 becomes \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
