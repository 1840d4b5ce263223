"""Sections `encoder:`, `train:` and `clip:` of a config -> the items and work of a plan."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from unprompt.build.planning.rates import Costs
from unprompt.build.planning.work import Item, Work, training_passes
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.inversion.train.clip_config import ClipTrainConfig
from unprompt.inversion.train.config import StageConfig, TrainConfig

Section = TrainConfig | ClipTrainConfig
Phase = Literal["step", "head_only", "frozen_part"]  # fields of `TrainingSpeed`
PHASES: tuple[Phase, ...] = ("step", "head_only", "frozen_part")


def encoder_item(encoder: EncoderConfig, costs: Costs) -> Item:
    """One image through the tower of a section `encoder:`, in its runtime and precision."""
    item = tower_item(encoder.model, encoder.image_size, costs)
    settings = {**item.settings, "runtime": encoder.runtime, "precision": encoder.precision}
    return replace(item, settings=settings)


def tower_item(model: str, size_px: int | None, costs: Costs) -> Item:
    """One image through an image tower."""
    name = tower_name(model)
    tower = costs.towers.get(name)
    if tower is None:
        return Item("embed", name, None, "GFLOP", {"size_px": size_px})
    size = size_px or tower.size_px
    work = tower.forward_gflop(size)
    return Item("embed", name, work, "GFLOP", {"size_px": size}, tower.family)


def tower_name(model: str) -> str:
    """A tower's name in `rates.yaml`: `blip2:FOLDER` is blip2."""
    return "blip2" if model.startswith("blip2:") else model


def training_work(
    name: str, section: Section, prompts: Callable[[StageConfig], int], costs: Costs
) -> list[Work]:
    """Work of each stage: filling the cache, LP-FT epochs, other epochs; not validation.

    `prompts` gives the number of prompts that a stage learns from.
    """
    found = []
    for number, stage in enumerate(section.stages, 1):
        label = f"train {name}" + (f", stage {number}" if len(section.stages) > 1 else "")
        phases: tuple[tuple[Phase, str, int], ...] = (
            ("frozen_part", ", cache", int(is_cached(section, stage))),
            ("head_only", ", head alone", stage.head_only_epochs),
            ("step", "", stage.epochs - stage.head_only_epochs),
        )
        for phase, suffix, epochs in phases:
            if epochs:
                item = training_item(section, stage, phase, costs)
                images = epochs * prompts(stage)
                found.append(Work("train", label + suffix, images, "images", item))
    return found


def is_cached(section: Section, stage: StageConfig) -> bool:
    """Whether the trainer stores the output of the frozen blocks for this stage."""
    plain = stage.augment == "none" and not stage.horizontal_flip
    return section.cache and plain and section.tuning.frozen > 0


def training_item(section: Section, stage: StageConfig, phase: Phase, costs: Costs) -> Item:
    """One image of a phase of a training stage."""
    tower = section.tower if isinstance(section, TrainConfig) else section
    item = tower_item(tower.model, stage.image_size or tower.image_size, costs)
    tuning, cached, head_only = section.tuning, is_cached(section, stage), phase == "head_only"
    passes = tuning.frozen
    if phase != "frozen_part":
        passes = training_passes(
            tuning.frozen, tuning.lora, section.checkpointing, head_only, cached
        )
    settings = {
        **item.settings,
        "frozen": tuning.frozen,
        "lora": tuning.lora,
        "checkpointing": section.checkpointing,
        "cached": cached,
        "head_only": head_only,
        "frozen_part": phase == "frozen_part",
        "precision": section.precision,
    }
    work = None if item.work is None else item.work * passes
    return replace(item, stage="train", work=work, settings=settings)
