"""The pictures of a corpus -> BUNDLE/fallback, which answers for pictures unlike the corpus.

encoder/ is a frozen tower, index/ holds its ImageNet classes as prompts, novelty.json the limit
from which a picture counts as unlike.
"""

from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.keys.config import FallbackConfig
from unprompt.index.base.durable import stable_id
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.bundle.bundle import ENCODER, INDEX
from unprompt.index.encoders.protocols import EncoderConfig, PromptEncoder
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.exported.shard_keys import encode_chosen
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.manifest import CLASS_KEYS
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.index.towers.class_bank import class_rows, read_class_bank
from unprompt.index.towers.novelty import fit_novelty


def make_fallback(
    folder: Path,
    shards: Path,
    embedded: pl.DataFrame,
    prompts: PromptEncoder,
    config: FallbackConfig,
    progress: Progress = SILENT,
) -> None:
    """Write the fallback of the pictures in `shards`; `embedded` are their METADATA rows."""
    encoder_config = EncoderConfig(model=config.model, output="pooled", storage="int8")
    export_encoder(encoder_config, folder / ENCODER)
    encoder = load_encoder(folder / ENCODER)
    _write_classes(folder / INDEX, config.model, encoder.space, prompts)
    known, held_out = (
        _sample(embedded, split, config.novelty.sample) for split in ("train", "validation")
    )
    keys = encode_chosen(shards, known | held_out, encoder, progress)
    novelty = fit_novelty(
        np.stack([keys[image] for image in sorted(known & set(keys))]),
        np.stack([keys[image] for image in sorted(held_out & set(keys))]),
        encoder.space,
        config.novelty,
    )
    novelty.save(folder)
    progress.note(
        f"fallback: answers for pictures with a residual over {novelty.description.threshold:.3f}"
    )


def _write_classes(folder: Path, model: str, space: str, prompts: PromptEncoder) -> None:
    bank = read_class_bank(model)
    rows = class_rows(bank.prompts)
    content = IndexContent(
        rows, bank.keys, prompts.encode(bank.prompts), space, prompts.space, CLASS_KEYS
    )
    write_index(folder, content, bank.keys[:0], IndexConfig(factory="SQ8", keep_keys=False))


def _sample(embedded: pl.DataFrame, split: str, count: int) -> set[int]:
    """Ids of at most `count` pictures of a split, chosen by a hash of their ids."""
    ids = embedded.filter(embedded["split"] == split)["image_id"].to_list()
    return set(sorted(ids, key=lambda image: stable_id("novelty", image))[:count])
