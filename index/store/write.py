"""Keys (n, d_image) and targets (n, d_prompt) -> a prompt index folder, recall measured."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.index.search.effort import MAX_PROBED, Effort, set_effort, unmeasured_effort
from unprompt.index.search.factory import IndexChoice, IndexConfig, choose_index
from unprompt.index.search.factory_string import parse_factory
from unprompt.index.search.faiss_files import write_vectors
from unprompt.index.search.filling import Filling
from unprompt.index.search.fold import fold
from unprompt.index.search.recall import ground_truth, tune
from unprompt.index.search.training import fill
from unprompt.index.store.generations import sweep
from unprompt.index.store.index_files import LISTS, VECTORS
from unprompt.index.store.manifest import (
    IndexManifest,
    Recall,
    Trial,
    generation_name,
    record_files,
    write_manifest,
)
from unprompt.index.store.segment_files import IndexContent, write_lengths, write_segment
from unprompt.index.store.unfinished import discard_work, place_keys, undone_if_refused
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.transforms import check_keys, transforms


class Built(NamedTuple):
    """A filled FAISS index and how it was come by."""

    vectors: Any
    factory: str
    effort: Effort
    recall: Recall | None  # None without held-out queries
    tried: tuple[Trial, ...]
    on_disk: bool = False  # its lists are in a file of their own


class PartFill(NamedTuple):
    """How an index is filled in parts."""

    filling: Filling
    lists: Path  # where lists go that are to stay on disk


def write_index(
    folder: Path,
    content: IndexContent,
    held_out: np.ndarray,
    config: IndexConfig,
    generation: int = 1,
    progress: Progress = SILENT,
    engine: EngineConfig = LOCAL,
) -> IndexManifest:
    """Train, fill and write an index; `held_out` (q, d_image) are queries that measure recall.

    The same content gives the same bytes. Content that lies on disk is filled in parts, by
    `engine`; a killed run goes on with the parts that are there. A later generation is written
    beside the one that is there, which its manifest replaces. Raises UnpromptError when there is
    nothing to index.
    """
    count = content.rows.height
    if count == 0 or not count == len(content.keys) == len(content.targets):
        raise UnpromptError(
            f"an index needs as many rows as keys and targets and at least one; got "
            f"{count} rows, {len(content.keys)} keys, {len(content.targets)} targets"
        )
    check_keys(content.keys, "keys")
    dim = content.keys.shape[1]
    check_keys(held_out, "held-out queries", dim)
    choices = choose_index(count, dim, config, len(held_out) > 0)
    with undone_if_refused(folder):
        segment = write_segment(folder, content, generation, config.keep_keys)
        on_disk = any(choice.on_disk for choice in choices)
        keys, filling = place_keys(folder, content.keys, segment.keys, engine, on_disk)
        lists = generation_name(LISTS, generation)
        parts = None if filling is None else PartFill(filling, folder / lists)
        built = build_vectors(choices, keys, held_out, config, progress, parts)
    vectors = generation_name(VECTORS, generation)
    of_vectors = (vectors, lists) if built.on_disk else (vectors,)
    write_vectors(folder / vectors, built.vectors)
    scored = fold(transforms(built.vectors)) if built.effort.refine else None
    segment = write_lengths(folder, segment, generation, scored)
    recall = None if built.recall is None else replace(built.recall, generation=generation)
    manifest = IndexManifest(
        factory=built.factory,
        keys=content.key_kind,
        space=content.space,
        target_space=content.target_space,
        dim=dim,
        target_dim=content.targets.shape[1],
        ntotal=count,
        prompts=content.rows["prompt_id"].n_unique(),
        recall=recall,
        effort=built.effort,
        tried=built.tried,
        files=record_files(folder, (*of_vectors, *segment.files)),
        vectors=vectors,
        lists=lists if built.on_disk else None,
        segments=(segment,),
        trained_rows=count,
        generation=generation,
    )
    write_manifest(folder, manifest)
    sweep(folder, manifest)
    discard_work(folder)
    return manifest


def build_vectors(
    choices: Sequence[IndexChoice],
    keys: Matrix,
    held_out: np.ndarray,
    config: IndexConfig,
    progress: Progress = SILENT,
    parts: PartFill | None = None,
) -> Built:
    """Fill the first kind that reaches the wanted recall on the held-out queries (q, d_image).

    `parts`: how keys that lie in a file are filled in parts. A factory string that was given is
    kept whatever it reaches, and so is an exact scan; raises ConfigError where none else does.
    Without queries the first is taken as it is.
    """
    tried: list[Trial] = []
    truth = None
    for choice in choices:
        progress.note(f"index: {len(keys)} keys of {keys.shape[1]} numbers as {choice.summary}")
        vectors = _fill(choice, keys, progress, parts)
        # all kinds have the same transform in front, so that this is computed once
        truth = truth or ground_truth(vectors, keys, held_out, config.recall_k)
        if truth is None:
            effort = unmeasured_effort(vectors, choice.refine)
            set_effort(vectors, effort)
            return Built(vectors, choice.factory, effort, None, (), choice.on_disk)
        max_probed = 1.0 if config.factory else MAX_PROBED
        effort, value = tune(vectors, truth, config.recall, choice.refine, max_probed)
        tried.append(Trial(choice.factory, round(value, 4), effort))
        exact = parse_factory(choice.factory).is_exact
        if value < config.recall and not exact:
            progress.note(
                f"index: {choice.factory} reaches recall@{truth.k} {value:.4f} where "
                f"{config.recall} is wanted"
            )
        if value >= config.recall or config.factory or exact:
            recall = Recall(truth.k, tried[-1].recall, len(truth.queries))
            return Built(vectors, choice.factory, effort, recall, tuple(tried), choice.on_disk)
    raise ConfigError(_missed(tried, config))


def _fill(choice: IndexChoice, keys: Matrix, progress: Progress, parts: PartFill | None) -> Any:
    if parts is None:
        return fill(choice.factory, keys, progress)
    if choice.on_disk:
        return parts.filling.fill_on_disk(choice.factory, parts.lists, progress)
    return parts.filling.fill(choice.factory, progress)


def _missed(tried: Sequence[Trial], config: IndexConfig) -> str:
    reached = ", ".join(f"{trial.factory} {trial.recall}" for trial in tried)
    return (
        f"no index within index.memory {config.memory} reaches recall@{config.recall_k} "
        f"{config.recall}: {reached}; allow more `index.memory`, or less `index.recall`"
    )
