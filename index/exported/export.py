"""An image tower -> a folder that OpenVINO runs without torch, and back to an encoder.

`export_encoder` writes `tower.xml`, `tower.bin` and, last, `encoder.json`; `load_encoder` reads
them. For the runtime torch the folder holds the tower's tensors, and `encoder.json` the numbers of
its architecture.
"""

import shutil
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from unprompt.index.base.durable import digest_file, read_json, write_atomically, write_json
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.protocols import BulkEncoder, EncoderConfig
from unprompt.index.exported.description import (
    DESCRIPTION,
    EncoderDescription,
    check_description,
    describe_encoder,
)
from unprompt.index.exported.openvino_encoder import OpenVinoEncoder
from unprompt.index.exported.tower_cache import cache_name, read_tower, write_tower
from unprompt.index.runtime.cache import cached_digest
from unprompt.index.runtime.compiled import NO_DIGESTS, SavedGraph
from unprompt.index.runtime.graph_file import declared_width
from unprompt.index.runtime.infer_pool import ImagePool, has_bf16
from unprompt.index.runtime.openvino_graph import GRAPH, WEIGHTS, save_module
from unprompt.index.runtime.self_check import CHECKED, FLOOR, compare, synthetic_pictures
from unprompt.index.towers.trained_tower import read_result


def export_encoder(
    config: EncoderConfig,
    folder: Path,
    trained: Path | None = None,
) -> dict[str, Any]:
    """Write the tower that `config` names into `folder`; returns the content of `encoder.json`.

    `trained` is an export of `unprompt train head`, whose weights the tower then has. The
    description names the corpus of that training, so that its held-out prompts count as unseen.
    A tower whose weights an installed package carries is exported once and then cached.
    Raises ConfigError for an unknown model, MissingDependencyError without the build extra.
    """
    name = cache_name(config) if trained is None else None
    if name is not None and read_tower(name, folder):
        description: dict[str, Any] = read_json(folder / DESCRIPTION)
        return description
    description = _export(config, folder, trained)
    if name is not None:
        write_tower(name, folder, [*description["files"], DESCRIPTION])
    return description


def _export(config: EncoderConfig, folder: Path, trained: Path | None) -> dict[str, Any]:
    from unprompt.index.towers.clip import load_clip
    from unprompt.index.towers.lean_vit import lean_graph
    from unprompt.index.towers.open_clip_folder import read_trained_on

    clip = load_clip(config, "cpu" if config.runtime == "openvino" else None, trained)
    description: dict[str, Any] = {
        "space": clip.space,
        "dim": clip.dim,
        "config": write_settings(config),
        "preprocess": write_settings(clip.preprocess),
        "trained_on": read_result(trained).trained_on
        if trained is not None
        else read_trained_on(config.model),
    }
    if config.runtime == "openvino":
        names, size = [GRAPH, WEIGHTS], clip.preprocess.image_size
        batch = save_module(lean_graph(clip.image_graph()), size, folder, config.storage)
        description["batch_size"] = batch
        description |= _choose_precision(config, folder, size)
    else:
        from unprompt.index.towers.stored.tower import save_tower

        architecture, names = save_tower(clip, folder)
        description["architecture"] = write_settings(architecture)
    description["files"] = {name: digest_file(folder / name) for name in names}
    check_description(description, folder)
    write_json(folder / DESCRIPTION, description)
    return description


def _choose_precision(config: EncoderConfig, folder: Path, size: int) -> dict[str, Any]:
    """The precision to run with, and the cosines of bf16 to f32 where this CPU supports bf16."""
    if config.precision == "f32" or not has_bf16():
        return {"precision": "f32"}
    pictures = synthetic_pictures(CHECKED, size)
    files = folder / GRAPH, folder / WEIGHTS
    wanted, found = (
        ImagePool(SavedGraph(*files, NO_DIGESTS, precision), size, CHECKED, 1)(pictures)
        for precision in ("f32", "bf16")
    )
    agreement = compare(wanted, found)
    keeps = config.precision == "bf16" or agreement.mean >= FLOOR
    return {
        "precision": "bf16" if keeps else "f32",
        "bf16_cosine": {"mean": round(agreement.mean, 5), "lowest": round(agreement.lowest, 5)},
    }


def copy_encoder(source: Path, folder: Path) -> dict[str, Any]:
    """Copy an exported tower from another bundle; returns the content of `encoder.json`."""
    for name in _checked_files(source).files:
        with write_atomically(folder / name) as temporary:
            shutil.copyfile(source / name, temporary)
    description: dict[str, Any] = read_json(source / DESCRIPTION)
    write_json(folder / DESCRIPTION, description)
    return description


def read_description(folder: Path) -> EncoderConfig:
    """The settings of an exported encoder."""
    return describe_encoder(folder).config


def read_identity(folder: Path) -> tuple[str, int]:
    """Space and dimension of an exported encoder, read without loading the tower."""
    described = describe_encoder(folder)
    return described.space, described.dim


def trained_on(folder: Path) -> str | None:
    """Digest of the corpus that an exported tower was trained on; None if no run trained it."""
    return describe_encoder(folder).trained_on


def load_encoder(
    folder: Path,
    threads: int | None = None,
    towers: Executor | None = None,
    streams: int | None = None,
) -> BulkEncoder:
    """Load the image encoder that `export_encoder` wrote.

    `threads` limits the threads of OpenVINO, which otherwise uses all cores. `streams` is how many
    single pictures run at the same time; None fits the cores. `towers` is an executor that
    compiles the tower for single pictures while the caller goes on.
    Raises DamagedFileError where a file is missing, differs from its digest or holds another tower.
    """
    described = _checked_files(folder)
    if described.config.runtime == "openvino":
        width = declared_width(folder / GRAPH)
        if width != described.dim:
            raise DamagedFileError(
                f"{folder / DESCRIPTION} says {described.dim} numbers a vector, the tower makes "
                f"{width}; fetch the bundle again"
            )
        encoder = OpenVinoEncoder(folder, read_json(folder / DESCRIPTION), threads, streams)
        if towers is not None:
            encoder.prepare(towers)
        return encoder
    from unprompt.index.towers.stored.tower import load_stored_tower

    assert described.architecture is not None  # by EncoderDescription
    return load_stored_tower(
        folder,
        described.architecture,
        described.config,
        described.preprocess,
        described.space,
    )


def _checked_files(folder: Path) -> EncoderDescription:
    """The description of an encoder whose files are what was written."""
    described = describe_encoder(folder)
    for name, digest in described.files.items():
        path = folder / name
        if not path.is_file() or cached_digest(path) != digest:
            raise DamagedFileError(
                f"{path} is missing or not what was written; rebuild it with `unprompt build "
                "--stage encoder` or fetch the bundle again"
            )
    return described
