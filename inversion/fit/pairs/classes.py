"""The ImageNet classes of an offline tower -> an index whose keys lie among the tower's features.

`features` begin with the pooled last layer at unit length, which the classifier reads, so a row of
the classifier followed by zeros is a key. A search with the features is then a classification.
"""

from pathlib import Path

import numpy as np

from unprompt.index.encoders.protocols import BulkEncoder, PromptEncoder
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.manifest import CLASS_KEYS, IndexManifest
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.index.towers.class_bank import class_rows, read_class_bank


def write_classes(
    folder: Path, tower: str, encoder: BulkEncoder, prompts: PromptEncoder
) -> IndexManifest:
    """Write the classes of `tower`, whose features `encoder` makes, as an index."""
    bank = read_class_bank(tower)
    keys = np.zeros((len(bank.keys), encoder.dim), dtype=np.float32)
    keys[:, : bank.keys.shape[1]] = bank.keys
    targets = prompts.encode(bank.prompts)
    content = IndexContent(
        class_rows(bank.prompts), keys, targets, encoder.space, prompts.space, CLASS_KEYS
    )
    return write_index(folder, content, keys[:0], IndexConfig(factory="SQ4", keep_keys=False))
