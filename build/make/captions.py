"""Prompt files -> a PROMPTS table of distinct prompts; its vectors (n, d), kept on disk in parts.

VECTORS/DIGEST/   text embeddings in clip-retrieval's layout, float16; DIGEST names the prompts
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.build.corpus.cleaning.prompts_table import make_prompts_table
from unprompt.build.corpus.encode_prompts import encode_prompts
from unprompt.build.corpus.sources.prompts import read_prompts
from unprompt.index.base.durable import digest_bytes
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import PromptEncoder, to_unit_length
from unprompt.index.vectors.embeddings import open_vectors


class Captions(NamedTuple):
    """Distinct prompts in the order of their files, and what was read."""

    table: pl.DataFrame  # PROMPTS
    report: dict[str, Any]


def read_captions(paths: Sequence[Path], column: str | None = None) -> Captions:
    """Read prompt files by their suffix; raises CorpusError for a file without a prompt."""
    read = read_prompts(paths, column)
    return Captions(make_prompts_table(read.table), asdict(read.report))


class PromptVectors:
    """Unit vectors (n, d) of n prompts, mapped from disk: a block at a time is in memory."""

    def __init__(self, parts: Sequence[np.ndarray]):
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def parts(self) -> int:
        """How many blocks there are."""
        return len(self._parts)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows and their vectors, float32, part by part."""
        for start, part in zip(self._starts, self._parts, strict=False):
            yield slice(int(start), int(start) + len(part)), to_unit_length(part)

    def whole(self) -> np.ndarray:
        """All vectors (n, d) float32."""
        return self.take(np.arange(len(self)))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of ascending rows, float32."""
        found = []
        for start, part in zip(self._starts, self._parts, strict=False):
            within = rows[(rows >= start) & (rows < start + len(part))] - start
            found.append(to_unit_length(part[within]))
        return np.concatenate(found)


def encode_captions(
    vectors: Path, prompts: pl.DataFrame, encoder: PromptEncoder, progress: Progress = SILENT
) -> PromptVectors:
    """Vectors of a PROMPTS table; parts that an earlier run encoded are taken as they are."""
    ids = prompts["prompt_id"].to_numpy()
    folder = vectors / digest_bytes(encoder.space.encode() + ids.tobytes())[:16]
    encode_prompts(folder, prompts, encoder, progress)
    found = PromptVectors(open_vectors(folder))
    if len(found) != prompts.height:
        raise DamagedFileError(
            f"{folder} has {len(found)} vectors for {prompts.height} prompts; delete it, it is "
            "made again"
        )
    return found
