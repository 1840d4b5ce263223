"""A training section on this machine -> seconds per image of a step, and of the frozen part."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from unprompt.index.base.timing import median_seconds
from unprompt.inversion.train.config import StageConfig, TrainConfig
from unprompt.inversion.train.data.cache import frozen_runner
from unprompt.inversion.train.loop.ema import Ema
from unprompt.inversion.train.loop.launch import Launch
from unprompt.inversion.train.model.layout import parameter_groups
from unprompt.inversion.train.model.regressor import Regressor
from unprompt.inversion.train.regression import build_regressor
from unprompt.inversion.train.towers.build import build_tower

PROMPT_DIM = 384


@dataclass(frozen=True)
class TrainingSpeed:
    """Seconds per image, without reading and decoding pictures."""

    step: float  # forward, backward, update, average
    head_only: float | None  # the same for head-only epochs; None if the stage has none
    frozen_part: float | None  # filling the cache; None without a cache


def time_training(
    config: TrainConfig, stage: StageConfig, cached: bool, repeats: int
) -> TrainingSpeed:
    """Time real training steps on random pictures. Nothing is written."""
    launch = Launch(config.precision)
    loaded = build_tower(config.tower)
    preprocess = loaded.preprocess
    if stage.image_size is not None and stage.image_size != preprocess.image_size:
        loaded.tower.resize(stage.image_size)
        preprocess = replace(preprocess, image_size=stage.image_size)
    module = build_regressor(config, loaded._replace(preprocess=preprocess))
    groups = parameter_groups(
        module.tower, module.head, module.layout, config.layer_decay, config.weight_decay
    )
    launch.prepare(module, groups)
    size, batch = preprocess.image_size, config.batch_size // config.accumulate
    generator = torch.Generator().manual_seed(config.seed)
    pixels = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8, generator=generator)
    inputs: tuple[Tensor, ...] = (pixels,)
    frozen = None
    if cached:
        frozen, inputs = _time_frozen(module, size, pixels, repeats)
    targets = normalize(torch.randn(batch, PROMPT_DIM, generator=generator), dim=-1)
    average = Ema(module, config.ema) if config.ema is not None else None

    def step(_: int) -> None:
        module.train()
        for part in range(config.accumulate):
            loss = launch.backward((inputs, targets), config.accumulate, part)
        launch.update(stage.learning_rate, config.clip_norm)
        if average is not None:
            average.update(module)
        float(loss)  # waits for a GPU

    images = batch * config.accumulate
    whole = median_seconds(step, repeats) / images
    head_only = None
    if stage.head_only_epochs:
        module.head_only = True
        head_only = median_seconds(step, repeats) / images
    return TrainingSpeed(whole, head_only, frozen)


def _time_frozen(
    module: Regressor, size: int, pixels: Tensor, repeats: int
) -> tuple[float, tuple[Tensor, ...]]:
    """Seconds per image of the frozen part, and its states as a cache stores them."""
    run = frozen_runner(module.lower.eval(), size)
    images = pixels.numpy()
    seconds = median_seconds(lambda _: run(images), repeats) / len(images)
    return seconds, tuple(torch.from_numpy(state).half() for state in run(images))
