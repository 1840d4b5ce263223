"""The name of a pipeline -> its folder, its diffusers class and a digest of its files.

No weights are loaded. The hub is used only for an ORG/NAME that is no local folder.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from unprompt.build.pictures.diffusion.config import DiffusionConfig
from unprompt.index.base.durable import digest_json, read_json
from unprompt.index.base.errors import ConfigError, MissingDependencyError
from unprompt.index.base.quiet import without_load_reports

INDEX_FILE = "model_index.json"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
INSTALL = "pip install 'unprompt[render,build]'"
SAMPLED_BYTES = 2**20  # read from both ends of a large file: different weights differ everywhere


class ModelFolder(NamedTuple):
    """A pipeline on disk."""

    path: Path
    pipeline: str  # the class in diffusers
    weights: str  # digest of the files


def find_model(config: DiffusionConfig) -> ModelFolder:
    """The folder of the pipeline that `config` names, downloaded from the hub if necessary.

    Raises ConfigError where neither a folder nor the hub has it.
    """
    local = Path(config.model).expanduser()
    if local.is_dir():
        path = local
    elif HUB_NAME.fullmatch(config.model):
        path = _fetch(config)
    else:
        raise ConfigError(
            f"render.diffusion.model: there is no folder {local}, and {config.model!r} is no hub "
            "name (ORG/NAME)"
        )
    if not (path / INDEX_FILE).is_file():
        raise ConfigError(
            f"{path} is no pipeline of diffusers: it has no {INDEX_FILE}; save one with "
            "`pipeline.save_pretrained(FOLDER)`"
        )
    index = read_json(path / INDEX_FILE)
    if not isinstance(index, dict) or "_class_name" not in index:
        raise ConfigError(f"{path / INDEX_FILE} does not name a pipeline class")
    return ModelFolder(path, str(index["_class_name"]), _digest(path, index))


def _fetch(config: DiffusionConfig) -> Path:
    try:
        from diffusers import DiffusionPipeline
    except ImportError as error:
        raise MissingDependencyError(f"rendering needs diffusers: {INSTALL}") from error
    try:
        with without_load_reports():
            return Path(
                DiffusionPipeline.download(
                    config.model, revision=config.revision, variant=config.variant
                )
            )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"render.diffusion.model: there is no folder {config.model}, and the hub does not give "
            f"a pipeline of that name ({error}). Without a network, name a folder that "
            "`pipeline.save_pretrained(FOLDER)` made"
        ) from error


def _digest(folder: Path, index: dict[str, Any]) -> str:
    """A digest of the names, sizes and ends of the files of all components."""
    components = sorted(name for name in index if (folder / name).is_dir())
    parts: dict[str, str] = {INDEX_FILE: digest_json(_without_notes(index))}
    for component in components:
        for path in sorted((folder / component).rglob("*")):
            if path.is_file():
                parts[path.relative_to(folder).as_posix()] = _digest_ends(path)
    return digest_json(parts)


def _without_notes(index: dict[str, Any]) -> dict[str, Any]:
    """model_index.json without the path and version that `save_pretrained` adds."""
    return {name: v for name, v in index.items() if not name.startswith("_") or "class" in name}


def _digest_ends(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256(json.dumps(size).encode())
    with path.open("rb") as handle:
        digest.update(handle.read(SAMPLED_BYTES))
        if size > SAMPLED_BYTES:
            handle.seek(max(SAMPLED_BYTES, size - SAMPLED_BYTES))
            digest.update(handle.read(SAMPLED_BYTES))
    return digest.hexdigest()
