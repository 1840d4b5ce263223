"""RUN/embeddings and RUN/corpus -> the prompt index of a bundle, by default of train rows only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.corpus.corpus import Corpus
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.tables import ROWS
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.manifest import IndexManifest
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.index.vectors.embeddings import Embeddings, open_embeddings
from unprompt.index.vectors.matrix import ChosenRows

TRAIN = ("train",)


def assemble_index(
    folder: Path,
    keys: Path,
    queries: Path,
    corpus: Corpus,
    config: IndexConfig,
    progress: Progress = SILENT,
    engine: EngineConfig = LOCAL,
    splits: Sequence[str] = TRAIN,
) -> IndexManifest:
    """Index the rows of `splits` of the embeddings in `keys`, of pictures or of texts.

    Rows of prompts that the corpus dropped are left out. Recall is measured on the validation
    pictures of the embeddings in `queries`. Raises CorpusError where no row has a vector.
    """
    embedded = open_embeddings(keys)
    train = train_rows(embedded, f"{keys}; the corpus' split left none", splits)
    known = embedded.rows["prompt_id"].is_in(corpus.prompts["prompt_id"].implode()).to_numpy()
    train = train[known[train] | (embedded.rows["split"] == "train").to_numpy()[train]]
    if config.max_rows is not None:
        train = np.sort(train[_sample(embedded.rows[train], config.max_rows)])
    rows = embedded.rows[train]
    pictures = embedded if keys == queries else open_embeddings(queries)
    held_out = pictures.vectors[(pictures.rows["split"] == "validation").to_numpy()]
    content = IndexContent(
        rows=index_rows(rows),
        keys=ChosenRows(embedded.vectors, train),
        targets=ChosenRows(corpus.targets, corpus.rows_of(rows["prompt_id"])),
        space=embedded.info.space,
        target_space=corpus.report["target_space"],
        key_kind=embedded.info.keys,
    )
    asked = to_unit_length(held_out)
    return write_index(folder, content, asked, config, progress=progress, engine=engine)


def train_rows(embedded: Embeddings, where: str, splits: Sequence[str] = TRAIN) -> np.ndarray:
    """Positions (m,) of the rows of `splits`; raises CorpusError that names `where` without any."""
    rows = np.flatnonzero(embedded.rows["split"].is_in(list(splits)).to_numpy())
    if not len(rows):
        raise CorpusError(f"no {' or '.join(splits)} row in {where}")
    return rows


def _sample(rows: pl.DataFrame, count: int) -> np.ndarray:
    """Positions of at most `count` rows, chosen by a hash of their ids in any order of rows."""
    return np.argsort([stable_id(image) for image in rows["image_id"]], kind="stable")[:count]


def index_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """METADATA rows as ROWS; the id of a row comes from its image and never changes."""
    table = rows.with_row_index("row").select(
        "row",
        (pl.col("image_id") & (2**63 - 1)).cast(pl.Int64).alias("row_id"),
        "image_id",
        "prompt_id",
        pl.col("caption").alias("prompt"),
        pl.col("image_path").alias("key"),
        "seed",
        "generator",
    )
    twice = table.filter(pl.col("row_id").is_duplicated())
    if twice.height:
        raise CorpusError(
            f"{twice.height} rows share an id, the first of {twice['prompt'][0]!r}: the same image "
            "was embedded twice; remove the repeated shard"
        )
    return table.select(list(ROWS))
