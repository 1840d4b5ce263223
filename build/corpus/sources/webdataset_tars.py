"""WebDataset tars, such as img2dataset's -> PAIRS rows, and pictures by offset.

The members of a sample share their name up to the first dot of the file name. The prompts are those
of the sample's `.txt`, or else of its `.json`; with the setting `column` they are that key of the
json. No other member is read, in particular none that webdataset would unpickle.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.sources.collection import FIRST, CollectionConfig
from unprompt.build.corpus.sources.filters import GROUP
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.pairs import Fetch, PairReader, pairs_frame, too_large
from unprompt.index.archives.archive import ARCHIVES, archive_members, read_archived
from unprompt.index.archives.tars import TarMember
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.formats.rows import text_frame
from unprompt.index.formats.tally import Tally
from unprompt.index.images.pictures import DEFAULT_LIMITS
from unprompt.index.images.samples import (
    Sample,
    Samples,
    read_samples,
    sample_fact,
    sample_texts,
)
from unprompt.index.pairs.written_prompts import written_prompts

DAMAGED, WITHOUT_TEXT = "damaged archive", "picture without a text"
SECOND = "second picture of a sample"
NO_PICTURE = "the sample holds no picture"
# prompt, name of the picture, group; offset, size, fault
Row = tuple[str, str, str | None, int | None, int | None, str | None]


def list_tar(unit: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the pairs of an archive; of a truncated tar, the complete ones."""
    samples: Samples = {}
    try:
        read_samples(archive_members(unit), samples)
    except DamagedFileError as error:
        tally.read += 1
        tally.fault(f"{error}; fetch it again", DAMAGED)
    kept = [row for sample in samples.values() for row in _rows(unit, sample, config, tally)]
    names = ("prompt", "picture", GROUP)
    columns: list[list[str | None]] = [
        [row[0] for row in kept], [row[1] for row in kept], [row[2] for row in kept]
    ]  # fmt: skip
    frame = text_frame(names, columns, tally)
    if config.group is None:
        frame = frame.drop(GROUP)
    places = pl.DataFrame(
        [row[3:] for row in kept],
        schema={"offset": pl.Int64, "size": pl.Int64, "fault": pl.String},
        orient="row",
    )
    yield pairs_frame(pl.concat([frame, places], how="horizontal"))


@contextmanager
def open_tar(unit: Path, config: CollectionConfig) -> Iterator[Fetch]:
    """Open an archive to fetch its pictures by offset."""

    def fetch(row: Mapping[str, Any]) -> bytes:
        if row["size"] > DEFAULT_LIMITS.max_bytes:
            raise too_large(f"{unit}/{row['picture']}")
        return read_archived(unit, TarMember(row["picture"], row["offset"], row["size"]))

    yield fetch


def _rows(unit: Path, sample: Sample, config: CollectionConfig, tally: Tally) -> list[Row]:
    """The pairs of a sample: one for each of its prompts, or none."""
    for other in sample.others:
        tally.read += 1
        tally.fault(f"{unit}/{other.name} shares its key with another picture", SECOND)
    picture = sample.picture
    tally.read += 1
    name = (picture or next(iter(sample.texts.values()))).name

    def read(member: TarMember) -> bytes:
        return read_archived(unit, member)

    try:
        prompts = sample_texts(sample.texts, read, config.column)
        small = picture is not None and picture.size <= DEFAULT_LIMITS.max_bytes
        if picture is not None and small and not prompts and config.column is None:
            prompts = written_prompts(read(picture))
        group = None if config.group is None else sample_fact(sample.texts, read, config.group)
    except (DamagedFileError, ValueError, RecursionError) as error:
        tally.fault(f"{unit}/{name}: {error}")
        return []
    if not prompts:
        tally.fault(f"{unit}/{name} has no prompt", WITHOUT_TEXT)
        return []
    if config.captions == FIRST:
        prompts = prompts[:1]
    tally.read += len(prompts) - 1
    if picture is None:
        return [(prompt, name, group, None, None, NO_PICTURE) for prompt in prompts]
    place = (picture.offset, picture.size, picture.fault)
    return [(prompt, name, group, *place) for prompt in prompts]


WEBDATASET = Kind(
    name="webdataset",
    title="webdataset tars, img2dataset's too",
    files="*.tar, *.tar.gz, *.zip and the like, with pictures and .txt or .json",
    licence="that of your pictures",
    read=list_tar,
    patterns=(tuple(f"*{suffix}" for suffix in ARCHIVES),),
    settings=("column", "captions", "group"),
    example={"path": "shards"},
    pairs=PairReader(list_tar, open_tar),
)
