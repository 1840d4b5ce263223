"""Counts of prompts, pictures and rows -> bytes on disk, file kind by file kind."""

from collections.abc import Sequence
from dataclasses import dataclass

from unprompt.build.planning.rates import PictureSize
from unprompt.build.planning.work import PROMPT_DIM
from unprompt.index.base.errors import ConfigError
from unprompt.index.search.memory import index_size

HALF = 2  # bytes of a float16
# Measured on runs of our own, a row: tar headers with prompt and JSON, and the tables' columns.
TAR_ROW, IMAGES_ROW, METADATA_ROW, ROWS_ROW, PROMPTS_ROW = 3100, 130, 80, 80, 60


@dataclass(frozen=True)
class DiskLine:
    """One kind of file."""

    what: str
    bytes: int
    how: str


def choose_picture_size(
    sizes: Sequence[PictureSize], kind: str, format: str, quality: int | str
) -> PictureSize:
    """The stored size that is known of such pictures, or of the nearest quality.

    Measured sizes come first in `sizes`. Raises ConfigError where the format is not known at all.
    """
    wanted = None if format == "png" else quality
    # scenes are drawn; where only diffusion's size of a format is known it is the nearest there is
    for candidates in (
        [s for s in sizes if s.kind == kind and s.format == format],
        [s for s in sizes if s.format == format],
    ):
        same = [size for size in candidates if size.quality == wanted]
        numbers = [s for s in candidates if isinstance(s.quality, int)]
        if same:
            return same[0]
        if numbers and isinstance(wanted, int):
            return min(numbers, key=lambda s: abs(int(str(s.quality)) - wanted))
    raise ConfigError(
        f"nothing is known about the size of {format} pictures of quality {quality}; "
        "`unprompt bench render --config CONFIG` measures it"
    )


def image_line(count: int, side_px: int, size: PictureSize) -> DiskLine:
    """Pictures in tar shards with their tables."""
    picture = size.bytes_per_pixel * side_px**2
    quality = "" if size.quality is None else f" {size.quality}"
    how = (
        f"{side_px} px, {size.format}{quality}: {size.bytes_per_pixel:.2f} bytes a pixel "
        f"({size.source}, {size.date}); {TAR_ROW + IMAGES_ROW:,} bytes of tar and table each"
    )
    return DiskLine("images", round(count * (picture + TAR_ROW + IMAGES_ROW)), how)


def disk_lines(
    prompts: int, images: int, rows: int, dim: int, factory: str, keep_keys: bool
) -> list[DiskLine]:
    """All but the pictures: corpus, embeddings (`images` of them) and an index of `rows`."""
    targets = HALF * PROMPT_DIM
    corpus = prompts * (2 * targets + PROMPTS_ROW + METADATA_ROW)
    index = index_size(factory, rows, dim).file_bytes
    keys = [DiskLine("keys", rows * HALF * dim, "beside the index, for exact scores")]
    return [
        DiskLine("prompts, targets", corpus, f"{targets} bytes of vector twice, and the text"),
        DiskLine(
            "embeddings", images * (HALF * dim + METADATA_ROW), f"float16, {dim} numbers an image"
        ),
        DiskLine("index.faiss", index, factory),
        DiskLine(
            "rows, targets", rows * (targets + ROWS_ROW), "beside the index, mapped into memory"
        ),
        *(keys if keep_keys else []),
    ]
