"""A batch of prompts with scores -> the rows that pass the settings of its collection."""

from collections.abc import Callable

import polars as pl

from unprompt.build.corpus.cleaning.normalize import normalize
from unprompt.build.corpus.formats.tally import BLANK, Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.index.base.errors import CorpusError

# setting -> the score that it limits, and the condition to pass
THRESHOLDS: dict[str, tuple[str, Callable[[pl.Expr, float], pl.Expr]]] = {
    "min_similarity": ("similarity", lambda score, limit: score >= limit),
    "max_prompt_nsfw": ("prompt_nsfw", lambda score, limit: score <= limit),
    "max_image_nsfw": ("image_nsfw", lambda score, limit: score <= limit),
    "max_watermark": ("watermark", lambda score, limit: score <= limit),
    "min_aesthetic": ("aesthetic", lambda score, limit: score >= limit),
}
LANGUAGE = "language"
SCORES = (*(score for score, _ in THRESHOLDS.values()), LANGUAGE)


def wanted_scores(config: CollectionConfig) -> list[str]:
    """The scores that the settings need, which a reader must add to its frames."""
    found = [score for name, (score, _) in THRESHOLDS.items() if getattr(config, name) is not None]
    return [*found, LANGUAGE] if config.language is not None else found


def keep_rows(batch: pl.DataFrame, config: CollectionConfig, tally: Tally) -> pl.DataFrame:
    """The rows that pass, with normalized prompts, without the scores; others are counted.

    A row without a needed score, or with one that is not a number, does not pass.
    """
    missing = [score for score in wanted_scores(config) if score not in batch.columns]
    if missing:
        raise CorpusError(f"the kind {config.kind} has no {', '.join(missing)} to filter by")
    normal = batch.with_columns(normalize(batch["prompt"]).alias("prompt"))
    kept = normal.filter(pl.col("prompt").is_not_null() & (pl.col("prompt") != ""))
    tally.drop(BLANK, batch.height - kept.height)
    for name, (score, passes) in THRESHOLDS.items():
        limit = getattr(config, name)
        if limit is None:
            continue
        number = pl.col(score).cast(pl.Float64, strict=False).fill_nan(None)
        known = kept.filter(number.is_not_null())
        tally.drop(f"no {score}", kept.height - known.height)
        kept = known.filter(passes(number, limit))
        tally.drop(name, known.height - kept.height)
    if config.language is not None:
        spoken = kept.filter(pl.col(LANGUAGE) == config.language)
        tally.drop(LANGUAGE, kept.height - spoken.height)
        kept = spoken
    return kept.drop([column for column in SCORES if column in kept.columns])
