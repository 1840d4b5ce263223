"""A table with a column of prompts and columns of scores -> batches of the requested columns.

Releases of one collection name the same column differently. So every column is searched under
several names, in any case.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.rows import find_column, missing_column
from unprompt.build.corpus.formats.tables import stream_table
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.filters import wanted_scores

Names = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ScoredTable:
    """The possible names of a table's columns: prompts, and scores by their name in filters.py."""

    prompt: Sequence[str]
    scores: Names = field(default_factory=dict)
    stream: Callable[..., Iterator[pl.DataFrame]] = stream_table

    def read(self, path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
        """Yield frames of `prompt` and the scores that the settings filter by."""
        wanted: dict[str, Sequence[str]] = {"prompt": self.prompt}
        wanted |= {score: self.scores.get(score, ()) for score in wanted_scores(config)}
        if config.column is not None:
            wanted["prompt"] = (config.column,)
        if config.similarity_column is not None and "similarity" in wanted:
            wanted["similarity"] = (config.similarity_column,)
        for frame in self.stream(path, partial(_pick, wanted), tally):
            yield frame.rename(dict(zip(frame.columns, wanted, strict=False)))


def _pick(wanted: Names, columns: Sequence[str], path: Path) -> list[str]:
    picked = []
    for meaning, names in wanted.items():
        found = find_column(columns, names)
        if found is None:
            raise missing_column(path, f"{' or '.join(names)} for the {meaning}".strip(), columns)
        picked.append(found)
    return picked
