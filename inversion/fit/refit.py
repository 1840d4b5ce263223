"""A tuned bundle and all its pictures -> a bundle that knows the held-out pictures too.

Settings and calibration stay as they were measured: the new bundle cannot be scored on pictures
that it holds.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.bundle.bundle import (
    BLEND,
    CONFIDENCE,
    ENCODER,
    FALLBACK,
    HEAD,
    INDEX,
    PHRASES,
    PROMPT_ENCODER,
)
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.embeddings import open_embeddings
from unprompt.index.vectors.matrix import ChosenRows
from unprompt.inversion.estimate.head import LinearHead, load_head
from unprompt.inversion.estimate.ridge import RidgeProblem
from unprompt.inversion.fit.fit import StoredKeys, Truths, save_phrases
from unprompt.inversion.fit.tune import FitConfig

KEPT = (ENCODER, FALLBACK, PROMPT_ENCODER, BLEND, CONFIDENCE, HEAD)


def refit_bundle(
    bundle: Path,
    final: Path,
    embeddings: Path,
    truths: Truths,
    config: FitConfig,
    progress: Progress = SILENT,
) -> None:
    """Complete `final`, which holds an index of more rows of `embeddings` than `bundle` does.

    A ridge head is fitted again on the rows of that index, with the penalty that validation chose;
    a trained head stays. Phrases come from all prompts. The caller seals the bundle.
    """
    for part in KEPT:
        if (bundle / part).is_dir():
            shutil.copytree(bundle / part, final / part)
        elif (bundle / part).is_file():
            shutil.copy2(bundle / part, final / part)
    index = PromptIndex.load(final / INDEX)
    head = load_head(final / HEAD, index.manifest.space)
    penalty = head.description.penalty
    if head.description.kind == "ridge" and penalty is not None:
        embedded = open_embeddings(embeddings)
        indexed = embedded.rows["image_id"].is_in(index.rows["image_id"].implode())
        rows = np.flatnonzero(indexed.to_numpy())
        stored = StoredKeys(embedded.rows[rows], ChosenRows(embedded.vectors, rows), truths)
        problem = RidgeProblem(stored.blocks())
        description = replace(head.description, rows=problem.rows)
        LinearHead(*problem.solve(penalty), description).save(final / HEAD)
        progress.note(f"final: head fitted on {problem.rows} pictures")
    save_phrases(final / PHRASES, index, config.phrases)
