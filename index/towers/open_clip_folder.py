"""A CLIP as an open_clip `local-dir:` folder: weights, config, preprocessing and tokenizer.

`open_clip.create_model("local-dir:FOLDER")` loads it, `encoder.model: local-dir:FOLDER` too.
"""

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

from unprompt.index.base.durable import write_atomically, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.prompt_encoders.minilm import minilm_folder

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
MINILM_ON_THE_HUB = "sentence-transformers/all-MiniLM-L6-v2"  # for those who open it elsewhere
LOCAL = "local-dir:"
OURS = "unprompt"  # the part of the config that open_clip does not read


def save_open_clip(
    clip: Any, preprocess: Preprocess, folder: Path, trained_on: str | None = None
) -> None:
    """Write a loaded `unprompt.index.towers.clip.Clip` as it is now; the config comes last.

    `trained_on` is the digest of the corpus whose held-out prompts it has not seen. Raises
    ConfigError for a text tower whose files are not at hand.
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
    """What `save_open_clip` recorded in the folder that `model` names; None for other models."""
    path = Path(model.removeprefix(LOCAL)) / CONFIG
    if not model.startswith(LOCAL) or not path.is_file():
        return None
    digest = json.loads(path.read_text(encoding="utf-8")).get(OURS, {}).get("trained_on")
    return None if digest is None else str(digest)


def local_text_override(model: str) -> dict[str, Any]:
    """Arguments for `create_model` that keep a folder's text tower from asking the hub."""
    if not model.startswith(LOCAL):
        return {}
    folder = Path(model.removeprefix(LOCAL))
    path = folder / CONFIG
    if not path.is_file():
        return {}
    text = json.loads(path.read_text(encoding="utf-8")).get("model_cfg", {}).get("text_cfg", {})
    if "hf_model_name" not in text or not (folder / "config.json").is_file():
        return {}
    return {"text_cfg": {**text, "hf_model_name": str(folder), "hf_model_pretrained": False}}


def read_model_config(model: str) -> dict[str, Any]:
    """The config that open_clip builds `model` from; of a folder, or one it knows by name."""
    if model.startswith(LOCAL):
        path = Path(model.removeprefix(LOCAL)) / CONFIG
        return dict(json.loads(path.read_text(encoding="utf-8"))["model_cfg"])
    found = importlib.import_module("open_clip").get_model_config(model)
    if found is None:
        raise ConfigError(f"open_clip knows no config of {model}, so it cannot be exported")
    return dict(found)


def _copy_text_files(clip: Any, source: str, folder: Path) -> None:
    if not Path(source).is_dir():
        raise ConfigError(
            f"the text tower {source} comes from a hub; name a folder that holds it to export"
        )
    shutil.copyfile(Path(source) / "config.json", folder / "config.json")
    clip.tokenizer.tokenizer.save_pretrained(folder)
