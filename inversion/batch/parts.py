"""Pictures -> OUTPUT.parts/00000.jsonl, records of 128 pictures each, by any process -> rows.

Parts are cut from the pictures in their order, so that they are read back in it; a part that is
there is finished.
"""

import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from unprompt.index.base.durable import TEMPORARY_SUFFIX, remove_temporaries, write_atomically
from unprompt.index.base.errors import DamagedFileError
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.results import (
    ResultsLog,
    check_format,
    check_header,
    header_line,
    read_lines,
    record_line,
    row_line,
)
from unprompt.inversion.batch.run import invert_pictures, printable
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query

PART = 128  # pictures; whole batches, so that the answers are those of one process


class PartJob(NamedTuple):
    """One part to make."""

    path: Path
    header: str  # names the bundle, the settings and the part's pictures
    pictures: Sequence[PictureInput]


@dataclass(frozen=True)
class InvertWork:
    """Parts to files, with a bundle that stays loaded."""

    bundle: Path | None
    query: Query
    gpu_search: bool = False

    def load(self, threads: int | None) -> Callable[[PartJob], int]:
        """Load the bundle; the function writes one part and returns how many pictures failed."""
        inverter = Inverter.load(self.bundle, threads)
        if self.gpu_search:
            inverter.use_gpus()

        def invert(job: PartJob) -> int:
            records = list(invert_pictures(inverter, job.pictures, self.query))
            _write(job, map(record_line, records))
            return sum(record.inversion is None for record in records)

        return invert


class ResultParts:
    """The records of one batch, in numbered parts."""

    def __init__(self, output: Path, identity: dict[str, Any], pictures: Sequence[PictureInput]):
        check_format(output)
        self.folder = output.with_name(output.name + ".parts")
        self._identity = identity
        self._pictures = pictures

    @property
    def numbers(self) -> range:
        """Of all parts."""
        return range(-(-len(self._pictures) // PART))

    def job(self, number: int) -> PartJob:
        """What it takes to make one part."""
        pictures = self._pictures[number * PART : (number + 1) * PART]
        names = [printable(picture.name) for picture in pictures]
        header = header_line({**self._identity, "pictures": names})
        return PartJob(self.folder / f"{number:05d}.jsonl", header, pictures)

    def pending(self) -> dict[int, PartJob]:
        """The parts that are still to be made; raises ConfigError where one is of another batch."""
        jobs = {number: self.job(number) for number in self.numbers}
        return {number: job for number, job in jobs.items() if not _is_done(job)}

    def take_over(self, log: ResultsLog) -> None:
        """Keep the whole parts that one process alone has written to its log, and end the log."""
        rows = log.rows()
        for job in map(self.job, self.numbers):
            found = list(islice(rows, len(job.pictures)))
            if [row["image"] for row in found] != [printable(p.name) for p in job.pictures]:
                break
            _write(job, map(row_line, found))
        log.discard()

    def rows(self) -> Iterator[dict[str, Any]]:
        """All records, in the order of the pictures; raises DamagedFileError if a part is gone."""
        for job in map(self.job, self.numbers):
            try:
                yield from read_lines(job.path, job.header)
            except FileNotFoundError as error:
                raise DamagedFileError(
                    f"{job.path} is missing; run the same command again"
                ) from error

    def discard(self) -> None:
        """Remove the parts; at no moment are they there in part."""
        gone = self.folder.with_name(f"{self.folder.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
        try:
            self.folder.rename(gone)
        except FileNotFoundError:  # another process was first
            return
        shutil.rmtree(gone, ignore_errors=True)


def _is_done(job: PartJob) -> bool:
    try:
        with job.path.open(encoding="utf-8") as lines:
            check_header(job.path, lines, job.header)
    except FileNotFoundError:
        return False
    return True


def _write(job: PartJob, lines: Iterable[str]) -> None:
    with write_atomically(job.path, shared=True) as temporary:
        temporary.write_text(f"{job.header}\n{''.join(lines)}", encoding="utf-8")
    remove_temporaries(job.path)
