"""Real pairs of pictures and prompts -> rows with targets, features and weights; folds by source.

`read_real` lists the pairs, encodes the prompts and the pictures, and caches both. `folds` leaves
one source out at a time. A predictor gets the rows of a fold and may read the pictures itself:
`rows.table` has the columns LABELLED of `unprompt.index.pairs.labelled_pairs`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.pairs.labelled_pairs import open_labelled_pairs
from unprompt.index.prompt_encoders.target_encoder import load_bulk_prompt_encoder
from unprompt.inversion.fit.pairs.config import RowWeights
from unprompt.inversion.fit.pairs.held_out import leave_sources_out
from unprompt.inversion.fit.pairs.rows import PairRows, read_rows

# Two style sheets have many rows of few subjects.
WEIGHTS = RowWeights(balance=0.0, sources={"andygock/": 0.15, "SupaGruen/": 0.15})
SMALLEST_SOURCE = 40  # rows
NEAR = 0.8  # prompts at least this close to a test prompt leave the training rows


@dataclass(frozen=True)
class RealRows(PairRows):
    """Pairs with the weights of the measure."""

    @property
    def weights(self) -> np.ndarray:
        """Weight of each row in a training, (n,).

        Rows of a prompt with c pictures weigh 1 / sqrt(c), those of a style sheet 0.15 of it.
        """
        return self.weigh(WEIGHTS)


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
    for fold in leave_sources_out(rows, smallest, near):
        yield Fold(fold.source, rows.take(fold.train), rows.take(fold.test))


def read_real(folder: Path, cache: Path, towers: Sequence[str]) -> RealRows:
    """Read the pairs in `folder`, with the features of offline `towers` cached in `cache`."""
    table = open_labelled_pairs(folder).whole
    encoders = {tower: _encoder(tower, cache / f"encoder-{tower}") for tower in towers}
    read = read_rows(table, encoders, load_bulk_prompt_encoder(), cache)
    return RealRows(read.table, read.targets, read.features)


def _encoder(tower: str, folder: Path):  # type: ignore[no-untyped-def]
    """All scales of an offline tower, at its own size."""
    if not (folder / "encoder.json").is_file():
        export_encoder(EncoderConfig(model=tower, output="features", precision="f32"), folder)
    return load_encoder(folder)
