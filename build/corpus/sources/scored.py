"""A table with a column of prompts and columns of scores -> batches of the ones that are asked for.

Different releases of a collection name the same thing differently: every column is looked for under
several names, in any case.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.tables import stream_table
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.filters import wanted_scores
from unprompt.index.base.errors import CorpusError

Names = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ScoredTable:
    """The columns of a kind of table: prompts, and the scores by their name in filters.py."""

    prompt: Sequence[str]
    scores: Names = field(default_factory=dict)
    stream: Callable[..., Iterator[pl.DataFrame]] = stream_table

    def read(self, path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
        """Frames of `prompt` and the scores that the settings look at."""
        wanted: dict[str, Sequence[str]] = {"prompt": self.prompt}
        wanted |= {score: self.scores.get(score, ()) for score in wanted_scores(config)}
        if config.column is not None:
            wanted["prompt"] = (config.column,)
        if config.similarity_column is not None and "similarity" in wanted:
            wanted["similarity"] = (config.similarity_column,)
        for frame in self.stream(path, partial(_pick, wanted), tally):
            yield frame.rename(dict(zip(frame.columns, wanted, strict=False)))


def _pick(wanted: Names, columns: Sequence[str], path: Path) -> list[str]:
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    picked = []
    for meaning, names in wanted.items():
        found = next((by_name[name.lower()] for name in names if name.lower() in by_name), None)
        if found is None:
            setting = "column" if meaning == "prompt" else meaning
            raise CorpusError(
                f"{path} has no column {' or '.join(names) or 'known'} for the {setting} that is "
                f"asked for; its columns are: {', '.join(columns) or 'none'}"
            )
        picked.append(found)
    return picked
