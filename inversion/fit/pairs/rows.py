"""Folders of labelled pairs -> rows with prompt vectors, features of towers, and weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.durable import digest_json, write_atomically
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import BulkEncoder, PromptEncoder, to_unit_length
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.pairs.labelled_pairs import iterate_pictures
from unprompt.inversion.fit.by_prompt import group_numbers
from unprompt.inversion.fit.pairs.config import RowWeights

PHOTOGRAPHS = "photos"  # the kind of pictures with captions instead of prompts
UNKNOWN = "unknown"  # the source of a pair that names none


@dataclass(frozen=True)
class PairRows:
    """Pictures with their prompts, one row per picture."""

    table: pl.DataFrame  # LABELLED
    targets: np.ndarray  # (n, d_prompt) unit length; the mean over the captions of a picture
    features: Mapping[str, np.ndarray]  # by tower: (n, d_image) unit length

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def sources(self) -> np.ndarray:
        """The collection of each row, (n,)."""
        return self.table["source"].fill_null(UNKNOWN).to_numpy()

    @property
    def prompts(self) -> np.ndarray:
        """The number of each row's prompt, (n,): equal for pictures of the same prompt."""
        return group_numbers([tuple(found) for found in self.table["prompts"].to_list()])

    @property
    def photographs(self) -> np.ndarray:
        """Whether each row is a photograph, (n,)."""
        return (self.table["kind"] == PHOTOGRAPHS).fill_null(False).to_numpy()

    def weigh(self, config: RowWeights) -> np.ndarray:
        """The weight of each row, (n,); see RowWeights."""
        weights = 1.0 / np.sqrt(np.bincount(self.prompts)[self.prompts])
        sources = self.sources
        for start, factor in config.sources.items():
            weights[[str(name).startswith(start) for name in sources]] *= factor
        total = weights.sum()
        for name in np.unique(sources):
            own = sources == name
            weights[own] *= weights[own].sum() ** -config.balance
        return np.asarray(weights * total / weights.sum())

    def take(self, places: np.ndarray) -> "PairRows":
        """The rows at `places`: positions, or a mask (n,)."""
        numbers = np.arange(len(self))[places]
        features = {name: values[numbers] for name, values in self.features.items()}
        return replace(
            self, table=self.table[numbers], targets=self.targets[numbers], features=features
        )


def read_rows(
    table: pl.DataFrame,
    encoders: Mapping[str, BulkEncoder],
    prompts: PromptEncoder,
    cache: Path,
    progress: Progress = SILENT,
) -> PairRows:
    """Encode pairs (rows of LABELLED without faults) and keep the vectors in `cache`.

    A picture that cannot be read is left out, with a note.
    """
    digest = digest_json(table.drop("path").to_dicts())[:12]
    targets = _cached(cache / f"targets-{digest}.npy", partial(encode_prompt_lists, table, prompts))
    features: dict[str, np.ndarray] = {}
    for name, encoder in encoders.items():
        path = cache / f"{name}-{encoder.space}-{digest}.npy"
        features[name] = _cached(path, partial(_encode, table, name, encoder, progress))
    readable = np.all([np.isfinite(found[:, 0]) for found in features.values()], axis=0)
    if not readable.all():
        progress.note(f"{int((~readable).sum())} pictures cannot be read and are left out")
    return PairRows(table, targets, features).take(readable)


def join_rows(parts: Sequence[PairRows]) -> PairRows:
    """All rows of several sets, in order."""
    features = {
        name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features
    }
    targets = np.concatenate([part.targets for part in parts])
    return PairRows(pl.concat([part.table for part in parts]), targets, features)


def encode_prompt_lists(table: pl.DataFrame, prompts: PromptEncoder) -> np.ndarray:
    """The mean vector of the prompts of each row, at unit length: (n, d_prompt)."""
    lists = table["prompts"].to_list()
    texts = sorted({text for own in lists for text in own})
    vectors = dict(zip(texts, prompts.encode(texts), strict=True))
    return to_unit_length(np.stack([np.mean([vectors[t] for t in own], axis=0) for own in lists]))


def _encode(table: pl.DataFrame, name: str, encoder: BulkEncoder, progress: Progress) -> np.ndarray:
    """Vectors (n, d_image), not a number where a picture cannot be read."""
    found = encode_contents(encoder, iterate_pictures(table))
    missing = np.full(encoder.dim, np.nan, dtype=np.float32)
    tracked = progress.track(found, f"encode with {name}", table.height)
    return np.stack(
        [vector if isinstance(vector, np.ndarray) else missing for _, vector in tracked]
    )


def _cached(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    if not path.is_file():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as temporary, temporary.open("wb") as handle:
            np.save(handle, made)
    return np.load(path, allow_pickle=False)
