"""How long one item of a stage takes on one device: measured rates, and the published ones.

`rates.yaml` beside this file holds what others published, each with its source; `unprompt bench`
writes a file of the same kind about one's own device.
"""

from collections.abc import Mapping
from dataclasses import field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, read_settings, write_settings

Stage = Literal["prompts", "render", "embed", "train", "index", "search"]
Setting = str | int | float | bool | None


@dataclass(frozen=True, config=STRICT)
class Rate:
    """What one item of a stage took on one device, and who says so."""

    stage: Stage
    subject: str  # renderer, pipeline, tower, prompt encoder or index
    device: str  # its own name
    seconds: float  # an item: a prompt, an image, a GFLOP of index, a query
    source: str
    date: str
    gpu: str | None = None  # its kind as `--gpu` names it; none: a CPU
    cores: int | None = None  # of a CPU, busy for so long
    work: float | None = None  # of the item, in the stage's unit: what `seconds` is scaled by
    settings: Mapping[str, Setting] = field(default_factory=dict)
    recipe: str | None = None  # whose own rate it is
    measured: bool = False  # by `unprompt bench`

    def __post_init__(self) -> None:
        if self.seconds <= 0 or (self.work is not None and self.work <= 0):
            raise ConfigError(f"a rate needs seconds and work over 0, got {self}")


@dataclass(frozen=True, config=STRICT)
class PictureSize:
    """How large stored pictures are."""

    kind: str  # scenes, or pictures of diffusion models
    format: str
    quality: int | str | None  # of jpg and webp
    bytes_per_pixel: float
    source: str
    date: str
    measured: bool = False


@dataclass(frozen=True, config=STRICT)
class TowerCost:
    """An image tower's forward pass."""

    family: str
    size_px: int  # its own input size
    gflop: Mapping[int, float]  # of one image, by input size
    dims: Mapping[str, int]  # length of its vectors, by `encoder.output`

    def forward_gflop(self, size_px: int | None) -> float:
        """Of one image; between the sizes that are known it grows with the pixels."""
        size = size_px or self.size_px
        nearest = min(self.gflop, key=lambda known: abs(known - size))
        return self.gflop[nearest] * (size / nearest) ** 2


@dataclass(frozen=True, config=STRICT)
class PipelineCost:
    """A diffusion pipeline: what each step takes, and what is spent once an image."""

    step_tflop: Mapping[int, float]  # by side in pixels, both passes of guidance
    once_tflop: Mapping[int, float]  # text encoder and VAE decoder
    words: tuple[str, ...]  # found in the names of its models

    def tflop(self, steps: float, size_px: int, once: bool = True) -> float:
        """Of one image, or of its steps alone."""
        nearest = min(self.step_tflop, key=lambda known: abs(known - size_px))
        whole = steps * self.step_tflop[nearest] + (self.once_tflop[nearest] if once else 0.0)
        return whole * (size_px / nearest) ** 2


@dataclass(frozen=True, config=STRICT)
class Reference:
    """What is published, and what was counted in the models' own shapes."""

    rates: tuple[Rate, ...]
    pictures: tuple[PictureSize, ...]
    towers: Mapping[str, TowerCost]
    pipelines: Mapping[str, PipelineCost]


@dataclass(frozen=True, config=STRICT)
class RatesFile:
    """What `unprompt bench` found out about one device."""

    device: str
    cores: int
    versions: Mapping[str, str]
    rates: tuple[Rate, ...] = ()
    pictures: tuple[PictureSize, ...] = Field(default_factory=tuple)


@cache
def reference() -> Reference:
    """The table that ships with the package."""
    text = (files("unprompt.build.planning") / "rates.yaml").read_text(encoding="utf-8")
    return read_settings(Reference, yaml.safe_load(text), "rates.yaml")


def read_rates(path: Path) -> RatesFile:
    """A file that `unprompt bench` wrote; raises ConfigError where there is none."""
    if not path.is_file():
        raise ConfigError(f"there is no rates file {path}; `unprompt bench -o {path}` writes one")
    return read_settings(RatesFile, read_json(path), str(path))


def write_rates(path: Path, found: RatesFile) -> None:
    """Write a rates file; what it held of other parts of the same device stays."""
    kept: tuple[Rate, ...] = ()
    pictures: tuple[PictureSize, ...] = ()
    if path.is_file() and (old := read_rates(path)).device == found.device:
        new = {_identity(rate) for rate in found.rates}
        kept = tuple(rate for rate in old.rates if _identity(rate) not in new)
        stored = {(size.kind, size.format, size.quality) for size in found.pictures}
        pictures = tuple(
            size for size in old.pictures if (size.kind, size.format, size.quality) not in stored
        )
    whole = RatesFile(
        found.device,
        found.cores,
        found.versions,
        (*kept, *found.rates),
        (*pictures, *found.pictures),
    )
    write_json(path, write_settings(whole))


def _identity(rate: Rate) -> tuple[object, ...]:
    return (rate.stage, rate.subject, rate.device, *sorted(rate.settings.items()))
