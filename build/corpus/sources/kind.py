"""A kind of collection: its description, its reader, and the search for its files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.pairs import PairReader
from unprompt.index.base.errors import CorpusError
from unprompt.index.formats.tally import Tally

# Yields frames with a column `prompt` and the SCORES (filters.py) that the settings need.
Read = Callable[[Path, CollectionConfig, Tally], Iterator[pl.DataFrame]]
EVERY_KIND = frozenset({"kind", "path", "name", "max_rows", "seed"})


@dataclass(frozen=True)
class Kind:
    """A kind of collection: its name, its layout on disk, its reader."""

    name: str
    title: str
    files: str  # the wanted files, in a few words
    licence: str
    read: Read
    # File names to search for below a folder; the first group with a match is used.
    patterns: tuple[tuple[str, ...], ...] = ()
    settings: tuple[str, ...] = ()  # of CollectionConfig, in addition to EVERY_KIND
    example: Mapping[str, str | int | float] = field(default_factory=dict)
    pairs: PairReader | None = None  # if the kind has finished pictures
    find: Callable[[CollectionConfig], list[Path]] | None = None  # replaces `patterns`
    is_unit: Callable[[Path], bool] | None = None  # whether a folder is one unit

    def units(self, config: CollectionConfig) -> list[Path]:
        """The files or folders to read, in order; raises CorpusError if there is none."""
        if self.find is not None:
            return self.find(config)
        path = Path(config.path or "")
        if path.is_file() or (self.is_unit is not None and self.is_unit(path)):
            return [path]
        if not path.is_dir():
            raise CorpusError(f"there is no {path}; the kind {self.name} wants {self.files}")
        for group in self.patterns:
            found = sorted({file for name in group for file in path.rglob(name) if file.is_file()})
            if found:
                return found
        names = ", ".join(name for group in self.patterns for name in group)
        raise CorpusError(
            f"{path} holds none of the files that the kind {self.name} wants: {self.files} "
            f"(searched for {names})"
        )
