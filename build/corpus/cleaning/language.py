"""Prompts (n,) -> whether they are in another language than English, (n,) bool, without a model.

A prompt is foreign if it holds at least two function words (articles, prepositions, ...) of one
other language, and more than twice as many as English ones. So a list of nouns passes in any
language that is written in A-Z ("perro, gato"). The share of A-Z among the letters detects other
scripts, and languages with many diacritics.
"""

import polars as pl

_ENGLISH = (
    "the|a|an|of|and|in|on|with|at|by|is|are|from|to|for|his|her|its|as|very|style|this|that|it|"
    "into|under|over|through|wearing|holding|looking"
)
# Words that are English too ("no", "me", "die") are left out.
_FOREIGN = {
    "Spanish": "una|unos|unas|en|con|por|para|que|como|y|su|sus|muy|más|es|al",
    "French": "les|une|dans|avec|sur|et|est|qui|pour|aux|au|ses|sous|très",
    "German": "der|das|und|ein|eine|einer|einem|einen|im|mit|auf|für|ist|dem|den|zu|sehr|wie",
    "Portuguese": "os|uma|um|dos|das|em|com|na|nos|nas|para|que|muito|mais|é|ao|são",
    "Italian": "il|gli|una|uno|un|dei|nel|nella|con|per|che|sul|sulla|molto|più|è",
    "Dutch": "het|een|en|met|aan|voor|naar|zijn|niet|ook|uit|bij",
    "Indonesian": "yang|dan|dengan|untuk|pada|sedang|dari|adalah|sebuah|seorang|tidak",
    "Polish": "się|jest|nie|przez|oraz|który|która|dla|ze",
    "Turkish": "bir|ve|ile|için|olan|çok|gibi|bu|üzerinde",
}
# Words of names too ("Guillermo del Toro"). They count only beside a word of `_FOREIGN`.
_NAMED = "de|del|della|di|da|do|du|des|la|le|el|lo|los|las|van|von|ter"
TIMES = 2


def letter_shares(prompts: pl.Series) -> pl.Series:
    """The share (n,) of A-Z among the letters of each prompt; 1.0 without a letter."""
    table = prompts.alias("prompt").to_frame()
    ascii_only = pl.col("prompt").str.len_bytes() == pl.col("prompt").str.len_chars()
    plain = pl.col("prompt").str.count_matches("[A-Za-z]")
    letters = pl.col("prompt").str.count_matches(r"\p{L}")
    other = table.with_row_index("row").filter(~ascii_only)  # few, because counting is slow
    shares = other.select("row", pl.when(letters > 0).then(plain / letters).otherwise(1.0))
    whole = pl.Series("share", [1.0]).new_from_index(0, prompts.len())
    return whole.scatter(shares["row"], shares.to_series(1))


def is_foreign(prompts: pl.Series) -> pl.Series:
    """Whether the function words of another language outweigh the English ones."""
    lowered = prompts.str.to_lowercase()
    foreign = lowered.str.contains(_words("|".join(_FOREIGN.values())))
    rows = foreign.arg_true()
    found = lowered.gather(rows)
    english = found.str.count_matches(_words(_ENGLISH))
    most = pl.DataFrame(
        {name: found.str.count_matches(_words(words)) for name, words in _FOREIGN.items()}
    ).max_horizontal()
    most += found.str.count_matches(_words(_NAMED))
    outweighed = (most >= TIMES) & (most > TIMES * english)
    return foreign.scatter(rows, outweighed)


def _words(alternatives: str) -> str:
    return rf"\b(?:{alternatives})\b"
