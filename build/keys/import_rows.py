"""A folder of embeddings (n, d_image) -> rows, keys and targets that an index can add.

Rows near to held-out prompts of the run of the index are left out, as in its build: they would
raise the scores of `unprompt eval`.
"""

from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.corpus.corpus import Corpus
from unprompt.build.corpus.leaks import left_out_table, near_held_out
from unprompt.build.keys.assemble import index_rows, train_rows
from unprompt.index.encoders.protocols import PromptEncoder, check_same_space
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.vectors.embeddings import open_embeddings
from unprompt.index.vectors.matrix import ChosenRows


def embedded_content(folder: Path, encoder: PromptEncoder) -> IndexContent:
    """The train rows of `folder`, with their distinct prompts encoded.

    Raises CorpusError where no train row has a vector.
    """
    embedded = open_embeddings(folder, verify=True)
    train = train_rows(embedded, f"{folder}; held-out rows are not added to an index")
    rows = embedded.rows[train]
    prompts, places = np.unique(rows["caption"].to_numpy(), return_inverse=True)
    return IndexContent(
        rows=index_rows(rows),
        keys=ChosenRows(embedded.vectors, train),
        targets=encoder.encode(prompts.tolist())[places],
        space=embedded.info.space,
        target_space=encoder.space,
        key_kind=embedded.info.keys,
    )


def without_held_out(content: IndexContent, own: Corpus) -> tuple[IndexContent, pl.DataFrame]:
    """The rows that are near to no validation or test prompt of `own`, and LEFT_OUT of the others.

    The limit is the leak threshold that split `own`. Raises SpaceMismatchError for targets of
    another prompt encoder.
    """
    check_same_space(
        own.report["target_space"],
        content.target_space,
        "the new targets",
        "Embed the rows with the encoder of the index.",
    )
    near = near_held_out(content.targets, own, leak_threshold(own))
    left_out = left_out_table(content.rows, near)
    if not left_out.height:
        return content, left_out
    kept = np.setdiff1d(np.arange(content.rows.height), near.rows, assume_unique=True)
    return content._replace(
        rows=content.rows[kept],
        keys=ChosenRows(content.keys, kept),
        targets=ChosenRows(content.targets, kept),
    ), left_out


def rows_near_held_out(index: PromptIndex, own: Corpus) -> pl.Series:
    """Ids of rows near to held-out prompts of `own`; its train prompts are never near."""
    train = own.prompts.filter(pl.col("split") == "train")["prompt_id"]
    foreign = np.flatnonzero(~index.rows["prompt_id"].is_in(train.implode()).to_numpy())
    near = near_held_out(ChosenRows(index.targets, foreign), own, leak_threshold(own))
    return index.rows["row_id"][foreign[near.rows]]


def leak_threshold(corpus: Corpus) -> float:
    """The cosine from which a prompt is near to a held-out prompt of this corpus."""
    return float(corpus.report["split"]["leak_threshold"])
