"""The section `render.diffusion` of a config: how a text-to-image pipeline is loaded and run."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, write_settings

SIDE_STEP_PX = 8  # side of the picture area of one VAE latent
# Settings that change the hardware; they change the pictures only by rounding.
PLACEMENT = ("batch_size", "device")


@dataclass(frozen=True, config=STRICT)
class SchedulerConfig:
    """The solver: the name of a diffusers class, or None for that of the model, with options."""

    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, config=STRICT)
class DiffusionConfig:
    """A pipeline in the folder format of diffusers, and everything that decides its pictures."""

    model: str  # a folder, or ORG/NAME of the hub, which is then fetched once
    revision: str | None = None  # of the hub: branch, tag or commit
    variant: str | None = None  # files with this word in their name, such as fp16
    dtype: Literal["auto", "fp16", "bf16", "fp32", "fp64"] = "auto"  # fp16 on a GPU, else fp32
    scheduler: SchedulerConfig = Field(default_factory=SchedulerConfig)
    steps: int = 25
    guidance: float | None = 7.5  # None: default of the pipeline
    height: int | None = None  # pixels; None: the size that the model was trained for
    width: int | None = None
    negative_prompt: str = ""
    batch_size: int | None = None  # None: 8 on a GPU, 1 on a CPU
    attention: Literal["sdpa", "xformers"] = "sdpa"
    vae_slicing: bool = False  # decode one picture at a time: less memory
    vae_tiling: bool = False  # decode in tiles: much less memory, faint seams
    compile: Literal["no", "blocks", "whole"] = "no"
    channels_last: bool = False
    device: str = "auto"  # one GPU per worker, else the CPU

    def __post_init__(self) -> None:
        if self.steps < 1 or (self.batch_size is not None and self.batch_size < 1):
            raise ConfigError(
                f"render.diffusion.steps and batch_size must be >= 1, got {self.steps} and "
                f"{self.batch_size}"
            )
        if self.guidance is not None and self.guidance < 0:
            raise ConfigError(f"render.diffusion.guidance must be >= 0, got {self.guidance}")
        if (self.height is None) != (self.width is None):  # pipelines then ignore the other
            raise ConfigError(
                f"render.diffusion.height and width go together, got {self.height} and {self.width}"
            )
        for name, side in (("height", self.height), ("width", self.width)):
            if side is not None and (side < SIDE_STEP_PX or side % SIDE_STEP_PX):
                raise ConfigError(
                    f"render.diffusion.{name} must be a multiple of {SIDE_STEP_PX}, got {side}"
                )

    @property
    def deciding(self) -> dict[str, Any]:
        """The settings that decide the pictures, as JSON values."""
        return {name: v for name, v in write_settings(self).items() if name not in PLACEMENT}
