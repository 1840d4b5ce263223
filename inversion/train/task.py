"""Pairs of pictures and targets for the training loop, and a whole training run.

RUN/train/  config.yaml  metrics.jsonl  checkpoints/  tensorboard/  curves.png  cache/  export/
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils.data import Dataset

from unprompt.index.base.durable import stable_id, write_atomically
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.inversion.train.clip_config import ClipTrainConfig
from unprompt.inversion.train.config import TrainConfig
from unprompt.inversion.train.data.augment import augment
from unprompt.inversion.train.data.cache import open_cache
from unprompt.inversion.train.data.pairs import TrainingData
from unprompt.inversion.train.data.pictures import (
    PicturePairs,
    load_batches,
    make_batches,
    share_of,
)
from unprompt.inversion.train.loop.curves import draw_curves
from unprompt.inversion.train.loop.launch import Launch
from unprompt.inversion.train.loop.loop import Loop, LoopSettings, MicroBatch
from unprompt.inversion.train.loop.metrics import METRICS
from unprompt.inversion.train.loop.schedule import Place
from unprompt.inversion.train.model.layout import parameter_groups
from unprompt.inversion.train.model.module import PairModule

CONFIG, CURVES, CACHE = "config.yaml", "curves.png", "cache"
VALIDATION_BATCH = 64


Settings = TrainConfig | ClipTrainConfig


class PairTask:
    """A module and the pairs of each stage: a `Task` of the training loop."""

    def __init__(
        self,
        folder: Path,
        config: Settings,
        data: TrainingData,
        launch: Launch,
        built: tuple[PairModule, Preprocess],
        progress: Progress = SILENT,
    ):
        if len(data.stages) != len(config.stages):
            raise ConfigError(
                f"{len(config.stages)} stages need one data set each, got {len(data.stages)}"
            )
        self._folder = folder
        self._config = config
        self._stages = data.stages
        self._validation = data.validation
        self._launch = launch
        self._progress = progress
        self.module, self.preprocess = built
        self._train_set: Dataset | None = None
        self._validation_set: Dataset | None = None

    def begin_stage(self, stage: int) -> None:
        """Resize the tower and open the stage's pictures or cached states."""
        size = self._config.stages[stage].image_size
        if size is not None and size != self.preprocess.image_size:
            self.module.tower.resize(size)
            self.preprocess = replace(self.preprocess, image_size=size)
        if self._launch.is_main:
            self._open(stage)
        self._launch.wait()
        self._open(stage)

    def steps_per_epoch(self, stage: int) -> int:
        """Whole batches, with one render per prompt."""
        return max(1, self._stages[stage].distinct // self._config.batch_size)

    def groups(self) -> list[dict[str, Any]]:
        """Parameter groups with their factors of the learning rate."""
        module, config = self.module, self._config
        return parameter_groups(
            module.tower, module.head, module.layout, config.layer_decay, config.weight_decay
        )

    def begin_epoch(self, place: Place) -> None:
        """In the first epochs of LP-FT only the head learns."""
        stage = self._config.stages[place.stage]
        self.module.head_only = place.epoch < stage.head_only_epochs

    def batches(self, place: Place, rank: int, processes: int) -> Iterator[MicroBatch]:
        """The share of one process of the rest of the epoch."""
        accumulate = self._config.accumulate
        parts = [
            share_of(batch[part::accumulate], rank, processes)
            for batch in self._epoch(place)[place.batch :]
            for part in range(accumulate)
        ]
        dataset = self._pictures(place) or self._train_set
        if dataset is None:
            raise ValueError("begin a stage first")
        return load_batches(dataset, parts, self._config.workers)

    def describe(self, place: Place) -> str:
        """The keys of a batch's pictures."""
        rows = self._epoch(place)[place.batch]
        keys = [self._stages[place.stage].keys[row] for row in rows]
        return f"pictures {', '.join(keys[:4])}{' ...' if len(keys) > 4 else ''}"

    def validate(self) -> float:
        """The module's score on the validation pairs."""
        if self._validation_set is None:
            raise ValueError("begin a stage first")
        rows = range(len(self._validation))
        batches = [
            list(rows[start : start + VALIDATION_BATCH])
            for start in range(0, len(rows), VALIDATION_BATCH)
        ]
        self.module.eval()
        found, wanted = [], []
        with torch.no_grad():
            for inputs, targets in load_batches(self._validation_set, batches, 0):
                moved = tuple(part.to(self._launch.device) for part in inputs)
                found.append(self.module.predict(moved).float().cpu())
                wanted.append(targets)
            return self.module.score(torch.cat(found), torch.cat(wanted))

    def _open(self, stage: int) -> None:
        config = self._config
        cached = (
            config.cache
            and config.stages[stage].augment == "none"
            and not config.stages[stage].horizontal_flip
            and self.module.layout.boundary > 0
        )
        data = (self._stages[stage], self._validation)
        if cached:
            place = self._folder / CACHE
            progress = self._progress if self._launch.is_main else SILENT
            self._train_set, self._validation_set = (
                open_cache(place, pairs, self.module.lower, self.preprocess, progress)
                for pairs in data
            )
        else:
            self._train_set = None
            self._validation_set = PicturePairs(self._validation, self.preprocess, None, 0)

    def _pictures(self, place: Place) -> Dataset | None:
        """Decoded pictures, augmented differently in each epoch; used without a cache."""
        if self._train_set is not None:
            return None
        stage = self._config.stages[place.stage]
        change = augment(stage.augment, stage.horizontal_flip, self.preprocess.image_size)
        seed = stable_id("pictures", self._config.seed, place.stage, place.epoch) % 2**63
        return PicturePairs(self._stages[place.stage], self.preprocess, change, seed)

    def _epoch(self, place: Place) -> list[list[int]]:
        seed = stable_id("order", self._config.seed, place.stage) % 2**63
        order = self._stages[place.stage].draw(seed, place.epoch)
        return make_batches(order, self._config.batch_size)


def run_training(
    folder: Path,
    config: Settings,
    task: PairTask,
    launch: Launch,
    resume: str = "latest",
    progress: Progress = SILENT,
) -> None:
    """Train `task` in `folder` from the checkpoint that `resume` names to the end.

    Raises TrainingDivergedError if the loss is not a number.
    """
    if launch.is_main:
        with write_atomically(folder / CONFIG) as temporary:
            temporary.write_text(yaml.safe_dump(write_settings(config), sort_keys=False))
    settings = LoopSettings(
        stages=config.stages,
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        clip_norm=config.clip_norm,
        ema=config.ema,
        checkpoint_steps=config.checkpoint_steps,
        log_steps=config.log_steps,
        seed=config.seed,
    )
    Loop(folder, task, settings, launch, progress).run(resume)
    if launch.is_main:
        draw_curves(folder / METRICS, folder / CURVES)
