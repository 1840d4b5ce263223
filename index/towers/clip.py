"""A model name -> the image encoder of a CLIP, and its parts, with open_clip.

Towers without a text side (`image_only.py`) are loaded as a CLIP that encodes pictures only.
"""

import copy
import hashlib
import importlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from unprompt.index.base.durable import digest_json
from unprompt.index.base.errors import ConfigError, MissingDependencyError
from unprompt.index.base.machine import own_cores
from unprompt.index.base.quiet import without_load_reports
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.prompt_encoders.minilm import INSTALL
from unprompt.index.runtime.infer_pool import pad_batch
from unprompt.index.runtime.torch_graph import fast_graph
from unprompt.index.towers.features import OUTPUT_FORMS
from unprompt.index.towers.image_graph import build_image_graph
from unprompt.index.towers.image_only import build_image_only, is_image_only
from unprompt.index.towers.offline_towers import OFFLINE_TOWERS, build_offline_clip
from unprompt.index.towers.open_clip_folder import (
    check_named,
    local_text_override,
    read_model_config,
)
from unprompt.index.towers.trained_tower import load_tower, read_head

CPU_BATCH, GPU_BATCH = 16, 256  # pictures


class Clip:
    """A loaded CLIP: `images` and `texts` -> unit vectors; see `load_clip`."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        preprocess: Preprocess,
        config: EncoderConfig,
        head: Mapping[str, np.ndarray] | None = None,
        model_config: Mapping[str, Any] | None = None,
        space: str | None = None,
    ):
        """`space` is that of a tower from a bundle; without it the weights are hashed."""
        self.model = model
        self.model_config = model_config  # the config that open_clip built the model from
        self.head = head  # of output `prediction`
        self.config = config
        self.preprocess = preprocess
        self.tokenizer = tokenizer
        self.device = next(model.parameters()).device
        on_gpu = self.device.type == "cuda"
        self.batch_size = config.batch_size or (GPU_BATCH if on_gpu else CPU_BATCH)
        self.streams = own_cores()  # threads that decode; the tower runs one batch at a time
        self._one_batch = Lock()
        self.dim = self._measure_dim()
        self.space = (
            space
            or digest_json(
                {
                    "weights": _weights_digest(model, config.output, head or {}),
                    "output": OUTPUT_FORMS[config.output],
                    "preprocess": write_settings(preprocess),
                }
            )[:16]
        )

    def _measure_dim(self) -> int:
        torch = importlib.import_module("torch")
        size = self.preprocess.image_size
        pixels = torch.zeros((1, size, size, 3), dtype=torch.uint8, device=self.device)
        with torch.inference_mode():
            return int(self.image_graph()(pixels).shape[1])

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """RGB images -> unit vectors (n, d) float32."""
        blocks = [np.zeros((0, self.dim), dtype=np.float32)]
        for start in range(0, len(images), self.batch_size):
            pixels = self.preprocess(images[start : start + self.batch_size])
            blocks.append(self.encode_pixels(pixels))
        return np.concatenate(blocks)

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (n, s, s, 3) uint8 -> unit vectors (n, d) float32."""
        torch, count = importlib.import_module("torch"), len(pixels)
        if self.config.compile:
            pixels = pad_batch(pixels, self.batch_size)
        with self._one_batch, torch.inference_mode():
            vectors = self._fast_graph(torch.from_numpy(pixels).to(self.device))
            found: np.ndarray = vectors.float().cpu().numpy()
        return found[:count]

    @cached_property
    def _fast_graph(self) -> Any:
        """The image graph for running: in bf16 or compiled, if so configured."""
        size = self.preprocess.image_size
        return fast_graph(self.image_graph, self.config, size, self.batch_size)

    def image_graph(self, dtype: str = "float32") -> Any:
        """A torch module: uint8 pixels (n, s, s, 3) -> unit vectors (n, d).

        If `dtype` differs from that of the weights, the tower is a copy.
        """
        visual = self.model.visual
        if dtype != "float32":
            visual = copy.deepcopy(visual).to(getattr(importlib.import_module("torch"), dtype))
        graph = build_image_graph(visual, self.preprocess, self.config.output, self.head)
        return graph.to(self.device)


