"""Real pairs of pictures and prompts -> rows with targets, features and weights; folds by source.

`read_real` lists the pairs, encodes the prompts and the pictures, and caches both. `folds` leaves
one source out at a time. A predictor gets the rows of a fold and may read the pictures itself:
`rows.table` has the columns LABELLED of `unprompt.index.images.labelled_pairs`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.index.base.durable import digest_json
from unprompt.index.encoders.protocols import EncoderConfig, to_unit_length
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.images.labelled_pairs import iterate_pictures, open_labelled_pairs
from unprompt.index.prompt_encoders.target_encoder import load_bulk_prompt_encoder
from unprompt.inversion.fit.by_prompt import group_numbers

PHOTOGRAPHS = "photos"  # the kind that always trains and is never a test source
STYLE_SHEETS = ("andygock/", "SupaGruen/")  # many rows of few subjects
STYLE_SHEET_WEIGHT = 0.15
SMALLEST_SOURCE = 40  # rows
NEAR = 0.8  # prompts at least this close to a test prompt leave the training rows


@dataclass(frozen=True)
class RealRows:
    """Pictures with their prompts, one row per picture."""

    table: pl.DataFrame  # LABELLED
    targets: np.ndarray  # (n, 384) unit length; the mean of all captions of a photograph
    features: Mapping[str, np.ndarray]  # by tower: (n, d) unit length

    @property
    def sources(self) -> np.ndarray:
        """The collection of each row, (n,)."""
        return self.table["source"].fill_null("unknown").to_numpy()

    @property
    def prompts(self) -> np.ndarray:
        """The number of each row's prompt, (n,): equal for pictures of the same prompt."""
        return group_numbers([tuple(found) for found in self.table["prompts"].to_list()])

    @property
    def photographs(self) -> np.ndarray:
        """Whether each row is a photograph, (n,)."""
        return (self.table["kind"] == PHOTOGRAPHS).fill_null(False).to_numpy()

    @property
    def weights(self) -> np.ndarray:
        """Weight of each row in a training, (n,).

        Rows of a prompt with c pictures weigh 1 / sqrt(c), those of a style sheet 0.15 of it.
        """
        weights = 1.0 / np.sqrt(np.bincount(self.prompts)[self.prompts])
        sheet = [source.startswith(STYLE_SHEETS) for source in self.sources]
        return np.where(sheet, STYLE_SHEET_WEIGHT, 1.0) * weights

    def take(self, places: np.ndarray) -> "RealRows":
        """The rows at `places`: positions, or a mask (n,)."""
        numbers = np.arange(len(self.targets))[places]
        features = {name: values[numbers] for name, values in self.features.items()}
        return RealRows(self.table[numbers], self.targets[numbers], features)


# Predicts the vectors (n, 384) of the test rows; must not read their prompts or targets.
Predict = Callable[[RealRows, RealRows], np.ndarray]


class Fold(NamedTuple):
    """One source as the test set, and the rows that may train for it."""

    source: str
    train: RealRows
    test: RealRows


def folds(rows: RealRows, smallest: int = SMALLEST_SOURCE, near: float = NEAR) -> Iterator[Fold]:
    """Leave each source with at least `smallest` rows out; photographs always train.

    Rows with a cosine of at least `near` to a prompt of the test source do not train.
    """
    sources, photographs = rows.sources, rows.photographs
    names, counts = np.unique(sources[~photographs], return_counts=True)
    for name in names[counts >= smallest].tolist():
        own = (sources == name) & ~photographs
        test = np.unique(rows.targets[own], axis=0)
        close = (rows.targets @ test.T).max(axis=1) >= near
        yield Fold(name, rows.take(~own & ~close), rows.take(own))


def read_real(folder: Path, cache: Path, towers: Sequence[str]) -> RealRows:
    """Read the pairs in `folder`, with the features of offline `towers` cached in `cache`."""
    table = open_labelled_pairs(folder).whole
    digest = digest_json(table.drop("path").to_dicts())[:12]
    targets = _cached(cache / f"targets-{digest}.npy", lambda: _encode_prompts(table))
    features = {
        tower: _cached(
            cache / f"{tower}-{digest}.npy", lambda tower=tower: _encode(table, tower, cache)
        )
        for tower in towers
    }
    return RealRows(table, targets, features)


def _cached(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    if not path.is_file():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, made)
    return np.load(path)


def _encode_prompts(table: pl.DataFrame) -> np.ndarray:
    lists = table["prompts"].to_list()
    texts = sorted({text for prompts in lists for text in prompts})
    vectors = dict(zip(texts, load_bulk_prompt_encoder().encode(texts), strict=True))
    return to_unit_length(np.stack([np.mean([vectors[t] for t in own], axis=0) for own in lists]))


def _encode(table: pl.DataFrame, tower: str, cache: Path) -> np.ndarray:
    """All scales of an offline tower, at its own size."""
    folder = cache / f"encoder-{tower}"
    if not (folder / "encoder.json").is_file():
        export_encoder(EncoderConfig(model=tower, output="features", precision="f32"), folder)
    vectors = []
    for name, vector in encode_contents(load_encoder(folder), iterate_pictures(table)):
        if not isinstance(vector, np.ndarray):
            raise SystemExit(f"{name}: {vector}")
        vectors.append(vector)
    return np.stack(vectors)
