"""A table with a column of prompts and columns of scores -> batches of the requested columns.

Releases of one collection name the same column differently. So every column is searched under
several names, in any case.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from unprompt.build.corpus.sources.collection import FIRST, CollectionConfig
from unprompt.build.corpus.sources.filters import GROUP, wanted_scores
from unprompt.index.captions.names import find_name
from unprompt.index.formats.rows import missing_column
from unprompt.index.formats.tables import stream_table
from unprompt.index.formats.tally import Tally

Names = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ScoredTable:
    """The possible names of a table's columns: prompts, and scores by their name in filters.py."""

    prompt: Sequence[str]
    scores: Names = field(default_factory=dict)

    def read(self, path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
        """Yield frames of `prompt` and the scores that the settings filter by."""
        wanted: dict[str, Sequence[str]] = {"prompt": self.prompt}
        wanted |= {score: self.scores.get(score, ()) for score in wanted_scores(config)}
        if config.column is not None:
            wanted["prompt"] = (config.column,)
        if config.group is not None:
            wanted[GROUP] = (config.group,)
        if config.similarity_column is not None and "similarity" in wanted:
            wanted["similarity"] = (config.similarity_column,)
        first = config.captions == FIRST
        for frame in stream_table(path, partial(_pick, wanted), tally, first):
            yield frame.rename(dict(zip(frame.columns, wanted, strict=False)))


def _pick(wanted: Names, columns: Sequence[str], path: Path) -> list[str]:
    picked = []
    for meaning, names in wanted.items():
        found = find_name(columns, names)
        if found is None:
            raise missing_column(path, f"{' or '.join(names)} for the {meaning}".strip(), columns)
        picked.append(found)
    return picked
