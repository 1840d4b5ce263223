"""A folder that clip-retrieval wrote -> batches of captions, and its checked files of vectors.

`img_emb/img_emb_0000.npy` (n, d) fp16 belongs to `metadata/metadata_0000.parquet` of n rows, and so
does `text_emb/text_emb_0000.npy` if texts were embedded. Row i of one is row i of the other; no id
connects them. Columns: `image_path`, and `caption` if clip-retrieval ran with `--enable_text True`.
Further columns, from the json of the samples, are not read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.corpus.sources.collection import FIRST, CollectionConfig
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.scored import ScoredTable
from unprompt.index.base.errors import CorpusError, DamagedFileError
from unprompt.index.captions.columns import caption_lists
from unprompt.index.captions.names import field_of, fields_below, find_name
from unprompt.index.formats.rows import missing_column
from unprompt.index.formats.tally import Tally

IMAGES, TEXTS, METADATA = "img_emb", "text_emb", "metadata"
TABLE = ScoredTable(prompt=("caption",))


@dataclass(frozen=True)
class VectorPart:
    """One file of vectors (n, d) and the table of n rows that they belong to."""

    vectors: Path
    metadata: Path

    def load(self) -> np.ndarray:
        """A memory map of the vectors (n, d)."""
        return load_vectors(self.vectors)

    def rows(self, column: str | None) -> pl.DataFrame:
        """`caption` and `image_path` of the n rows, null where the table has none.

        Of several captions it is the first: row i belongs to vector i.
        """
        try:
            scan = pl.scan_parquet(self.metadata)
            columns = scan.collect_schema().names()
            below = fields_below(scan.collect_schema())
            caption = find_name(list(below), (column,) if column else ("caption",))
            if caption is None:
                hint = (
                    "; run `clip-retrieval inference` with --enable_text True, or name the column "
                    "with the setting `column`"
                )
                raise missing_column(self.metadata, column or "caption", columns, hint)
            path = pl.col("image_path") if "image_path" in columns else pl.lit(None)
            wanted = (field_of(columns, caption).alias("caption"), path.alias("image_path"))
            table = scan.select(wanted).collect()
            lists = caption_lists(table["caption"])
            captions = [texts[0] if texts else None for texts in lists]
            return table.with_columns(
                pl.Series("caption", captions, pl.String), pl.col("image_path").cast(pl.String)
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DamagedFileError(f"{self.metadata} is not a readable table: {error}") from error


def find_parts(folder: Path, kind: str = IMAGES) -> list[VectorPart]:
    """The parts in order; raises CorpusError if a file has no counterpart."""
    vectors = {path.stem.removeprefix(f"{kind}_"): path for path in (folder / kind).glob("*.npy")}
    tables = {
        path.stem.removeprefix(f"{METADATA}_"): path
        for path in (folder / METADATA).glob("*.parquet")
    }
    lone = sorted({*vectors} ^ {*tables})
    if lone or not vectors:
        found = f"without a counterpart: {', '.join(lone[:5])}" if lone else "no vectors"
        raise CorpusError(
            f"{folder} is not a complete folder of clip-retrieval, {found}; wanted "
            f"{kind}/{kind}_0.npy beside {METADATA}/{METADATA}_0.parquet, and so on"
        )
    return [VectorPart(vectors[number], tables[number]) for number in sorted(vectors)]


def load_vectors(path: Path) -> np.ndarray:
    """A memory-mapped (n, d) array; raises DamagedFileError for anything else."""
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedFileError(f"{path} is not a readable npy file: {error}") from error
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise DamagedFileError(
            f"{path} holds {vectors.dtype} {vectors.shape}, wanted floating point (n, d)"
        )
    return vectors


def read_captions(path: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the first caption of each row, which is that of its vector."""
    return TABLE.read(path, replace(config, captions=FIRST), tally)


def find_tables(config: CollectionConfig) -> list[Path]:
    """The tables of a complete folder."""
    return [part.metadata for part in find_parts(Path(config.path or ""))]


CLIP_RETRIEVAL = Kind(
    name="clip_retrieval",
    title="clip-retrieval's embeddings: captions and vectors, no pictures",
    files="a folder with img_emb/*.npy and metadata/*.parquet",
    licence="that of what was embedded",
    read=read_captions,
    settings=("column",),
    example={"path": "embeddings"},
    find=find_tables,
)
