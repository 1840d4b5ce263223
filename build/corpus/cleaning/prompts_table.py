"""Prompts as people wrote them (columns prompt, source) -> a PROMPTS table of distinct ones."""

import polars as pl

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.tables import PROMPTS

# Control characters that are not white space, and marks that show as nothing: zero width space,
# word joiner, byte order mark. Zero width joiners stay, emoji and several scripts need them.
_PLAIN = r"^[!-~]+(?: [!-~]+)*$"  # nothing to do for these, the most
_UNSEEN = r"[\p{Cc}&&\S]|[\x{200B}\x{2060}\x{FEFF}]"


def normalise(prompts: pl.Series) -> pl.Series:
    """Each prompt in Unicode NFC, without control characters, white space collapsed and stripped.

    A row stays a row: a prompt with nothing to see becomes "", and null stays null.
    """
    odd = (~prompts.str.contains(_PLAIN)).arg_true()
    mended = (
        prompts.gather(odd)
        .str.replace_all(_UNSEEN, "")
        .str.normalize("NFC")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars(" ")
    )
    return prompts.clone().scatter(odd, mended)


def make_prompts_table(table: pl.DataFrame) -> pl.DataFrame:
    """Clean, drop blanks and keep the first of identical prompts; every row starts in "train"."""
    missing = [column for column in ("prompt", "source") if column not in table.columns]
    if missing:
        raise CorpusError(f"the prompts to clean have no column {', '.join(missing)}")
    clean = (
        table.select(normalise(table["prompt"]).alias("prompt"), "source")
        .filter(pl.col("prompt").is_not_null() & (pl.col("prompt") != ""))
        .unique("prompt", keep="first", maintain_order=True)
    )
    ids = pl.Series("prompt_id", [stable_id(prompt) for prompt in clean["prompt"]], pl.UInt64)
    return clean.with_columns(
        ids, ids.alias("group_id"), pl.lit("train", pl.String).alias("split")
    ).select(list(PROMPTS))
