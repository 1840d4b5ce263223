"""A training section and how many prompts each stage has -> its pieces of work, stage by stage."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from unprompt.build.planning.choose_rate import Need
from unprompt.build.planning.rates import Reference
from unprompt.build.planning.request import Training
from unprompt.build.planning.work import training_passes
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.inversion.train.clip_config import ClipTrainConfig
from unprompt.inversion.train.config import StageConfig, TrainConfig

BLIP2 = "blip2"
Section = TrainConfig | ClipTrainConfig
Prompts = Callable[[StageConfig], int]  # prompts a stage learns from


def tower_name(model: str) -> str:
    """A tower as the table of rates calls it: `blip2:FOLDER` is blip2."""
    return BLIP2 if model.startswith(f"{BLIP2}:") else model


def embed_need(model: str, size_px: int | None, known: Reference) -> Need:
    """One image through an image tower."""
    name = tower_name(model)
    tower = known.towers.get(name)
    size = size_px or (tower.size_px if tower else None)
    work = tower.forward_gflop(size) if tower else None
    return Need("embed", name, work, "GFLOP", {"size_px": size}, tower.family if tower else None)


def encoder_need(encoder: EncoderConfig, known: Reference) -> Need:
    """One image through the tower of a section `encoder:`, in its own runtime and precision."""
    need = embed_need(encoder.model, encoder.image_size, known)
    settings = {**need.settings, "runtime": encoder.runtime, "precision": encoder.precision}
    return replace(need, settings=settings)


def training_work(
    name: str, section: Section, prompts: Prompts, known: Reference
) -> list[Training]:
    """Filling the cache where there is one, LP-FT epochs and the others; validation is left out."""
    found: list[Training] = []
    for number, stage in enumerate(section.stages):
        count, cached = prompts(stage), is_cached(section, stage)
        label = f"train {name}" + (f", stage {number + 1}" if len(section.stages) > 1 else "")
        if cached:
            need = training_need(section, stage, known, frozen_part=True)
            found.append(Training(f"{label}, cache", count, need))
        if stage.head_only_epochs:
            need = training_need(section, stage, known, head_only=True)
            found.append(Training(f"{label}, head alone", stage.head_only_epochs * count, need))
        epochs = stage.epochs - stage.head_only_epochs
        if epochs:
            found.append(Training(label, epochs * count, training_need(section, stage, known)))
    return found


def is_cached(section: Section, stage: StageConfig) -> bool:
    """Whether what the frozen blocks give is kept, as the trainer decides it."""
    plain = stage.augment == "none" and not stage.horizontal_flip
    return section.cache and plain and section.tuning.frozen > 0


def training_need(
    section: Section,
    stage: StageConfig,
    known: Reference,
    head_only: bool = False,
    frozen_part: bool = False,
) -> Need:
    """One image of a stage's training; `frozen_part` is the filling of the cache."""
    model, size = _tower(section)
    tower = known.towers.get(model)
    size = stage.image_size or size or (tower.size_px if tower else None)
    tuning, cached = section.tuning, is_cached(section, stage)
    passes = tuning.frozen
    if not frozen_part:
        passes = training_passes(
            tuning.frozen, tuning.lora, section.checkpointing, head_only, cached
        )
    work = tower.forward_gflop(size) * passes if tower else None
    settings: dict[str, Any] = {
        "size_px": size,
        "frozen": tuning.frozen,
        "lora": tuning.lora,
        "checkpointing": section.checkpointing,
        "cached": cached,
        "head_only": head_only,
        "frozen_part": frozen_part,
        "precision": section.precision,
    }
    return Need("train", model, work, "GFLOP", settings, tower.family if tower else None)


def _tower(section: Section) -> tuple[str, int | None]:
    if isinstance(section, TrainConfig):
        return tower_name(section.tower.model), section.tower.image_size
    return tower_name(section.model), section.image_size
