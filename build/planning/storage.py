"""Counts of prompts, images and index rows -> bytes on disk per kind of file."""

from collections.abc import Sequence
from dataclasses import dataclass

from unprompt.build.planning.rates import PictureSize
from unprompt.build.planning.work import PROMPT_DIM, PlanRequest
from unprompt.index.base.errors import ConfigError
from unprompt.index.search.factory_string import parse_factory

FLOAT16 = 2  # bytes
# Bytes per row, measured on runs of this project: tar headers with prompt and JSON, table columns.
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
    """The known size of stored images that is nearest: first by kind, then by quality.

    The first of several equally near sizes is taken, so measured sizes should come first. Raises
    ConfigError where no size of the format serves.
    """
    wanted = None if format == "png" else quality

    def quality_gap(size: PictureSize) -> int | None:
        if size.quality == wanted:
            return 0
        numbers = isinstance(size.quality, int) and isinstance(wanted, int)
        return abs(int(str(size.quality)) - int(str(wanted))) if numbers else None

    gaps = [
        (size.kind != kind, gap, place)
        for place, size in enumerate(sizes)
        if size.format == format and (gap := quality_gap(size)) is not None
    ]
    if not gaps:
        raise ConfigError(
            f"nothing is known about the size of {format} pictures of quality {quality}; "
            "`unprompt bench render --config CONFIG` measures it"
        )
    return sizes[min(gaps)[-1]]


def disk_lines(
    request: PlanRequest, factory: str, pictures: Sequence[PictureSize]
) -> list[DiskLine]:
    """Files of a run: images where they are rendered, corpus, embeddings and index."""
    images, rows, dim = request.images, request.rows, request.dim
    vector = FLOAT16 * PROMPT_DIM
    lines = [
        DiskLine(
            "prompts, targets",
            request.prompts * (2 * vector + PROMPTS_ROW + METADATA_ROW),
            f"{vector} bytes of vector twice, and the text",
        ),
        DiskLine(
            "embeddings",
            images * (FLOAT16 * dim + METADATA_ROW),
            f"float16, {dim} numbers an image",
        ),
        DiskLine("index.faiss", parse_factory(factory).size_bytes(rows, dim), factory),
        DiskLine(
            "rows, targets", rows * (vector + ROWS_ROW), "beside the index, mapped into memory"
        ),
    ]
    if request.index.keep_keys:
        keys = DiskLine("keys", rows * FLOAT16 * dim, "beside the index, for exact scores")
        lines.append(keys)
    for render in request.renders[:1]:
        size = choose_picture_size(pictures, render.kind, request.format, request.quality)
        lines.insert(0, _image_line(images, render.stored_px, size))
    return lines


def _image_line(count: int, side_px: int, size: PictureSize) -> DiskLine:
    """Images in tar shards with their tables."""
    each = size.bytes_per_pixel * side_px**2 + TAR_ROW + IMAGES_ROW
    quality = "" if size.quality is None else f" {size.quality}"
    how = (
        f"{side_px} px, {size.format}{quality}: {size.bytes_per_pixel:.2f} bytes a pixel "
        f"({size.source}, {size.date}); {TAR_ROW + IMAGES_ROW:,} bytes of tar and table each"
    )
    return DiskLine("images", round(count * each), how)
