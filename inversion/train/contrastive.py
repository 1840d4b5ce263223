"""Contrastive fine-tuning of a CLIP (Radford et al. 2021): pictures and prompts in one space.

With a locked text tower (LiT, Zhai et al. 2022) the vectors of the prompts are computed once.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.towers.clip import Clip
from unprompt.index.towers.clip_text import ClipTextEncoder
from unprompt.index.towers.open_clip_folder import read_trained_on, save_open_clip
from unprompt.index.towers.trained_tower import join_corpora
from unprompt.inversion.train.clip_config import ClipTrainConfig
from unprompt.inversion.train.config import TowerConfig
from unprompt.inversion.train.data.cache import LowerPart
from unprompt.inversion.train.data.pairs import Pairs, TrainingData
from unprompt.inversion.train.export import CHECKPOINTS, EXPORT
from unprompt.inversion.train.loop.checkpoints import BEST, WEIGHTS, load_weights
from unprompt.inversion.train.loop.launch import Launch
from unprompt.inversion.train.model.adapters import load_trainable_state, merge_adapters
from unprompt.inversion.train.model.layout import apply_layout
from unprompt.inversion.train.model.module import PairModule
from unprompt.inversion.train.task import PairTask, run_training
from unprompt.inversion.train.towers.build import LoadedTower, build_tower

CLIP_START = (math.log(1 / 0.07), None)  # logit scale (log) and bias, as open_clip starts
SIGLIP_START = (math.log(10.0), -10.0)


class Joint(nn.Module):
    """The trained parts besides the tower: projection, temperature, and an unlocked text tower."""

    def __init__(self, clip: Any, loss: str, lock_text: bool):
        super().__init__()
        self.projection = getattr(clip.visual, "head", None) or nn.Identity()
        scale, bias = SIGLIP_START if loss == "siglip" else CLIP_START
        known = getattr(clip, "logit_bias", None) if loss == "siglip" else None
        fresh = loss == "siglip" and known is None
        self.logit_scale = nn.Parameter(torch.tensor(scale)) if fresh else clip.logit_scale
        self.logit_bias = nn.Parameter(torch.tensor(bias)) if fresh else known
        self.text = None if lock_text else _text_parts(clip)


class ContrastiveModule(PairModule):
    """Image tower and text side of one CLIP. `forward` returns the contrastive loss."""

    def __init__(self, loaded: LoadedTower, config: ClipTrainConfig, launch: Launch):
        super().__init__()
        clip: Clip = loaded.clip
        tower = loaded.tower.to(memory_format=torch.channels_last)
        tower.checkpointing = config.checkpointing
        self.layout = apply_layout(tower, config.tuning)
        self.lower = LowerPart(tower, loaded.preprocess, self.layout.boundary)
        self.head = Joint(clip.model, config.loss, config.lock_text)
        self.head_only = False
        self._loss = _loss(config.loss, launch)
        self._encode_text: Callable[..., Tensor] = clip.model.encode_text

    def predict(self, inputs: Sequence[Tensor]) -> Tensor:
        """Pixels or cached states -> image vectors (n, d) of unit length."""
        state = self.tower.climb(self.state(inputs), self.layout.boundary)
        return normalize(self.head.projection(self.tower.embed(state)), dim=-1)

    def texts(self, targets: Tensor) -> Tensor:
        """Text vectors (n, d): given as vectors, or computed from token ids (n, t)."""
        if targets.is_floating_point():
            return targets
        return self._encode_text(targets, normalize=True)

    def score(self, found: Tensor, targets: Tensor) -> float:
        """Mean reciprocal rank of the true prompt among all prompts of the validation split."""
        known = [self.texts(part.to(self._device())).float().cpu() for part in targets.split(64)]
        likeness = found @ torch.cat(known).T
        ranks = (likeness >= likeness.diagonal()[:, None]).sum(1)
        return float((1.0 / ranks).mean())

    def forward(self, inputs: Sequence[Tensor], targets: Tensor) -> Tensor:
        """The loss of a batch. Pairs of other processes serve as negatives too."""
        scale, bias = self.head.logit_scale.exp().clamp(max=100.0), self.head.logit_bias
        return self._loss(self.predict(inputs).float(), self.texts(targets).float(), scale, bias)

    def _device(self) -> torch.device:
        return self.head.logit_scale.device


def train_clip(
    folder: Path,
    config: ClipTrainConfig,
    data: TrainingData,
    resume: str = "latest",
    progress: Progress = SILENT,
) -> Path:
    """Fine-tune in `folder`. Returns an open_clip `local-dir:` folder with the merged CLIP.

    `data` must contain the texts of the prompts. Raises ConfigError if settings and data do not
    fit.
    """
    launch = Launch(config.precision)
    loaded = build_tower(TowerConfig(config.model, config.pretrained, config.image_size))
    if loaded.clip is None:
        raise ConfigError(f"{config.model} has no text tower; contrastive training needs a CLIP")
    loaded.clip.model.to(launch.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        module = ContrastiveModule(loaded, config, launch)
    _freeze_text(loaded.clip.model, config.lock_text)
    encode = _text_targets(loaded.clip, config.lock_text)
    data = TrainingData(
        tuple(_with_texts(pairs, encode) for pairs in data.stages),
        _with_texts(data.validation, encode),
        data.target_space,
        data.corpus,
    )
    task = PairTask(folder, config, data, launch, (module, loaded.preprocess), progress)
    run_training(folder, config, task, launch, resume, progress)
    if launch.is_main:
        load_trainable_state(module, load_weights(folder / CHECKPOINTS / BEST / WEIGHTS))
        merge_adapters(module.eval().tower.trunk)
        model = loaded.clip.model
        model.logit_scale, model.logit_bias = module.head.logit_scale, module.head.logit_bias
        corpora = join_corpora(read_trained_on(config.model), data.corpus)
        save_open_clip(loaded.clip, task.preprocess, folder / EXPORT, corpora)
    launch.wait()
    return folder / EXPORT


def _loss(kind: str, launch: Launch) -> Callable[..., Tensor]:
    from open_clip.loss import ClipLoss, SigLipLoss

    place = {"rank": launch.rank, "world_size": launch.processes}
    if kind == "siglip":
        return SigLipLoss(**place)
    # as open_clip trains in several processes: exact gradients, each process its own rows
    contrast = ClipLoss(local_loss=True, gather_with_grad=True, **place)
    return lambda image, text, scale, bias: contrast(image, text, scale)


def _text_parts(clip: Any) -> nn.Module:
    """The text tower as one module. A plain CLIP of open_clip keeps its parts at the top level."""
    if hasattr(clip, "text"):
        return clip.text
    parts = nn.ModuleDict({"transformer": clip.transformer, "tokens": clip.token_embedding})
    parts["norm"] = clip.ln_final
    parts.register_parameter("positions", clip.positional_embedding)
    if isinstance(clip.text_projection, nn.Parameter):
        parts.register_parameter("projection", clip.text_projection)
    return parts


def _freeze_text(clip: Any, locked: bool) -> None:
    _text_parts(clip).requires_grad_(not locked)
    if locked:
        _text_parts(clip).eval()


def _text_targets(clip: Clip, locked: bool) -> Callable[[Sequence[str]], np.ndarray]:
    if locked:
        return ClipTextEncoder(clip).encode

    def tokens(texts: Sequence[str]) -> np.ndarray:
        return clip.tokenizer(list(texts)).numpy()

    return tokens


def _with_texts(pairs: Pairs, encode: Callable[[Sequence[str]], np.ndarray]) -> Pairs:
    """Pairs with the vectors or tokens of their texts as targets; each text is encoded once."""
    if len(pairs.texts) != len(pairs):
        raise ConfigError(f"{len(pairs)} pictures need one prompt each, got {len(pairs.texts)}")
    texts, places = np.unique(np.asarray(pairs.texts, dtype=object), return_inverse=True)
    return replace(pairs, targets=encode(texts.tolist())[places])
