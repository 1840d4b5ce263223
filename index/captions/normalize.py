"""Prompts as people wrote them (n,) -> the same without control characters and extra spaces."""

import polars as pl

_PLAIN = r"^[!-~]+(?: [!-~]+)*$"  # most prompts match and need no change
# Control characters that are not white space, and invisible marks: zero width space, word joiner,
# byte order mark. Zero width joiners stay, because emoji and several scripts need them.
_INVISIBLE = r"[\p{Cc}&&\S]|[\x{200B}\x{2060}\x{FEFF}]"


def normalize(prompts: pl.Series) -> pl.Series:
    """Prompts (n,) in Unicode NFC, without control characters, with single spaces between words.

    A prompt without a visible character becomes ""; null stays null.
    """
    odd = (~prompts.str.contains(_PLAIN)).arg_true()
    changed = (
        prompts.gather(odd)
        .str.replace_all(_INVISIBLE, "")
        .str.normalize("NFC")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars(" ")
    )
    return prompts.clone().scatter(odd, changed)
