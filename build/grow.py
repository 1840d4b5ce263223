"""A folder of embeddings (n, d_image) -> rows, keys and targets that an index can add."""

from pathlib import Path

import numpy as np

from unprompt.build.assemble import index_rows, train_rows
from unprompt.index.embeddings import open_embeddings
from unprompt.index.files.segment_files import IndexContent
from unprompt.index.files.segments import ChosenRows
from unprompt.index.towers.encoders import PromptEncoder


def embedded_content(folder: Path, encoder: PromptEncoder) -> IndexContent:
    """The train rows of `folder`; their prompts are encoded, each once.

    Raises CorpusError when no train row has a vector.
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
