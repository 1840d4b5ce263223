"""Folders of labelled pairs, one per world, and of kinds -> the pictures that fit a router.

A class has at most `limit` pictures. A stable hash chooses them: all sources get the same share, as
far as they go, and within a source all prompts.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError
from unprompt.index.pairs.labelled_pairs import open_labelled_pairs
from unprompt.inversion.fit.by_prompt import group_numbers

FEWEST_SOURCES = 4  # fewer do not fill the folds of a cross-fit: then prompts are the groups


class LabelledPictures(NamedTuple):
    """n pictures with the class of each."""

    rows: pl.DataFrame  # LABELLED, with a picture and a prompt each
    world: np.ndarray  # (n,) position of the world, or of the kind behind the worlds
    group: np.ndarray  # (n,) number of the source, or of the prompt; no two classes share one
    kinds: tuple[str, ...]  # in the order of their positions

    @property
    def by_class(self) -> list[pl.DataFrame]:
        """The rows of each class; one after the other they are all rows."""
        return [self.rows.filter(pl.Series(self.world == one)) for one in np.unique(self.world)]

    def take(self, mask: np.ndarray) -> "LabelledPictures":
        """The pictures under a mask (n,)."""
        return LabelledPictures(
            self.rows.filter(pl.Series(mask)), self.world[mask], self.group[mask], self.kinds
        )


def gather_pictures(
    pairs: Mapping[str, Path],
    kinds: Sequence[Path] = (),
    limit: int | None = None,
    known: Mapping[str, Collection[str]] | None = None,
) -> LabelledPictures:
    """The pictures of every world in `pairs`, then those of kinds by their column `kind`.

    Where it is empty, the kind is the name of the folder or table.
    `known` holds the names to choose from for a world that has an honest answer to some pictures
    only. Raises CorpusError where a folder holds no pairs, and ConfigError where none are left.
    """
    parts: list[pl.DataFrame] = []
    for name, path in pairs.items():
        rows = open_labelled_pairs(path).whole
        if known is not None and name in known:
            rows = rows.filter(pl.col("name").is_in(list(known[name])))
            if not rows.height:
                raise ConfigError(
                    f"the validation of the world {name} names no picture of {path}; give the "
                    "pairs that it was made of, or remove the file"
                )
        parts.append(rows)
    if kinds:
        found = pl.concat([_open_kinds(path) for path in kinds])
        parts += found.partition_by("kind", maintain_order=True)
    chosen = [spread_choice(part, limit) for part in parts]
    empty = next((name for name, part in zip(pairs, chosen, strict=False) if not part.height), None)
    if empty is not None:
        raise ConfigError(f"{pairs[empty]} has no picture with a prompt for the world {empty}")
    labels = [(place, *label) for place, part in enumerate(chosen) for label in _groups(part)]
    names = tuple(str(part["kind"][0]) for part in chosen[len(pairs) :])
    world = np.repeat(np.arange(len(chosen)), [part.height for part in chosen])
    return LabelledPictures(pl.concat(chosen), world, group_numbers(labels), names)


def _open_kinds(path: Path) -> pl.DataFrame:
    """Rows of pictures without a kind are of the kind that the folder is called."""
    return open_labelled_pairs(path).whole.with_columns(pl.col("kind").fill_null(path.stem))


def spread_choice(rows: pl.DataFrame, limit: int | None) -> pl.DataFrame:
    """At most `limit` rows of LABELLED, spread over sources and prompts, in the old order."""
    if limit is None or rows.height <= limit:
        return rows
    order = [stable_id("join", name) for name in rows["name"].to_list()]
    prompts = group_numbers([tuple(own) for own in rows["prompts"].to_list()])
    ranked = (
        pl.DataFrame(
            {"place": range(rows.height), "hash": order, "prompt": prompts},
            schema_overrides={"hash": pl.UInt64},
        )
        .with_columns(rows["source"].fill_null(""))
        .sort("hash")
        .with_columns(turn=pl.int_range(pl.len()).over("source", "prompt"))
        .sort("turn", "hash")
        .with_columns(rank=pl.int_range(pl.len()).over("source"))
        .sort("rank", "hash")
    )
    return rows[ranked["place"][:limit].sort()]


def _groups(rows: pl.DataFrame) -> list[tuple[str, object]]:
    """The source of each row, where there are enough of them; else its prompt."""
    sources = rows["source"].to_list()
    enough = len(set(sources) - {None}) >= FEWEST_SOURCES
    return [
        ("source", source) if enough and source is not None else ("prompt", tuple(prompts))
        for source, prompts in zip(sources, rows["prompts"].to_list(), strict=True)
    ]
