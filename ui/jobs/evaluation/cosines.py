"""A finished run -> RUN/report/cosines.parquet: the cosine of every held-out picture's answer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.corpus.corpus import read_corpus
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.tables import COSINES, write_table
from unprompt.index.bundle.bundle import BLEND, CONFIDENCE
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.inversion.estimate.blend import load_blend
from unprompt.inversion.estimate.confidence import load_confidence
from unprompt.inversion.estimate.member import estimate_prompts, load_main
from unprompt.inversion.fit.fit import LabelledKeys, labelled_keys

FILE = "cosines.parquet"
HELD_OUT = ("validation", "test")


def write_cosines(run: RunFolder, splits: Sequence[str] = HELD_OUT) -> Path:
    """Predict the prompts of the held-out pictures of `splits`; returns the path of the table.

    Raises ConfigError for an unknown split or an unfinished run.
    """
    unknown = sorted(set(splits) - set(HELD_OUT))
    if unknown:
        raise ConfigError(f"unknown split {unknown[0]!r}; held out are {', '.join(HELD_OUT)}")
    run.require_finished()
    corpus = read_corpus(run.corpus)
    found = [
        _cosines_of(run, labelled_keys(run.image_embeddings, split, corpus)) for split in splits
    ]
    path = run.report / FILE
    write_table(path, pl.concat(found), COSINES)
    return path


def _cosines_of(run: RunFolder, held_out: LabelledKeys) -> pl.DataFrame:
    """The COSINES rows of one split, from the blend."""
    bundle = run.bundle
    estimates = estimate_prompts([load_main(bundle)], [held_out.keys], load_blend(bundle / BLEND))
    cosines = np.einsum("nd,nd->n", estimates.blend, held_out.truth).astype(np.float64)
    expected = pl.Series([None] * len(cosines), dtype=pl.Float64)
    if (bundle / CONFIDENCE).is_file():
        predicted = load_confidence(bundle / CONFIDENCE)(estimates.signals)
        expected = pl.Series(predicted, dtype=pl.Float64)
    return held_out.rows.select(
        "image_id", "prompt_id", pl.col("caption").alias("prompt"), "split"
    ).with_columns(pl.Series("cosine", cosines, pl.Float64), expected.alias("expected_cosine"))
