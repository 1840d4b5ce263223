"""The training part of a benchmark: steps of a config's `train:`, or of the starter's."""

from collections.abc import Iterator

from unprompt.index.base.errors import ConfigError
from unprompt.ui.jobs.config import load_config
from unprompt.ui.planning.bench_parts import Bench, Found
from unprompt.ui.planning.training_work import is_cached, training_need


def bench_train(bench: Bench) -> Iterator[Found]:
    """A step of every stage, of LP-FT's epochs and of the cache's filling, where there are any."""
    config = bench.config or load_config("starter")
    if config.train is None:
        if bench.asked:
            raise ConfigError(f"{config.build.name} has no section `train:` to measure")
        return
    from unprompt.inversion.train.speed import time_training

    section = config.train
    for stage in section.stages:
        found = time_training(section, stage, is_cached(section, stage), bench.repeats)
        for seconds, head_only, frozen_part in (
            (found.step, False, False),
            (found.head_only, True, False),
            (found.frozen_part, False, True),
        ):
            if seconds is not None:
                need = training_need(section, stage, bench.known, head_only, frozen_part)
                yield bench.rate("train", need.subject, seconds, need.settings, need.work)
