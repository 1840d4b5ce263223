"""A submission csv and a csv of the true prompts -> matched vectors, or what is wrong with them.

Nothing is scored that does not match: every image of the truth has one vector, and every vector has
a true prompt.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.inversion.batch.submission import HEADER

SHOWN = 3  # names in an error message
TRUTH = "imgId,prompt"


class MatchedSubmission(NamedTuple):
    """n submitted images with their true prompts, in the order of the truth."""

    vectors: np.ndarray  # (n, d) float32, submitted, unit length
    truth: np.ndarray  # (n, d) float32, unit length
    prompts: list[str]  # (n,)


def match_truth(submission: Path, prompts: Path, encoder: PromptEncoder) -> MatchedSubmission:
    """Match a submission with a csv of imgId,prompt.

    Raises ConfigError where the files are not what they must be, a vector has another length than
    those of `encoder`, or the images are not the same.
    """
    images, vectors = read_submission(submission, encoder.dim)
    truth = read_truth(prompts)
    missing, extra = truth.keys() - set(images), set(images) - truth.keys()
    if missing:
        raise ConfigError(
            f"{submission} lacks {_named(sorted(missing), 'image')} of {prompts}; "
            "a submission holds every image of the truth"
        )
    if extra:
        raise ConfigError(
            f"{prompts} has no prompt for {_named(sorted(extra), 'image')} of {submission}"
        )
    places = {image: place for place, image in enumerate(images)}
    order = [places[image] for image in truth]
    wanted = list(truth.values())
    return MatchedSubmission(_unit(vectors[order]), encoder.encode(wanted), wanted)


def read_submission(path: Path, dim: int | None = None) -> tuple[list[str], np.ndarray]:
    """Image ids (n) in order of appearance, and their vectors (n, d) float64.

    Lines may come in any order. Raises ConfigError that names the line or image for a file of
    another kind, an id without a number, a value that is no finite number, a number that is
    missing, repeated or out of range, and for vectors of another length than `dim`.
    """
    parts = _split_ids(path, _read_text_csv(path, HEADER))
    dim = dim or int(parts["place"].max()) + 1  # type: ignore[arg-type]
    outside = parts.filter(pl.col("place") >= dim)
    if outside.height:
        raise ConfigError(
            f"{path}: {_line(outside)} is out of place: an image has {dim} numbers, _0 to "
            f"_{dim - 1}"
        )
    twice = parts.filter(pl.struct("image", "place").is_duplicated())
    if twice.height:
        raise ConfigError(f"{path}: {_line(twice)} comes twice")
    counts = parts.group_by("image", maintain_order=True).len()
    short = counts.filter(pl.col("len") < dim)
    if short.height:
        image, found = short.row(0)
        own = set(parts.filter(pl.col("image") == image)["place"].to_list())
        lacking = next(place for place in range(dim) if place not in own)
        raise ConfigError(
            f"{path}: {_named(short['image'].to_list(), 'image')} {_have(short.height)} fewer than "
            f"{dim} numbers; {image!r} has {found} and lacks _{lacking}"
        )
    images = counts["image"].to_list()
    ordered = parts.join(counts.with_row_index("number"), on="image").sort("number", "place")
    return images, ordered["value"].to_numpy().reshape(len(images), dim)


def read_truth(path: Path) -> dict[str, str]:
    """The prompt of every image id of a csv of imgId,prompt, in order.

    Raises ConfigError for another file, an image without a prompt, and an image that comes twice.
    """
    table = _read_text_csv(path, TRUTH, more=True)
    images, prompts = table["imgId"].to_list(), table["prompt"].to_list()
    unnamed = [prompt for image, prompt in zip(images, prompts, strict=True) if not image]
    if unnamed:
        raise ConfigError(f"{path} has {len(unnamed)} rows without imgId, first {unnamed[0]!r}")
    twice = [image for image, count in Counter(images).items() if count > 1]
    if twice:
        raise ConfigError(f"{path} has more than one prompt for {_named(twice, 'image')}")
    empty = [i for i, prompt in zip(images, prompts, strict=True) if not (prompt or "").strip()]
    if empty:
        raise ConfigError(f"{path} has no prompt for {_named(empty, 'image')}")
    return dict(zip(images, prompts, strict=True))


def _read_text_csv(path: Path, header: str, more: bool = False) -> pl.DataFrame:
    """The columns of a csv as text, with at least one row; `more`: others may be there too."""
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"cannot read {path}: {error}; wanted a csv of {header}") from error
    wanted = header.split(",")
    if not set(wanted) <= set(table.columns) or (not more and len(table.columns) > len(wanted)):
        raise ConfigError(f"{path} has columns {table.columns}, wanted {header}")
    if not table.height:
        raise ConfigError(f"{path} has no row below its header, wanted at least one")
    return table.select(wanted)


def _split_ids(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Lines as `id`, `image`, `place` and `value`, each checked."""
    parts = table.select(
        pl.col("imgId_eId").alias("id"),
        pl.col("imgId_eId").str.extract(r"(?s)^(.+)_(?:0|[1-9][0-9]{0,8})$").alias("image"),
        pl.col("imgId_eId").str.extract(r"_(0|[1-9][0-9]{0,8})$").cast(pl.Int64).alias("place"),
        pl.col("val").alias("text"),
        pl.col("val").str.strip_chars().cast(pl.Float64, strict=False).alias("value"),
    )
    unnumbered = parts.filter(pl.col("image").is_null())
    if unnumbered.height:
        raise ConfigError(
            f"{path}: {_line(unnumbered)} has no number; an id is the image and its place, as in "
            "fox_0"
        )
    wrong = parts.filter(pl.col("value").is_finite().not_() | pl.col("value").is_null())
    if wrong.height:
        raise ConfigError(
            f"{path}: {_line(wrong)} is {wrong['text'][0]!r}, wanted a finite number; "
            f"{wrong.height} of {parts.height} values are wrong"
        )
    return parts


def _line(rows: pl.DataFrame) -> str:
    return repr(rows["id"][0] or "an empty line")


def _named(names: Sequence[str], noun: str) -> str:
    """`2 images: 'a', 'b'`, with the first few names."""
    shown = ", ".join(map(repr, names[:SHOWN]))
    more = ", ..." if len(names) > SHOWN else ""
    return f"{len(names)} {noun}{'s' if len(names) > 1 else ''} ({shown}{more})"


def _have(count: int) -> str:
    return "have" if count > 1 else "has"


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, d) of any finite size -> float32 of unit length; zeros stay zeros."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scaled = vectors / np.where(largest > 0, largest, 1.0)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.where(length > 0, length, 1.0), dtype=np.float32)
