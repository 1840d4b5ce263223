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
    how: str  # how `bytes` comes about, as text


def choose_picture_size(
    sizes: Sequence[PictureSize], kind: str, format: str, quality: int | str
) -> PictureSize:
    """The known size of stored images that is nearest by kind and quality; the first of equals.

    Raises ConfigError where no size of the format can stand for the quality.
    """
    wanted = None if format == "png" else quality
    gaps = []
    for place, size in enumerate(sizes):
        both = isinstance(size.quality, int) and isinstance(wanted, int)
        if size.format == format and (both or size.quality == wanted):
            gap = abs(int(str(size.quality)) - int(str(wanted))) if both else 0
            gaps.append((size.kind != kind, gap, place))
    if not gaps:
        raise ConfigError(
            f"no size is known for {format} images of quality {quality}; "
            "`unprompt bench render --config CONFIG` measures it"
        )
    return sizes[min(gaps)[-1]]


def disk_lines(
    request: PlanRequest, factory: str, pictures: Sequence[PictureSize]
) -> list[DiskLine]:
    """Files of a run: images where they are rendered, corpus, embeddings and index."""
    images, rows, dim = request.images, request.rows, request.dim
    vector = FLOAT16 * PROMPT_DIM
    per_prompt = 2 * vector + PROMPTS_ROW + METADATA_ROW
    lines = [
        DiskLine(
            "prompts, targets",
            request.prompts * per_prompt,
            f"two embeddings of {vector} bytes per prompt, and the text",
        ),
        DiskLine(
            "embeddings",
            images * (FLOAT16 * dim + METADATA_ROW),
            f"float16, {dim} numbers per image",
        ),
        DiskLine("index.faiss", parse_factory(factory).size_bytes(rows, dim), factory),
        DiskLine("rows, targets", rows * (vector + ROWS_ROW), "next to the index, memory-mapped"),
    ]
    if request.index.keep_keys:
        size = rows * FLOAT16 * dim
        lines.append(DiskLine("keys", size, "next to the index, for exact scores"))
    for render in request.renders[:1]:
        stored = choose_picture_size(pictures, render.kind, request.format, request.quality)
        lines.insert(0, _image_line(images, render.stored_px, stored))
    return lines


def _image_line(count: int, side_px: int, size: PictureSize) -> DiskLine:
    """Images in tar shards, with their tables."""
    overhead = TAR_ROW + IMAGES_ROW
    quality = "" if size.quality is None else f" {size.quality}"
    how = (
        f"{side_px} px, {size.format}{quality}: {size.bytes_per_pixel:.2f} bytes per pixel "
        f"({size.source}, {size.date}), and {overhead:,} bytes of tar and table per image"
    )
    return DiskLine("images", round(count * (size.bytes_per_pixel * side_px**2 + overhead)), how)
