"""A CLIP as an open_clip `local-dir:` folder: weights, config, preprocessing and tokenizer.

`open_clip.create_model("local-dir:FOLDER")` and `encoder.model: local-dir:FOLDER` load it.
"""

import importlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from unprompt.index.base.durable import read_json, write_atomically, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.prompt_encoders.minilm import minilm_folder

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
MINILM_ON_THE_HUB = "sentence-transformers/all-MiniLM-L6-v2"  # for use without the local folder
LOCAL = "local-dir:"
HUB = "hf-hub:"
OURS = "unprompt"  # our section of the config; open_clip ignores it
TOKENIZER_SETTINGS = {"clean", "strip_sep_token", "language", "context_length"}
NAMES_CODE = ("auto_map", "custom_pipelines")  # of a config of transformers
TIMM_NAME = re.compile(r"[A-Za-z0-9_.]{1,128}")  # a registered name, no hub and no folder


def save_open_clip(
    clip: Any, preprocess: Preprocess, folder: Path, trained_on: str | None = None
) -> None:
    """Write a loaded `unprompt.index.towers.clip.Clip`. The config is written last.

    `trained_on` is the digest of the corpus whose held-out prompts the CLIP has not seen. Raises
    ConfigError if the files of the text tower are not on disk.
    """
    from safetensors.torch import save

    (folder / CONFIG).unlink(missing_ok=True)
    tensors = {n: t.detach().cpu().clone().contiguous() for n, t in clip.model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(tensors))
    config = json.loads(json.dumps(clip.model_config))
    config["vision_cfg"]["image_size"] = preprocess.image_size
    text = config["text_cfg"]
    if "hf_model_name" in text:
        _copy_text_files(clip, text["hf_model_name"], folder)
        if Path(text["hf_model_name"]) == minilm_folder():
            text["hf_model_name"] = text["hf_tokenizer_name"] = MINILM_ON_THE_HUB
        text["hf_model_pretrained"] = False
    pixels = {
        "size": [preprocess.image_size, preprocess.image_size],
        "mode": "RGB",
        "mean": list(preprocess.mean),
        "std": list(preprocess.std),
        "interpolation": preprocess.interpolation,
        "resize_mode": preprocess.resize_mode,
    }
    content = {"model_cfg": config, "preprocess_cfg": pixels, OURS: {"trained_on": trained_on}}
    write_json(folder / CONFIG, content)


def read_trained_on(model: str) -> str | None:
    """The `trained_on` of a folder written by `save_open_clip`, or None for other models."""
    path = Path(model.removeprefix(LOCAL)) / CONFIG
    if not model.startswith(LOCAL) or not path.is_file():
        return None
    digest = _section(read_json(path), OURS).get("trained_on")
    return None if digest is None else str(digest)


def check_named(model: str) -> None:
    """Refuse a folder or a model of the hub whose config names code, or other models to load.

    open_clip and transformers would run or fetch what it names. Raises ConfigError.
    """
    if model.startswith(LOCAL):
        folder = Path(model.removeprefix(LOCAL))
        if (folder / CONFIG).is_file():
            _check_config(_section(read_json(folder / CONFIG), "model_cfg"), model)
        for name in ("config.json", "tokenizer_config.json"):
            if (folder / name).is_file():
                refuse_code(folder / name)
    if model.startswith(HUB):
        find = importlib.import_module("open_clip.factory")._get_hf_config
        _check_config(_section(find(model.removeprefix(HUB)), "model_cfg"), model)


def refuse_code(path: Path) -> None:
    """Raise ConfigError where a config of transformers names Python code of its folder."""
    config = read_json(path)
    named = [name for name in NAMES_CODE if isinstance(config, dict) and name in config]
    if named:
        raise ConfigError(
            f"{path} names Python code ({named[0]}), which is never run; use a model that needs "
            "none"
        )


def _check_config(config: dict[str, Any], model: str) -> None:
    text, vision = _section(config, "text_cfg"), _section(config, "vision_cfg")
    unknown = set(_section(text, "tokenizer_kwargs")) - TOKENIZER_SETTINGS
    if unknown:
        raise ConfigError(
            f"{model} sets the tokenizer's {min(unknown)}, which could run code; only "
            f"{', '.join(sorted(TOKENIZER_SETTINGS))} are taken: edit {CONFIG}"
        )
    trunk = vision.get("timm_model_name")
    if trunk is not None and not (isinstance(trunk, str) and TIMM_NAME.fullmatch(trunk)):
        raise ConfigError(f"{model} names the tower {trunk!r}, wanted a registered name of timm")
    local = model.startswith(LOCAL)
    if local and "hf_model_name" in text and not local_text_override(model):
        raise ConfigError(
            f"{model} names the text tower {text['hf_model_name']!r} of a hub; put its config.json "
            "and tokenizer into the folder"
        )


def _section(config: Any, name: str) -> dict[str, Any]:
    """A section of a config; empty where there is none."""
    found = config.get(name) if isinstance(config, dict) else None
    return found if isinstance(found, dict) else {}


def local_text_override(model: str) -> dict[str, Any]:
    """Arguments for `create_model` that load a folder's text tower without the hub."""
    if not model.startswith(LOCAL):
        return {}
    folder = Path(model.removeprefix(LOCAL))
    path = folder / CONFIG
    if not path.is_file():
        return {}
    text = _section(_section(read_json(path), "model_cfg"), "text_cfg")
    if "hf_model_name" not in text or not (folder / "config.json").is_file():
        return {}
    return {"text_cfg": {**text, "hf_model_name": str(folder), "hf_model_pretrained": False}}


def read_model_config(model: str) -> dict[str, Any]:
    """The open_clip config of `model`, from its folder or by its name."""
    if model.startswith(LOCAL):
        path = Path(model.removeprefix(LOCAL)) / CONFIG
        return _section(read_json(path), "model_cfg")
    found = importlib.import_module("open_clip").get_model_config(model)
    if found is None:
        raise ConfigError(f"open_clip has no config of {model}, so it cannot be exported")
    return dict(found)


def _copy_text_files(clip: Any, source: str, folder: Path) -> None:
    if not Path(source).is_dir():
        raise ConfigError(
            f"the text tower {source} comes from a hub; to export it, name a local folder of it"
        )
    shutil.copyfile(Path(source) / "config.json", folder / "config.json")
    clip.tokenizer.tokenizer.save_pretrained(folder)
