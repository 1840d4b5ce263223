"""The training loop: a task and its schedule -> checkpoints, metrics and the best weights.

Pictures and losses come from the task (`regression`, `contrastive`). Random numbers depend only on
seed, step and process, so a resumed run gives the same result as an uninterrupted one.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from unprompt.index.base.durable import stable_id, write_json
from unprompt.index.base.errors import TrainingDivergedError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.inversion.train.config import StageConfig
from unprompt.inversion.train.loop.checkpoints import (
    BEST,
    STATE,
    WEIGHTS,
    Checkpoint,
    Progressed,
    choose_checkpoint,
    load_checkpoint,
    save_checkpoint,
    save_weights,
)
from unprompt.inversion.train.loop.ema import Ema
from unprompt.inversion.train.loop.launch import Launch
from unprompt.inversion.train.loop.metrics import MetricsLog
from unprompt.inversion.train.loop.schedule import Place, Schedule
from unprompt.inversion.train.model.adapters import load_trainable_state, trainable_state
from unprompt.inversion.train.model.layout import check_gradients

CHECKPOINTS = "checkpoints"
MicroBatch = tuple[Any, ...]  # arguments of the module's forward


class Task(Protocol):
    """What to train: a module whose forward returns a loss, and its batches."""

    module: nn.Module

    def begin_stage(self, stage: int) -> None:
        """Prepare data and network for a stage. Called for each stage in order."""

    def steps_per_epoch(self, stage: int) -> int:
        """Optimizer steps in an epoch of a stage."""

    def groups(self) -> list[dict[str, Any]]:
        """Parameter groups for AdamW, each with its `lr_scale`."""

    def begin_epoch(self, place: Place) -> None:
        """Set which parts learn in the epoch at `place`."""

    def batches(self, place: Place, rank: int, processes: int) -> Iterator[MicroBatch]:
        """The share of one process of the rest of the epoch, `accumulate` batches per step."""

    def describe(self, place: Place) -> str:
        """Describe the batch at `place` for an error message."""

    def validate(self) -> float:
        """The validation cosine of the current module."""


@dataclass(frozen=True)
class LoopSettings:
    """Settings of the loop."""

    stages: tuple[StageConfig, ...]
    batch_size: int
    accumulate: int = 1
    clip_norm: float | None = 1.0
    ema: float | None = None
    checkpoint_steps: int = 200
    log_steps: int = 20
    seed: int = 0


class Loop:
    """One run over all its stages. `run` can be called again after a kill."""

    def __init__(
        self,
        folder: Path,
        task: Task,
        settings: LoopSettings,
        launch: Launch,
        progress: Progress = SILENT,
    ):
        self._folder = folder
        self._task = task
        self._settings = settings
        self._launch = launch
        self._progress = progress
        steps = tuple(task.steps_per_epoch(stage) for stage in range(len(settings.stages)))
        self.schedule = Schedule(settings.stages, steps)
        self._metrics = MetricsLog(folder)
        self._progressed = Progressed(0)
        self._ema: Ema | None = None
        self._checked = False
        self._meter = _Meter(settings.batch_size)

    def run(self, resume: str = "latest") -> Progressed:
        """Train from the checkpoint that `resume` names to the end.

        Raises TrainingDivergedError if the loss is not a number.
        """
        place = choose_checkpoint(self._folder / CHECKPOINTS, resume)
        saved = load_checkpoint(place) if place else None
        start = saved.progressed.step if saved else 0
        self._begin(start, saved)
        batches: Iterator[MicroBatch] = iter(())
        total = self.schedule.total
        for step in self._progress.track(range(start, total), "train", total, start):
            here = self.schedule.place(step)
            if step == start or here.batch == 0:
                if step != start and here.epoch == 0:
                    self._begin_stage(here.stage)
                self._task.begin_epoch(here)
                batches = self._task.batches(here, self._launch.rank, self._launch.processes)
            loss = self._step(step, here, batches)
            self._after(step, here, loss)
        return self._progressed

    def _begin(self, start: int, saved: Checkpoint | None) -> None:
        last = self.schedule.place(start).stage
        fresh = start == self.schedule.start_of(
            last
        )  # the optimizer and the average of a new stage start again
        for stage in range(last):
            self._task.begin_stage(stage)
        if saved is not None and fresh:
            load_trainable_state(self._task.module, saved.weights)
        self._begin_stage(last)
        if self._launch.is_main:
            self._metrics.truncate_after(start)
        if saved is None:
            return
        self._progressed = saved.progressed
        if fresh:
            return
        load_trainable_state(self._task.module, saved.weights)
        self._launch.load_optimizer(saved.optimizer)
        if self._ema is not None and saved.average is not None:
            self._ema.load(saved.average)

    def _begin_stage(self, stage: int) -> None:
        self._task.begin_stage(stage)
        self._launch.prepare(self._task.module, self._task.groups())
        decay = self._settings.ema
        self._ema = Ema(self._task.module, decay) if decay is not None else None

    def _step(self, step: int, place: Place, batches: Iterator[MicroBatch]) -> float:
        settings = self._settings
        rate = self.schedule.learning_rate(step)
        torch.manual_seed(stable_id("step", settings.seed, step, self._launch.rank) % 2**63)
        self._task.module.train()
        losses = []
        for part in range(settings.accumulate):
            loss = self._launch.backward(next(batches), settings.accumulate, part)
            losses.append(loss)
        mean = self._launch.mean(torch.stack(losses).mean())
        if not torch.isfinite(mean):
            self._diverged(step, place, "the loss is not a number")
        if place.batch == 0 or not self._checked:
            self._checked = True
            check_gradients(self._task.module)
        if not self._launch.update(rate, settings.clip_norm):
            self._diverged(step, place, "a gradient is not a number")
        if self._ema is not None:
            self._ema.update(self._task.module)
        return float(mean)

    def _diverged(self, step: int, place: Place, what: str) -> None:
        kept = choose_checkpoint(self._folder / CHECKPOINTS, "latest")
        left = f"the last good checkpoint is {kept}" if kept else "no checkpoint was written yet"
        raise TrainingDivergedError(
            f"training stopped at step {step} (stage {place.stage}, epoch {place.epoch}, batch "
            f"{place.batch}: {self._task.describe(place)}): {what}; {left}. Lower "
            "the stage's learning_rate or set train.clip_norm, then run the same command again"
        )

    def _after(self, step: int, place: Place, loss: float) -> None:
        settings, done = self._settings, step + 1
        rate = self.schedule.learning_rate(step)
        self._meter.add(loss)
        ends_epoch = self.schedule.ends_epoch(step)
        if self._launch.is_main and (done % settings.log_steps == 0 or ends_epoch):
            values = {"kind": "step", "stage": place.stage, "epoch": place.epoch,
                      "learning_rate": rate, **self._meter.read()}  # fmt: skip
            self._metrics.log(done, values)
            cosine = self._progressed.best_cosine
            best = f", best cosine {cosine:.4f}" if cosine is not None else ""
            self._progress.detail(
                f"loss {values['loss']:.4f}, {values['images_per_second']:.0f} images/s{best}"
            )
        self._progressed = replace(self._progressed, step=done)
        if ends_epoch:
            self._validate(done, place)
        if done % settings.checkpoint_steps == 0 or ends_epoch:
            self._save()

    def _validate(self, done: int, place: Place) -> None:
        if self._launch.is_main:
            module = self._task.module
            with self._averaged():
                cosine = self._task.validate()
                best = self._progressed.best_cosine
                if best is None or cosine > best:
                    folder = self._folder / CHECKPOINTS / BEST
                    save_weights(folder / WEIGHTS, trainable_state(module))
                    write_json(
                        folder / STATE, {"step": done, "cosine": cosine, "stage": place.stage}
                    )
                    self._progressed = Progressed(done, cosine, done)
            self._metrics.log(
                done,
                {
                    "kind": "validation",
                    "stage": place.stage,
                    "epoch": place.epoch,
                    "cosine": cosine,
                },
            )
            self._progress.note(f"epoch {place.epoch + 1}: validation cosine {cosine:.4f}")
            self._meter.restart()
        self._launch.wait()

    def _averaged(self) -> AbstractContextManager[None]:
        return self._ema.swap(self._task.module) if self._ema is not None else nullcontext()

    def _save(self) -> None:
        if self._launch.is_main:
            average = self._ema.state() if self._ema is not None else None
            weights = trainable_state(self._task.module)
            checkpoint = Checkpoint(
                self._progressed, weights, average, self._launch.optimizer_state()
            )
            save_checkpoint(self._folder / CHECKPOINTS, checkpoint)
        self._launch.wait()


class _Meter:
    """Mean loss and images per second since the last `read`."""

    def __init__(self, batch_size: int, clock: Callable[[], float] = time.perf_counter):
        self._batch_size = batch_size
        self._clock = clock
        self._losses: list[float] = []
        self._since = clock()

    def add(self, loss: float) -> None:
        """Add the loss of one step."""
        self._losses.append(loss)

    def read(self) -> Mapping[str, float]:
        """Return the figures and restart."""
        seconds = max(self._clock() - self._since, 1e-9)
        count = len(self._losses)
        figures = {
            "loss": sum(self._losses) / max(count, 1),
            "images_per_second": count * self._batch_size / seconds,
        }
        self.restart()
        return figures

    def restart(self) -> None:
        """Reset the meter."""
        self._losses = []
        self._since = self._clock()
