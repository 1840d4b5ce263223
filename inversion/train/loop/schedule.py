"""A step of a run -> its stage, epoch, batch and learning rate."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from unprompt.inversion.train.config import StageConfig


class Place(NamedTuple):
    """The position of one optimizer step."""

    stage: int
    epoch: int  # within the stage
    batch: int  # within the epoch


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then a cosine from the first to the final learning rate of a stage."""

    stages: tuple[StageConfig, ...]
    steps_per_epoch: tuple[int, ...]

    @property
    def total(self) -> int:
        """The number of steps of the whole run."""
        return sum(self._lengths())

    def start_of(self, stage: int) -> int:
        """The first step of a stage."""
        return sum(self._lengths()[:stage])

    def place(self, step: int) -> Place:
        """Stage, epoch and batch of a step. For step == total, the end of the last stage."""
        for stage, length in enumerate(self._lengths()):
            if step < length or stage == len(self.stages) - 1:
                epoch, batch = divmod(step, self.steps_per_epoch[stage])
                return Place(stage, epoch, batch)
            step -= length
        raise ValueError(f"step {step} lies after the last stage")

    def ends_epoch(self, step: int) -> bool:
        """Whether `step` is the last of its epoch."""
        place = self.place(step)
        return place.batch == self.steps_per_epoch[place.stage] - 1

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step. Head-only epochs have their own warm-up and cosine."""
        place = self.place(step)
        config, per_epoch = self.stages[place.stage], self.steps_per_epoch[place.stage]
        within = place.epoch * per_epoch + place.batch
        head_only = config.head_only_epochs * per_epoch
        if within < head_only:
            begin, length = 0, head_only
        else:
            begin, length = head_only, config.epochs * per_epoch - head_only
        warm = max(1, round(config.warmup * length)) if config.warmup else 0
        done = within - begin
        if done < warm:
            return config.learning_rate * (done + 1) / warm
        share = (done - warm) / max(1, length - warm)
        swing = 0.5 * (1.0 + math.cos(math.pi * share))
        low = config.final_learning_rate
        return low + (config.learning_rate - low) * swing

    def _lengths(self) -> list[int]:
        return [
            stage.epochs * steps
            for stage, steps in zip(self.stages, self.steps_per_epoch, strict=True)
        ]
