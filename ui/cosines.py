"""A finished run -> RUN/report/cosines.parquet: how near each held-out picture's answer came."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from unprompt.build.corpus import read_corpus
from unprompt.index.bundle import SEAL
from unprompt.index.errors import ConfigError
from unprompt.index.tables import COSINES, write_table
from unprompt.inversion.evaluate import Examined, examine_run

FILE = Path("report", "cosines.parquet")
HELD_OUT = ("validation", "test")


def write_cosines(run: Path, splits: Sequence[str] = HELD_OUT) -> Path:
    """Answer the held-out pictures again and write a row a picture; returns the file's path."""
    bundle, embeddings = run / "bundle", run / "embeddings" / "image"
    unknown = sorted(set(splits) - set(HELD_OUT))
    if unknown:
        raise ConfigError(f"unknown split {unknown[0]!r}; held out are {', '.join(HELD_OUT)}")
    if not (bundle / SEAL).is_file() or not embeddings.is_dir():
        raise ConfigError(
            f"{run} is not a finished run (wanted {bundle} and {embeddings}); run "
            "`unprompt build` first"
        )
    targets = read_corpus(run / "corpus").targets_of
    found = [_cosines(examine_run(bundle, embeddings, targets, split)) for split in splits]
    write_table(run / FILE, pl.concat(found), COSINES)
    return run / FILE


def _cosines(examined: Examined) -> pl.DataFrame:
    expected = pl.Series([None] * len(examined.cosines), dtype=pl.Float64)
    if examined.expected is not None:
        expected = pl.Series(examined.expected, dtype=pl.Float64)
    return examined.rows.select(
        "image_id", "prompt_id", pl.col("caption").alias("prompt"), "split"
    ).with_columns(
        pl.Series("cosine", examined.cosines, pl.Float64), expected.alias("expected_cosine")
    )
