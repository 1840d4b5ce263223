"""A batch of prompts with scores -> the rows that pass the settings of its collection."""

import polars as pl

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.index.base.errors import CorpusError
from unprompt.index.captions.normalize import normalize
from unprompt.index.formats.nsfw_words import nsfw_number
from unprompt.index.formats.tally import BLANK, Tally

# The settings with a limit; without its prefix each one is the name of a score.
LIMITS = ("min_similarity", "max_prompt_nsfw", "max_image_nsfw", "max_watermark", "min_aesthetic")
LANGUAGE, GROUP = "language", "group"
SCORES = (*(name[4:] for name in LIMITS), LANGUAGE)


def wanted_scores(config: CollectionConfig) -> list[str]:
    """The scores that the settings need, which a reader must add to its frames."""
    found = [name[4:] for name in LIMITS if getattr(config, name) is not None]
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
    for name in LIMITS:
        score, limit = name[4:], getattr(config, name)
        if limit is None:
            continue
        number = pl.col(score).cast(pl.Float64, strict=False).fill_nan(None)
        if score.endswith("nsfw"):
            number = nsfw_number(pl.col(score))
        known = kept.filter(number.is_not_null())
        tally.drop(f"no {score}", kept.height - known.height)
        kept = known.filter(number >= limit if name.startswith("min_") else number <= limit)
        tally.drop(name, known.height - kept.height)
    if config.language is not None:
        spoken = kept.filter(pl.col(LANGUAGE) == config.language)
        tally.drop(LANGUAGE, kept.height - spoken.height)
        kept = spoken
    return kept.drop([column for column in SCORES if column in kept.columns])
