"""How long one item of a stage takes on one device: measured rates and published ones.

`rates.yaml` next to this file holds published rates, each with its source. `unprompt bench` writes
a JSON file with the rates of one device.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, read_settings, write_settings

RateStage = Literal["prompts", "render", "embed", "train", "index", "search"]
Setting = str | int | float | bool | None
UNSTATED = "unstated"  # GPU kind of a source that does not name its GPU


@dataclass(frozen=True, config=STRICT)
class Rate:
    """Seconds per item of a stage on one device, with the source."""

    stage: RateStage
    subject: str  # renderer, pipeline, tower, prompt encoder or index
    device: str  # full name of the GPU or CPU
    seconds: float  # per prompt, image, GFLOP of index building, or query
    source: str
    date: str
    gpu: str | None = None  # GPU kind as `--gpu` names it; None for a CPU
    cores: int | None = None  # CPU cores that are busy for `seconds`
    work: float | None = None  # work per item in the stage's unit; `seconds` is scaled by it
    settings: Mapping[str, Setting] = field(default_factory=dict)
    recipe: str | None = None  # name of the recipe that states this rate
    measured: bool = False  # by `unprompt bench`

    def __post_init__(self) -> None:
        if self.seconds <= 0 or (self.work is not None and self.work <= 0):
            raise ConfigError(f"seconds and work of a rate must be > 0, got {self}")


@dataclass(frozen=True, config=STRICT)
class PictureSize:
    """Stored bytes per pixel of rendered images."""

    kind: str  # scenes or diffusion
    format: str
    quality: int | str | None  # of jpg and webp
    bytes_per_pixel: float
    source: str
    date: str
    measured: bool = False


@dataclass(frozen=True, config=STRICT)
class TowerCost:
    """Arithmetic of an image tower's forward pass."""

    family: str
    size_px: int  # the tower's own input size
    gflop: Mapping[int, float]  # per image, by input size
    dims: Mapping[str, int]  # embedding dimension, by `encoder.output`

    def forward_gflop(self, size_px: int | None) -> float:
        """GFLOP per image; between known input sizes it scales with the pixel count."""
        size = size_px or self.size_px
        nearest = min(self.gflop, key=lambda known: abs(known - size))
        return self.gflop[nearest] * (size / nearest) ** 2


@dataclass(frozen=True, config=STRICT)
class PipelineCost:
    """Arithmetic of a diffusion pipeline, by image side in pixels."""

    step_tflop: Mapping[int, float]  # per step: two UNet passes, for guidance
    once_tflop: Mapping[int, float]  # per image: text encoder and VAE decoder
    words: tuple[str, ...]  # parts of the names of its models

    def tflop(self, steps: float, size_px: int, once: bool = True) -> float:
        """TFLOP per image, or of its steps alone."""
        nearest = min(self.step_tflop, key=lambda known: abs(known - size_px))
        whole = steps * self.step_tflop[nearest] + (self.once_tflop[nearest] if once else 0.0)
        return whole * (size_px / nearest) ** 2


@dataclass(frozen=True, config=STRICT)
class Costs:
    """All that is known: rates and image sizes, best first, and the arithmetic of models."""

    rates: tuple[Rate, ...]
    pictures: tuple[PictureSize, ...]
    towers: Mapping[str, TowerCost]
    pipelines: Mapping[str, PipelineCost]

    @property
    def gpu_kinds(self) -> list[str]:
        """GPU kinds that the rates name, in the order of the rates."""
        kinds = [rate.gpu for rate in self.rates if rate.gpu and rate.gpu != UNSTATED]
        return list(dict.fromkeys(kinds))

    def find_gpu(self, asked: str) -> str:
        """A GPU kind in the spelling of the rates; raises ConfigError where no rate names it."""
        for kind in self.gpu_kinds:
            if kind.lower() == asked.strip().lower():
                return kind
        raise ConfigError(
            f"no rate for the GPU {asked!r}; there are rates for {', '.join(self.gpu_kinds)}; "
            "`unprompt bench` measures others"
        )

    def find_pipeline(self, model: str) -> str | None:
        """Name of the pipeline that a diffusion model belongs to, found by the model's name."""
        for name, pipeline in self.pipelines.items():
            if any(word in model.lower() for word in pipeline.words):
                return name
        return None

    def work_per_item(self, rate: Rate) -> float | None:
        """Work per item of a rate in the stage's unit; None where it is unknown."""
        size = int(str(rate.settings.get("size_px") or 0))
        if rate.work is not None:
            return rate.work
        if rate.stage == "render" and rate.subject == "scenes":
            return float(size**2) or None
        if rate.stage == "render" and rate.subject in self.pipelines and "steps" in rate.settings:
            steps, once = float(str(rate.settings["steps"])), rate.settings.get("once", True)
            return self.pipelines[rate.subject].tflop(steps, size, bool(once))
        if rate.stage == "embed" and rate.subject in self.towers:
            return self.towers[rate.subject].forward_gflop(size)
        return None


@dataclass(frozen=True, config=STRICT)
class RatesFile:
    """Rates of one device, as `unprompt bench` writes them."""

    device: str
    cores: int
    versions: Mapping[str, str]  # of the libraries
    rates: tuple[Rate, ...] = ()
    pictures: tuple[PictureSize, ...] = ()


@cache
def published_costs() -> Costs:
    """Read the `rates.yaml` that ships with the package."""
    text = (files("unprompt.build.planning") / "rates.yaml").read_text(encoding="utf-8")
    return read_settings(Costs, yaml.safe_load(text), "rates.yaml")


def read_rates(path: Path) -> RatesFile:
    """Read a file of `unprompt bench`; raises ConfigError where it is missing or invalid."""
    if not path.is_file():
        raise ConfigError(f"there is no rates file {path}; `unprompt bench -o {path}` writes one")
    return read_settings(RatesFile, read_json(path), str(path))


def write_rates(path: Path, found: RatesFile) -> None:
    """Write a rates file. Other rates of the same device that the file holds are kept."""
    if path.is_file() and (old := read_rates(path)).device == found.device:
        new = {*map(_identity, found.rates), *map(_identity, found.pictures)}
        rates = [rate for rate in old.rates if _identity(rate) not in new]
        pictures = [size for size in old.pictures if _identity(size) not in new]
        found = replace(found, rates=(*rates, *found.rates), pictures=(*pictures, *found.pictures))
    write_json(path, write_settings(found))


def _identity(entry: Rate | PictureSize) -> tuple[object, ...]:
    """What an entry describes: a newer entry of the same identity replaces it."""
    if isinstance(entry, PictureSize):
        return (entry.kind, entry.format, entry.quality)
    return (entry.stage, entry.subject, entry.device, *sorted(entry.settings.items()))
