"""A preset's name or YAML file, with overrides -> the settings of a run."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.build.config import BuildConfig
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, read_settings
from unprompt.inversion.fit.tune import FitConfig
from unprompt.inversion.train.clip_config import ClipTrainConfig
from unprompt.inversion.train.config import TrainConfig

FIT, TRAIN, CLIP = "fit", "train", "clip"
DIFFUSION = "diffusion"
Overrides = Sequence[str] | Mapping[str, Any]  # `section.key=value`, or values by `section.key`


@dataclass(frozen=True, config=STRICT)
class RunConfig:
    """The settings of `unprompt build`: the sections of a build, of training and of the fit."""

    build: BuildConfig
    fit: FitConfig = Field(default_factory=FitConfig)
    train: TrainConfig | None = None  # None: the tower is not trained
    clip: ClipTrainConfig | None = None  # for `unprompt train clip`

    def __post_init__(self) -> None:
        reads_tokens = self.train is not None and self.train.head.kind == "qformer"
        if reads_tokens and self.build.encoder.output != "prediction":
            raise ConfigError(
                "a qformer head reads the tower's tokens, which no index holds; set "
                f"`encoder.output: prediction`, got {self.build.encoder.output!r}"
            )


def preset_names() -> list[str]:
    """Names of the presets in the package."""
    folder = files("unprompt.build.presets")
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_config(name: str, overrides: Overrides = ()) -> RunConfig:
    """A preset by name or a YAML file by path, with overrides on top.

    An override is `section.key=value`, where the value is YAML, or an item of a mapping from
    `section.key` to the value itself.
    Raises ConfigError for an unknown preset, a missing file or invalid settings.
    """
    content = _read_content(name)
    content.setdefault("name", Path(name).stem)
    if isinstance(overrides, Mapping):
        for setting, value in overrides.items():
            put_setting(content, setting, value)
    else:
        for override in overrides:
            override_setting(content, override)
    _fill_render(content)
    fit = content.pop(FIT, None) or {}
    train, clip = content.pop(TRAIN, None), content.pop(CLIP, None)
    return RunConfig(
        read_settings(BuildConfig, content, name),
        read_settings(FitConfig, fit, f"{name} fit"),
        None if train is None else read_settings(TrainConfig, train, f"{name} train"),
        None if clip is None else read_settings(ClipTrainConfig, clip, f"{name} clip"),
    )


def _read_content(name: str) -> dict[str, Any]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigError(f"there is no config file {path}")
        text = _read_text(path)
    elif name in preset_names():
        text = (files("unprompt.build.presets") / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        raise ConfigError(
            f"{name!r} is neither a preset ({', '.join(preset_names())}) nor a .yaml file"
        )
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name} must hold sections such as `corpus:`, got {content!r}")
    return content


def _fill_render(content: dict[str, Any]) -> None:
    """Replace `render.preset: NAME` by the render section of that preset, under own settings."""
    render = content.get("render")
    if not isinstance(render, dict) or "preset" not in render:
        return
    name = render.pop("preset")
    if name not in preset_names():
        raise ConfigError(f"render.preset: no preset {name!r}; {', '.join(preset_names())}")
    base = _read_content(name).get("render") or {}
    merged = {**base, **render}
    if isinstance(base.get(DIFFUSION), dict) and isinstance(render.get(DIFFUSION), dict):
        merged[DIFFUSION] = {**base[DIFFUSION], **render[DIFFUSION]}
    content["render"] = merged


def override_setting(content: dict[str, Any], override: str) -> None:
    """Set the value of `section.key=value` in `content`; raises ConfigError for a bad override."""
    name, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"--set takes name=value, got {override!r}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML: {error}") from error
    put_setting(content, name, value)


def put_setting(content: dict[str, Any], name: str, value: Any) -> None:
    """Put a value at `section.key` of `content`; raises ConfigError if there is no such section."""
    *sections, last = name.strip().split(".")
    place: Any = content
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, Mapping):
            raise ConfigError(f"the setting {name.strip()}: {section} is not a section")
    place[last] = value


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the config file {path}: {error}") from error
