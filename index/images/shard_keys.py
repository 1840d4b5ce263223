"""The keys of a shard's table and tar -> names that are alike in both, and that name the shard."""

from collections.abc import Callable

import polars as pl

from unprompt.index.base.errors import CorpusError

OF = "/"  # between the name of the shard and a key that does not begin with it


def full_key(stem: str, key: str) -> str:
    """The key with the name of its shard: as it is where it begins with that."""
    return key if key.startswith(stem) else f"{stem}{OF}{key}"


def pad_keys(keys: pl.Series, first: Callable[[], str | None]) -> pl.Series:
    """The keys of a table as text, with the zeros in front that tables of numbers lose.

    `first` gives a key as the tar writes it, whose width all numbers get. Raises CorpusError for
    keys that are neither texts nor whole numbers.
    """
    lost = False
    if keys.dtype.is_float():
        whole = keys.cast(pl.Int64, strict=False)
        if (whole.cast(keys.dtype) != keys).any():
            raise CorpusError(f"the column key holds {keys.dtype}, wanted texts or whole numbers")
        keys = whole
    if keys.dtype.is_integer():
        lost = True
    elif keys.dtype == pl.Binary:
        keys = keys.cast(pl.String, strict=False)
    elif keys.dtype.is_nested():
        raise CorpusError(f"the column key holds {keys.dtype}, wanted texts or whole numbers")
    texts = keys.cast(pl.String).fill_null("")
    sample = first()
    if sample is None or not _is_number(sample) or (not lost and sample in set(texts)):
        return texts
    numbers = texts.str.contains(r"^[0-9]+$")
    padded = texts.str.zfill(len(sample))
    return texts.to_frame("key").select(
        pl.when(numbers).then(padded).otherwise(pl.col("key")).alias("key")
    )["key"]


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdecimal()
