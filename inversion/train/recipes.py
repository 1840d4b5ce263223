"""The winners' recipes as data: what their write-ups state, and our choices for the rest."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, read_settings
from unprompt.inversion.train.config import TrainConfig

PREFIX = "kaggle-"


@dataclass(frozen=True, config=STRICT)
class DataSource:
    """One set of prompts and its renders."""

    name: str
    prompts: int | None = None  # none: not stated
    images_per_prompt: float = 1
    runs: tuple[str, ...] = ()  # `run` of the stages that learn from it; none: all of them
    note: str = ""


@dataclass(frozen=True, config=STRICT)
class Member:
    """One model of the ensemble."""

    name: str
    train: TrainConfig


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """A whole solution."""

    title: str
    data: tuple[DataSource, ...]
    rendering: str
    members: tuple[Member, ...]
    blend: str
    scores: Mapping[str, str] = Field(default_factory=dict)
    ours: Mapping[str, str] = Field(default_factory=dict)  # setting -> why it is our choice


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    folder = files("unprompt.inversion.train.presets")
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.startswith(PREFIX))


def recipe_text(name: str) -> str:
    """The YAML of a recipe. Raises ConfigError for an unknown name."""
    if name not in recipe_names():
        raise ConfigError(f"no recipe {name!r}; there are {', '.join(recipe_names())}")
    place = files("unprompt.inversion.train.presets") / f"{name}.yaml"
    return place.read_text(encoding="utf-8")


def load_recipe(name: str) -> Recipe:
    """Load a recipe and check every setting."""
    return read_settings(Recipe, yaml.safe_load(recipe_text(name)), name)


def member_section(name: str, member: str) -> dict[str, Any]:
    """The `train:` section of one member, for your own config."""
    content = yaml.safe_load(recipe_text(name))
    for entry in content["members"]:
        if entry["name"] == member:
            return {"train": entry["train"]}
    known = ", ".join(entry["name"] for entry in content["members"])
    raise ConfigError(f"{name} has no member {member!r}; it has {known}")
