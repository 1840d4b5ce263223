"""Pictures in files -> one record a picture, in order; a bad picture stops nothing."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from PIL import Image

from unprompt.index.errors import UnreadableImageError
from unprompt.inversion.inputs import PictureInput
from unprompt.inversion.inversion import Inversion
from unprompt.inversion.inverter import Inverter, Query
from unprompt.inversion.metadata import WrittenPrompt

BATCH = 32


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


def invert_pictures(
    inverter: Inverter,
    pictures: Iterable[PictureInput],
    query: Query = Query(),
    batch_size: int = BATCH,
) -> Iterator[BatchRecord]:
    """Invert pictures in batches, keeping their order."""
    waiting: list[PictureInput] = []
    for picture in pictures:
        waiting.append(picture)
        if len(waiting) == batch_size:
            yield from _invert_batch(inverter, waiting, query)
            waiting = []
    if waiting:
        yield from _invert_batch(inverter, waiting, query)


def _invert_batch(
    inverter: Inverter, pictures: list[PictureInput], query: Query
) -> Iterator[BatchRecord]:
    loaded: list[Image.Image] = []
    faults: list[str | None] = []
    written: list[WrittenPrompt | None] = []
    for picture in pictures:
        try:
            loaded.append(picture.load())
            faults.append(None)
            written.append(picture.read_metadata() if query.metadata else None)
        except UnreadableImageError as error:
            faults.append(str(error))
    answers = iter(
        replace(answer, metadata_prompt=found)
        for answer, found in zip(inverter.invert(loaded, query), written, strict=True)
    )
    for picture, fault in zip(pictures, faults, strict=True):
        answer = next(answers) if fault is None else None
        name, image_id = printable(picture.name), printable(picture.image_id)
        yield BatchRecord(name, image_id, answer, None if fault is None else printable(fault))


def printable(name: str) -> str:
    """A file's name as text that every output can hold: a byte that is no UTF-8 becomes \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
