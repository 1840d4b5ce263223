"""Settings of a training run: the section `train:`, saved as config.yaml beside the run."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT

INSTALL = "pip install 'unprompt[build,train,cpu]'"


@dataclass(frozen=True, config=STRICT)
class TowerConfig:
    """The image tower to train."""

    model: str = "efficientnet-lite2"  # offline tower, open_clip name, `timm:NAME`, `blip2:FOLDER`
    pretrained: str | None = None  # open_clip tag or checkpoint file; offline towers need none
    image_size: int | None = None  # pixels; none keeps the tower's size


@dataclass(frozen=True, config=STRICT)
class HeadLayout:
    """The network from tower features to the prompt vector."""

    kind: Literal["linear", "mlp", "qformer"] = "mlp"
    width: int = 1024  # hidden units of mlp; model width of qformer
    queries: int = 16  # of qformer
    layers: int = 2  # of qformer
    initial: Literal["random", "text_map"] = "random"  # text_map: linear only, 7th place

    def __post_init__(self) -> None:
        if self.initial == "text_map" and self.kind != "linear":
            raise ConfigError(f"head.initial text_map needs head.kind linear, got {self.kind}")


@dataclass(frozen=True, config=STRICT)
class TuningConfig:
    """Which blocks learn: the bottom is frozen, the middle gets LoRA, the top is trained in full.

    1st place used shares of 0.4, 0.4 and 0.2. Rank and alpha are our choice.
    """

    frozen: float = 0.4  # share of the blocks; 1.0 trains only the head
    lora: float = 0.4
    rank: int = 16
    alpha: int = 32

    def __post_init__(self) -> None:
        if min(self.frozen, self.lora) < 0 or self.frozen + self.lora > 1.0 + 1e-9:
            raise ConfigError(
                f"tuning.frozen and tuning.lora are shares of the blocks, together at most 1, got "
                f"{self.frozen} and {self.lora}"
            )
        if self.rank < 1 or self.alpha < 1:
            raise ConfigError(f"tuning.rank and alpha must be >= 1, got {self.rank}, {self.alpha}")


@dataclass(frozen=True, config=STRICT)
class ObjectiveConfig:
    """The loss between predicted and true prompt vectors."""

    kind: Literal["cosine", "angular", "cosine_mse"] = "cosine"
    mse_weight: float = 0.01  # of cosine_mse, the share 6th place used


@dataclass(frozen=True, config=STRICT)
class StageConfig:
    """One stage of the schedule on one data set, for example large and noisy, then clean."""

    epochs: int = 3
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    head_only_epochs: int = 0  # LP-FT: train only the head first
    warmup: float = 0.05  # share of the stage's steps
    image_size: int | None = None  # larger input by interpolated positional embeddings
    augment: Literal["none", "light", "randaugment"] = "none"
    horizontal_flip: bool = False  # prompts mention left and right, so flips hurt
    run: str | None = None  # run folder with the corpus and images to use; none: this run

    def __post_init__(self) -> None:
        if self.epochs < 1 or not 0 <= self.head_only_epochs <= self.epochs:
            raise ConfigError(
                f"a stage needs epochs >= 1 and 0 <= head_only_epochs <= epochs, got "
                f"{self.epochs} and {self.head_only_epochs}"
            )
        if self.learning_rate <= 0 or self.final_learning_rate < 0 or not 0 <= self.warmup < 1:
            raise ConfigError(
                "a stage needs learning_rate > 0, final_learning_rate >= 0, 0 <= warmup < 1, got "
                f"{self.learning_rate}, {self.final_learning_rate}, {self.warmup}"
            )


@dataclass(frozen=True, config=STRICT)
class TrainConfig:
    """A whole training run."""

    tower: TowerConfig = Field(default_factory=TowerConfig)
    head: HeadLayout = Field(default_factory=HeadLayout)
    tuning: TuningConfig = Field(default_factory=TuningConfig)
    objective: ObjectiveConfig = Field(default_factory=ObjectiveConfig)
    stages: tuple[StageConfig, ...] = (StageConfig(),)
    batch_size: int = 64  # of one optimizer step, over all processes and accumulation steps
    accumulate: int = 1  # backward passes per optimizer step
    layer_decay: float = 1.0  # learning-rate factor from each block to the one below it
    weight_decay: float = 0.05
    clip_norm: float | None = 1.0
    ema: float | None = 0.999  # decay of the averaged weights; none uses the raw weights
    precision: Literal["no", "fp16", "bf16"] = "no"  # accelerate's mixed precision
    checkpointing: bool = False  # recompute activations in the backward pass, to save memory
    cache: bool = True  # keep the output of the frozen blocks; used without augmentation
    checkpoint_steps: int = 200
    log_steps: int = 20
    workers: int = 0  # processes that decode pictures
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages:
            raise ConfigError("train.stages needs at least one stage")
        if self.batch_size < 1 or self.accumulate < 1 or self.batch_size % self.accumulate:
            raise ConfigError(
                f"train.batch_size must be a multiple of train.accumulate, got {self.batch_size} "
                f"and {self.accumulate}"
            )
        if self.ema is not None and not 0 < self.ema < 1:
            raise ConfigError(f"train.ema must lie between 0 and 1 or be none, got {self.ema}")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"train.layer_decay must lie in (0, 1], got {self.layer_decay}")
        if self.checkpoint_steps < 1 or self.log_steps < 1:
            raise ConfigError("train.checkpoint_steps and train.log_steps must be >= 1")
