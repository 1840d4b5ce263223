"""Pictures in files -> one record a picture, in order; a bad picture stops nothing."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image

from unprompt.index.errors import UnreadableImageError
from unprompt.inversion.inputs import PictureInput
from unprompt.inversion.inverter import Inversion, Inverter

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
    candidates: int = 10,
    batch_size: int = BATCH,
) -> Iterator[BatchRecord]:
    """Invert pictures in batches, keeping their order."""
    waiting: list[PictureInput] = []
    for picture in pictures:
        waiting.append(picture)
        if len(waiting) == batch_size:
            yield from _invert_batch(inverter, waiting, candidates)
            waiting = []
    if waiting:
        yield from _invert_batch(inverter, waiting, candidates)


def _invert_batch(
    inverter: Inverter, pictures: list[PictureInput], candidates: int
) -> Iterator[BatchRecord]:
    loaded: list[Image.Image] = []
    faults: list[str | None] = []
    for picture in pictures:
        try:
            loaded.append(picture.load())
            faults.append(None)
        except UnreadableImageError as error:
            faults.append(str(error))
    answers = iter(inverter.invert(loaded, candidates))
    for picture, fault in zip(pictures, faults, strict=True):
        answer = next(answers) if fault is None else None
        name, image_id = printable(picture.name), printable(picture.image_id)
        yield BatchRecord(name, image_id, answer, None if fault is None else printable(fault))


def printable(name: str) -> str:
    """A file's name as text that every output can hold: a byte that is no UTF-8 becomes \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
