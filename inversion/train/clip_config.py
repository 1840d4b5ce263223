"""Settings of a contrastive run: the section `clip:`, saved as config.yaml beside the run."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT
from unprompt.inversion.train.config import StageConfig, TuningConfig


@dataclass(frozen=True, config=STRICT)
class ClipTrainConfig:
    """Contrastive fine-tuning of a whole CLIP on pictures and their prompts."""

    model: str = "efficientnet-lite2"  # offline tower, open_clip name or `local-dir:FOLDER`
    pretrained: str | None = None  # open_clip tag or checkpoint file
    image_size: int | None = None  # pixels; none keeps the tower's size
    loss: Literal["clip", "siglip"] = "clip"
    lock_text: bool = True  # freeze the text tower (LiT), so that its space does not change
    tuning: TuningConfig = Field(default_factory=TuningConfig)
    stages: tuple[StageConfig, ...] = (StageConfig(),)
    batch_size: int = (
        256  # over all processes; the negatives of a pair are the other pairs of its batch
    )
    layer_decay: float = 1.0
    weight_decay: float = 0.05
    clip_norm: float | None = 1.0
    ema: float | None = 0.999
    precision: Literal["no", "fp16", "bf16"] = "no"
    checkpointing: bool = False
    cache: bool = True
    checkpoint_steps: int = 200
    log_steps: int = 20
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages:
            raise ConfigError("clip.stages needs at least one stage")
        if any(stage.head_only_epochs for stage in self.stages):
            raise ConfigError("clip.stages takes no head_only_epochs: a CLIP has no head")
        if self.batch_size < 2:
            raise ConfigError(f"clip.batch_size must be >= 2, got {self.batch_size}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ConfigError(f"clip.ema must lie between 0 and 1 or be none, got {self.ema}")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"clip.layer_decay must lie in (0, 1], got {self.layer_decay}")

    @property
    def accumulate(self) -> int:
        """Always one, because accumulated parts cannot use each other's negatives."""
        return 1