def load_clip(
    config: EncoderConfig, device: str | None = None, trained: Path | None = None
) -> Clip:
    """Load the tower that `config` names, on `device` or the GPU if there is one.

    `trained` is a folder exported by `unprompt train head`; its tower and head are used.
    Raises ConfigError for an unknown model and MissingDependencyError without the build extra.
    """
    try:
        import open_clip
        import torch
    except ImportError as error:
        raise MissingDependencyError(f"this needs open_clip and torch: {INSTALL}") from error
    chosen = device or choose_device()
    only = is_image_only(config.model)
    tokenizer = model_config = None
    with without_load_reports():
        if only:
            model, preprocess = build_image_only(config)
        elif config.model in OFFLINE_TOWERS:
            model, tokenizer, model_config = build_offline_clip(
                open_clip, torch, config.model, config.image_size
            )
        else:
            model, tokenizer = _build_named(open_clip, config)
            model_config = read_model_config(config.model)
    if config.output == "features" and not only and not hasattr(model.visual, "trunk"):
        raise ConfigError(
            f"{config.model} has no timm trunk to take features from; set "
            "`encoder.output: embedding`"
        )
    if config.output == "prediction" and trained is None:
        raise ConfigError("encoder.output prediction needs a trained tower: `unprompt train head`")
    head = None
    if trained is not None:
        load_tower(getattr(model.visual, "trunk", model.visual), trained)
        head = read_head(trained) if config.output == "prediction" else None
    if not only:
        preprocess = _preprocess_of(open_clip.get_model_preprocess_cfg(model))
    return Clip(model.eval().to(chosen), tokenizer, preprocess, config, head, model_config)


def choose_device() -> str:
    """The GPU if torch finds one, else the CPU."""
    torch = importlib.import_module("torch")
    return "cuda" if torch.cuda.is_available() else "cpu"


def _preprocess_of(transform: Mapping[str, Any]) -> Preprocess:
    return Preprocess(
        image_size=int(np.atleast_1d(transform["size"])[0]),
        mean=tuple(transform["mean"]),
        std=tuple(transform["std"]),
        interpolation=transform["interpolation"],
        resize_mode=transform["resize_mode"],
    )


def _build_named(open_clip: Any, config: EncoderConfig) -> Any:
    has_schema = config.model.startswith(("local-dir:", "hf-hub:"))
    if not has_schema and config.model not in open_clip.list_models():
        raise ConfigError(
            f"unknown encoder.model {config.model!r}; offline: {', '.join(OFFLINE_TOWERS)}; "
            "or a name from open_clip.list_models(), `local-dir:FOLDER`, `hf-hub:ORG/NAME`, "
            "`timm:NAME`, `blip2:FOLDER`"
        )
    if not has_schema and config.pretrained is None:
        raise ConfigError(
            f"encoder.model {config.model} needs `encoder.pretrained`: an open_clip tag or a "
            "checkpoint file; without weights its vectors mean nothing"
        )
    try:
        check_named(config.model)
        model = open_clip.create_model(
            config.model,
            pretrained=config.pretrained,
            require_pretrained=not has_schema,
            force_image_size=config.image_size,
            **local_text_override(config.model),
        )
        return model, open_clip.get_tokenizer(config.model)
    except (RuntimeError, OSError, ValueError) as error:
        raise ConfigError(
            f"cannot load {config.model} ({config.pretrained}): {error}. Without a network, name "
            f"a checkpoint file, a `local-dir:` or one of {', '.join(OFFLINE_TOWERS)}"
        ) from error


def _weights_digest(model: Any, output: str, head: Mapping[str, np.ndarray]) -> str:
    part = model if output == "embedding" else getattr(model.visual, "trunk", model.visual)
    digest = hashlib.sha256()
    for name in sorted(head):
        digest.update(name.encode() + np.ascontiguousarray(head[name]).tobytes())
    for name, tensor in part.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()
