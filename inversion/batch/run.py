"""Pictures in files -> one record a picture, in order; a bad picture stops nothing."""

import os
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from PIL import Image

from unprompt.index.base.errors import UnreadableImageError
from unprompt.inversion.answer import Inversion
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.inverter import BATCH, Inverter
from unprompt.inversion.metadata.picture_metadata import WrittenPrompt
from unprompt.inversion.query import Query

DECODERS = 4  # threads that open pictures


@dataclass(frozen=True)
class BatchRecord:
    """What became of one picture."""

    image: str  # as the user named it
    image_id: str
    inversion: Inversion | None  # None where it could not be read
    error_message: str | None = None

    @property
    def status(self) -> str:
        """success | failed."""
        return "failed" if self.inversion is None else "success"


class _Loaded(NamedTuple):
    """A picture that was opened, or why it could not be."""

    picture: Image.Image | None
    fault: str | None
    written: WrittenPrompt | None


def invert_pictures(
    inverter: Inverter,
    pictures: Iterable[PictureInput],
    query: Query = Query(),
    batch_size: int = BATCH,
    done: Container[str] = (),
) -> Iterator[BatchRecord]:
    """Invert pictures in batches, keeping their order; the next batch is decoded meanwhile.

    Pictures named in `done` give no record. The batches are the same with them or without: a
    tower's last bits depend on what is in a batch, and a run that goes on shall end as if it had
    never stopped.
    """
    with ThreadPoolExecutor(DECODERS) as pool:
        ahead: tuple[list[PictureInput], list[Future[_Loaded]]] | None = None
        for block in _blocks(iter(pictures), batch_size):
            if all(printable(picture.name) in done for picture in block):
                continue
            following = block, [pool.submit(_load, picture, query.metadata) for picture in block]
            if ahead is not None:
                yield from _invert_batch(inverter, *ahead, query, done)
            ahead = following
        if ahead is not None:
            yield from _invert_batch(inverter, *ahead, query, done)


def _blocks(pictures: Iterator[PictureInput], size: int) -> Iterator[list[PictureInput]]:
    while block := list(islice(pictures, size)):
        yield block


def _load(picture: PictureInput, metadata: bool) -> _Loaded:
    try:
        loaded = picture.load()
    except UnreadableImageError as error:
        return _Loaded(None, str(error), None)
    return _Loaded(loaded, None, picture.read_metadata() if metadata else None)


def _invert_batch(
    inverter: Inverter,
    pictures: list[PictureInput],
    loading: list[Future[_Loaded]],
    query: Query,
    done: Container[str],
) -> Iterator[BatchRecord]:
    loaded = [future.result() for future in loading]
    answers = iter(inverter.invert_images([one.picture for one in loaded if one.picture], query))
    for picture, one in zip(pictures, loaded, strict=True):
        name, image_id = printable(picture.name), printable(picture.image_id)
        if one.fault is not None:
            record = BatchRecord(name, image_id, None, printable(one.fault))
        else:
            answer = replace(next(answers), metadata_prompt=one.written)
            record = BatchRecord(name, image_id, answer)
        if name not in done:
            yield record


def printable(name: str) -> str:
    """A file's name as text that every output can hold: a byte that is no UTF-8 becomes \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
