"""The section `render:` of a build config: how prompts become pictures."""

from typing import Any, Literal

from pydantic.dataclasses import dataclass

from unprompt.build.pictures.diffusion.config import DiffusionConfig
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, write_settings
from unprompt.index.images.pictures import PictureFormat, PictureQuality, check_quality

SCENES_PX = 256


@dataclass(frozen=True, config=STRICT)
class RenderConfig:
    """How prompts become pictures.

    A corpus whose source is `pairs` brings its pictures and uses only `images_per_shard`.
    """

    renderer: Literal["scenes", "diffusers"] = "scenes"
    size_px: int = SCENES_PX  # scenes only; a pipeline has height and width
    seeds_per_prompt: int = 1  # pictures per train prompt; a held-out prompt gets one
    images_per_shard: int = 500
    format: PictureFormat = "jpg"
    quality: PictureQuality = 95  # of jpg and webp; `lossless` for webp
    output_px: int | None = None  # shorter side of the stored picture; None: as drawn
    seed_set: str = ""  # another name gives every prompt different seeds
    diffusion: DiffusionConfig | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.images_per_shard <= 10_000:
            raise ConfigError(
                f"render.images_per_shard must lie between 1 and 10000, got {self.images_per_shard}"
            )
        if self.seeds_per_prompt < 1 or self.size_px < 32:
            raise ConfigError(
                f"render.seeds_per_prompt must be >= 1 and render.size_px >= 32, got "
                f"{self.seeds_per_prompt} and {self.size_px}"
            )
        if (self.renderer == "diffusers") != (self.diffusion is not None):
            raise ConfigError(
                "render.renderer diffusers and the section render.diffusion go together, got "
                f"{self.renderer} and {'one' if self.diffusion else 'none'}; it needs a `model:`"
            )
        if self.diffusion is not None and self.size_px != SCENES_PX:
            raise ConfigError("render.size_px is for scenes; set render.diffusion.height and width")
        if self.output_px is not None and self.output_px < 32:
            raise ConfigError(f"render.output_px must be >= 32, got {self.output_px}")
        check_quality(self.format, self.quality)

    @property
    def deciding(self) -> dict[str, Any]:
        """The settings that decide the pictures, without optional ones that are unset."""
        settings = write_settings(self)
        for name in ("output_px", "seed_set", "diffusion"):
            if not settings[name]:
                del settings[name]
        if self.diffusion is not None:
            del settings["size_px"]
            settings["diffusion"] = self.diffusion.deciding
        return settings

    @property
    def stored(self) -> dict[str, Any]:
        """How the picture of a row is encoded; for scenes only where the picture is shrunk."""
        if self.diffusion is None and self.output_px is None:
            return {}
        how = {"format": self.format, "quality": self.quality, "output_px": self.output_px}
        return {"stored": how}
