"""A folder of clip-retrieval -> RUN/embeddings/image: its vectors (n, d_image) with METADATA rows.

The folder does not record its model, so the vectors get the space of the encoder in the config. The
dimension is checked, and that no vector is zero. Where the folder holds text vectors, the text
tower of the encoder must reproduce some of them.
"""

from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.corpus.sources.clip_retrieval import TEXTS, VectorPart, find_parts, load_vectors
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import DamagedFileError, SpaceMismatchError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.captions.normalize import normalize
from unprompt.index.encoders.protocols import ImageEncoder, TextEncoder, to_unit_length
from unprompt.index.vectors.embeddings import METADATA as ROWS
from unprompt.index.vectors.embeddings import (
    EmbeddingsInfo,
    part_is_done,
    start_embeddings,
    write_part,
)

PART = 50_000  # vectors
CHECKED = 16  # captions that are encoded again
SAME = 0.98  # lowest cosine; fp16 and other machines stay over 0.999
GENERATOR = "clip-retrieval"


def take_embeddings(
    config: CollectionConfig,
    folder: Path,
    prompts: pl.DataFrame,
    encoder: ImageEncoder,
    progress: Progress = SILENT,
) -> None:
    """Write the missing parts; a row whose prompt the corpus dropped is `excluded`.

    A vector that is zero or not finite gives a failed row. Raises SpaceMismatchError where the
    dimension is not that of `encoder`, DamagedFileError where vectors and rows differ in number.
    """
    source = Path(config.path or "")
    parts = find_parts(source)
    for part in parts:
        check_dimension(part, encoder)
    start_embeddings(folder, EmbeddingsInfo(encoder.space, encoder.dim, "image"))
    splits = prompts.select("prompt_id", "split")
    number = 0
    for part in progress.track(parts, "take embeddings", len(parts)):
        vectors, rows = part.load(), part.rows(config.column)
        if len(vectors) != rows.height:
            raise DamagedFileError(
                f"{part.vectors} has {len(vectors)} vectors, {part.metadata} {rows.height} rows; "
                "row i of one must be row i of the other: embed that part again"
            )
        stat = part.vectors.stat()
        for start in range(0, max(1, rows.height), PART):
            mark = f"{part.vectors.name} {start} {stat.st_size} {stat.st_mtime_ns}"
            if not part_is_done(folder, number, "image", mark):
                block = np.asarray(vectors[start : start + PART], dtype=np.float32)
                table = _metadata(rows.slice(start, PART), part, start, block).join(
                    splits, on="prompt_id", how="left", maintain_order="left"
                )
                _write(folder, number, table, block, mark)
            number += 1


def check_dimension(part: VectorPart, encoder: ImageEncoder) -> None:
    """Raises SpaceMismatchError where the dimension is not that of `encoder`."""
    dim = part.load().shape[1]
    if dim != encoder.dim:
        raise SpaceMismatchError(
            f"{part.vectors} holds vectors of {dim} numbers, the encoder that `encoder:` names "
            f"makes {encoder.dim} (space {encoder.space}); name the model that clip-retrieval was "
            "run with, and `output: embedding`"
        )


def has_text_vectors(config: CollectionConfig) -> bool:
    """Whether the folder holds text vectors, which `check_texts` needs."""
    return (Path(config.path or "") / TEXTS).is_dir()


def check_texts(config: CollectionConfig, encoder: TextEncoder) -> float:
    """The lowest cosine between stored text vectors and those of `encoder` for the same captions.

    Raises SpaceMismatchError where it is too low for one model.
    """
    part = find_parts(Path(config.path or ""), TEXTS)[0]
    stored = load_vectors(part.vectors)
    captions = part.rows(config.column)["caption"]
    places = [place for place, text in enumerate(captions.head(len(stored))) if text][:CHECKED]
    if stored.shape[1] != encoder.dim:
        lowest = -1.0
    else:
        made = to_unit_length(encoder.encode([captions[place] for place in places]))
        lowest = float((made * to_unit_length(stored[places])).sum(axis=1).min(initial=1.0))
    if lowest < SAME:
        raise SpaceMismatchError(
            f"the text vectors in {part.vectors} are not those of the encoder that `encoder:` "
            f"names (lowest cosine {lowest:.3f} over {len(places)} captions, space "
            f"{encoder.space}); name the model and weights that clip-retrieval was run with"
        )
    return lowest


def _metadata(rows: pl.DataFrame, part: VectorPart, start: int, block: np.ndarray) -> pl.DataFrame:
    """METADATA rows without their split."""
    captions = normalize(rows["caption"]).fill_null("")
    prompt_ids = [stable_id(caption) for caption in captions]
    number = part.vectors.stem
    image_ids = [
        stable_id(prompt, GENERATOR, number, start + place)
        for place, prompt in enumerate(prompt_ids)
    ]
    lengths = np.linalg.norm(block, axis=1)
    usable = np.isfinite(lengths) & (lengths > 0)
    faults = ["the vector is no direction" if not good else None for good in usable]
    return rows.select(
        pl.col("image_path").fill_null(""),
        captions.alias("caption"),
        pl.Series("image_id", image_ids, pl.UInt64),
        pl.Series("prompt_id", prompt_ids, pl.UInt64),
        pl.lit(0, pl.UInt64).alias("seed"),
        pl.lit(GENERATOR).alias("generator"),
        pl.Series("error_message", faults, pl.String),
    )


def _write(folder: Path, number: int, table: pl.DataFrame, block: np.ndarray, mark: str) -> None:
    good = table["error_message"].is_null()
    rows = table.with_columns(
        pl.col("split").fill_null("excluded"),
        pl.Series("status", ["success" if fine else "failed" for fine in good], pl.String),
    ).select(list(ROWS))
    write_part(folder, number, rows, to_unit_length(block[good.to_numpy()]), "image", mark)
