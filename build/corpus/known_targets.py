"""Files of prompts with their MiniLM vectors -> a prompt encoder that looks prompts up in them.

Row i of `vectors` (n, 384) belongs to row i of the table. Prompts that the files lack are encoded.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import CorpusError, DamagedFileError, SpaceMismatchError
from unprompt.index.base.settings import STRICT
from unprompt.index.captions.columns import caption_lists
from unprompt.index.captions.normalize import normalize
from unprompt.index.encoders.protocols import PromptEncoder, to_unit_length
from unprompt.index.formats.rows import pick_prompt
from unprompt.index.formats.tables import stream_columns
from unprompt.index.formats.tally import Tally

CHECKED = 16  # prompts that are encoded again
SAME = 0.98  # lowest cosine; fp16 stays over 0.999


@dataclass(frozen=True, config=STRICT)
class TargetsConfig:
    """One table of prompts and the file of its vectors."""

    table: str
    vectors: str  # .npy (n, 384), row i of row i of the table
    column: str | None = None  # of the prompts


class KnownTargets:
    """A prompt encoder that takes the vectors of known prompts from files.

    Memory holds 16 bytes for each known prompt. Raises CorpusError or DamagedFileError where a
    table and its vectors do not fit, SpaceMismatchError where another model made the vectors.
    """

    def __init__(self, files: Sequence[TargetsConfig], encoder: PromptEncoder):
        self.encoder, self.space, self.dim = encoder, encoder.space, encoder.dim
        self._vectors = [_open(one, encoder.dim) for one in files]
        ids = [_ids(one, own, encoder) for one, own in zip(files, self._vectors, strict=True)]
        whole = np.concatenate(ids)
        places = np.arange(len(whole))
        self._ids, first = np.unique(whole, return_index=True)
        self._places = places[first]
        self._starts = np.cumsum([0, *(len(own) for own in self._vectors)])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Prompts -> unit vectors (n, d) float32."""
        wanted = np.array([stable_id(text) for text in texts], dtype=np.uint64)
        rows = np.searchsorted(self._ids, wanted)
        found = rows < len(self._ids)
        found[found] = self._ids[rows[found]] == wanted[found]
        vectors = np.empty((len(texts), self.dim), np.float32)
        for place in np.flatnonzero(found):
            vectors[place] = self._row(int(self._places[rows[place]]))
        found &= np.isfinite(vectors).all(axis=1) & (np.abs(vectors).sum(axis=1) > 0)
        missing = np.flatnonzero(~found)
        if len(missing):
            vectors[missing] = self.encoder.encode([texts[int(place)] for place in missing])
        return to_unit_length(vectors)

    def _row(self, place: int) -> np.ndarray:
        file = int(np.searchsorted(self._starts, place, side="right")) - 1
        return np.asarray(self._vectors[file][place - self._starts[file]], dtype=np.float32)


def _open(files: TargetsConfig, dim: int) -> np.ndarray:
    try:
        vectors = np.load(files.vectors, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedFileError(f"{files.vectors} is not a readable npy file: {error}") from error
    if vectors.ndim != 2 or vectors.shape[1] != dim or vectors.dtype.kind != "f":
        raise SpaceMismatchError(
            f"{files.vectors} holds {vectors.dtype} {vectors.shape}, wanted floating point "
            f"(n, {dim}), the vectors of all-MiniLM-L6-v2"
        )
    return vectors


def _ids(files: TargetsConfig, vectors: np.ndarray, encoder: PromptEncoder) -> np.ndarray:
    """The ids (n,) of the normalized prompts of a table; 0 for a row without one."""
    parts: list[np.ndarray] = []
    count, step, sample = len(vectors), max(1, len(vectors) // CHECKED), dict[int, str]()
    for frame in stream_columns(Path(files.table), pick_prompt(files.column), Tally()):
        lists = caption_lists(frame[frame.columns[0]])
        texts = pl.Series([found[0] if found else "" for found in lists], dtype=pl.String)
        prompts, start = normalize(texts), sum(len(part) for part in parts)
        own = [stable_id(text) if text else 0 for text in prompts]
        parts.append(np.array(own, dtype=np.uint64))
        for place in range(-start % step, len(own), step):
            if own[place]:
                sample[start + place] = prompts[place]
    ids = np.concatenate(parts) if parts else np.empty(0, np.uint64)
    if len(ids) != count:
        raise CorpusError(
            f"{files.vectors} has {count} vectors, {files.table} {len(ids)} rows; row i of one "
            "must be row i of the other"
        )
    _check(files, vectors, sample, encoder)
    return ids


def _check(
    files: TargetsConfig, vectors: np.ndarray, sample: Mapping[int, str], encoder: PromptEncoder
) -> None:
    """Encode some prompts, by row, again; raises SpaceMismatchError where the vectors differ."""
    whole = {row: text for row, text in sample.items() if np.abs(vectors[row]).sum() > 0}  # no NaN
    if not whole:
        return
    stored = to_unit_length(np.stack([vectors[row] for row in whole]))
    made = to_unit_length(encoder.encode(list(whole.values())))
    lowest = float((made * stored).sum(axis=1).min())
    if not lowest >= SAME:
        raise SpaceMismatchError(
            f"the vectors in {files.vectors} are not those of {files.table} by all-MiniLM-L6-v2 "
            f"(lowest cosine {lowest:.3f} of {len(whole)} prompts); leave corpus.targets out, and "
            "the prompts are encoded"
        )
