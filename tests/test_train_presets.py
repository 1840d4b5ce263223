"""Towers of the published sizes on the meta device, and the winners' recipes as settings."""

from typing import Any

import pytest
import yaml

from unprompt.index.base.errors import ConfigError
from unprompt.inversion.train.config import TrainConfig, TuningConfig
from unprompt.inversion.train.model.layout import apply_layout
from unprompt.inversion.train.recipes import (
    load_recipe,
    member_section,
    recipe_names,
    recipe_text,
)
from unprompt.inversion.train.towers.blip2 import Blip2Tower
from unprompt.inversion.train.towers.published import PUBLISHED, build_on_meta

STATED_IN_ALL = {"tower.model"}  # the name of the tower is what a member is


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_tower_has_its_published_size(name: str) -> None:
    tower, known = build_on_meta(name), PUBLISHED[name]
    trunk = tower.trunk
    assert all(parameter.is_meta for parameter in trunk.parameters())
    assert len(tower.blocks) == known.blocks
    millions = sum(parameter.numel() for parameter in trunk.parameters()) / 1e6
    # without the projection that open_clip puts on a timm trunk, of ConvNeXt an MLP of 3.5 million
    assert known.millions - 3.6 < millions < known.millions + 0.02


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_winners_layout_fits_every_tower(name: str) -> None:
    tower = build_on_meta(name)
    whole = sum(p.numel() for p in tower.parameters())
    layout = apply_layout(tower, TuningConfig(frozen=0.4, lora=0.4))
    learning = {
        n.replace(".base_layer", ""): p.numel()
        for n, p in tower.named_parameters()
        if p.requires_grad
    }
    bare = build_on_meta(name)  # without adapters, whose own layers would be listed too
    for number in range(layout.boundary, layout.full_from):
        names = bare.lora_targets(number)
        assert names
        assert all(any(f"{name}." in key for key in learning) for name in names)
    assert 0.05 < sum(learning.values()) / whole < 0.5
    low = 0 if isinstance(tower, Blip2Tower) else layout.boundary
    assert low < layout.full_from < layout.blocks


def test_an_unknown_tower_is_refused() -> None:
    with pytest.raises(ConfigError, match="no published tower 'ViT-XS'"):
        build_on_meta("ViT-XS")


def settings_of(section: Any, prefix: str = "") -> set[str]:
    """Dotted paths of all leaves."""
    if isinstance(section, dict):
        pairs = section.items()
    elif isinstance(section, list):
        pairs = enumerate(section)  # type: ignore[assignment]
    else:
        return {prefix}
    return set().union(*(settings_of(v, f"{prefix}.{k}" if prefix else str(k)) for k, v in pairs))


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_says_which_settings_are_ours(name: str) -> None:
    recipe = load_recipe(name)
    paths = settings_of(yaml.safe_load(recipe_text(name))["members"], "members")
    assert recipe.ours and set(recipe.ours) <= paths
    assert all(len(reason) > 8 for reason in recipe.ours.values())
    for member in recipe.members:
        tower = member.train.tower
        assert tower.model in PUBLISHED or tower.model.startswith("blip2:")


def test_what_the_first_place_states() -> None:
    recipe = load_recipe("kaggle-1st")
    vit, xxl, blip = (member.train for member in recipe.members)
    assert isinstance(vit, TrainConfig)
    assert (vit.tuning.frozen, vit.tuning.lora) == (0.4, 0.4)
    assert [(s.epochs, s.learning_rate, s.final_learning_rate) for s in vit.stages] == [
        (2, 1e-4, 8e-5), (3, 1e-4, 5e-5),
    ]  # fmt: skip
    assert xxl.batch_size == 320 and xxl.tower.image_size == 256
    assert [s.epochs for s in blip.stages] == [3, 4] and blip.head.kind == "linear"


def test_the_third_places_lowest_layer_learns_a_millionth() -> None:
    for member in load_recipe("kaggle-3rd").members:
        blocks = PUBLISHED[member.train.tower.model].blocks
        assert 1e-7 < member.train.layer_decay ** (blocks + 2) < 1e-5, member.name


def test_a_members_section_can_be_trained() -> None:
    section = member_section("kaggle-2nd", "eva02-l")
    assert section["train"]["tower"]["model"] == "EVA02-L-14-336"
    with pytest.raises(ConfigError, match="has no member 'x'; it has convnext-xxl"):
        member_section("kaggle-2nd", "x")
    with pytest.raises(ConfigError, match="no recipe 'kaggle-9th'"):
        load_recipe("kaggle-9th")
