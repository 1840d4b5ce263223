"""What the reader of a collection says of itself, and the search for its files below a folder."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.pairs import PairReader
from unprompt.index.base.errors import CorpusError

# Frames with a column `prompt` and those of SCORES (filters.py) that the settings ask for.
Read = Callable[[Path, CollectionConfig, Tally], Iterator[pl.DataFrame]]
EVERY_KIND = frozenset({"kind", "path", "name", "max_rows", "seed"})


@dataclass(frozen=True)
class Kind:
    """A kind of collection: how it is named, what it looks like on disk, who reads it."""

    name: str
    title: str
    files: str  # that are wanted, in a few words
    licence: str
    read: Read
    # Names of files, searched for below a folder; the first group that finds any is taken.
    patterns: tuple[tuple[str, ...], ...] = ()
    settings: tuple[str, ...] = ()  # of CollectionConfig, beyond those that every kind takes
    example: Mapping[str, str | int | float] = field(default_factory=dict)
    pairs: PairReader | None = None  # where it brings finished pictures too
    find: Callable[[CollectionConfig], list[Path]] | None = None  # instead of `patterns`
    is_unit: Callable[[Path], bool] | None = None  # folders that are read as one

    def units(self, config: CollectionConfig) -> list[Path]:
        """The files, or folders, that are read one after the other, in order of their names."""
        if self.find is not None:
            return self.find(config)
        if self.is_unit is not None and self.is_unit(Path(config.path or "")):
            return [Path(config.path or "")]
        return find_files(Path(config.path or ""), self.patterns, self)


def find_files(path: Path, patterns: Sequence[Sequence[str]], kind: Kind) -> list[Path]:
    """The file itself, or the files of a folder; raises CorpusError where there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CorpusError(f"there is no {path}; the kind {kind.name} wants {kind.files}")
    for group in patterns:
        found = sorted({file for name in group for file in path.rglob(name) if file.is_file()})
        if found:
            return found
    names = ", ".join(name for group in patterns for name in group)
    raise CorpusError(
        f"{path} holds none of the files that the kind {kind.name} wants: {kind.files} "
        f"(searched for {names})"
    )
