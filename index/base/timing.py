"""A function -> the median seconds per call, without the first call."""

import statistics
import time
from collections.abc import Callable

from unprompt.index.base.errors import ConfigError


def median_seconds(work: Callable[[int], object], repeats: int) -> float:
    """Call `work` once to warm up, then time `repeats` calls; its argument counts the calls.

    Work on a GPU must wait for its own results. Raises ConfigError if `repeats` < 1.
    """
    if repeats < 1:
        raise ConfigError(f"timing needs at least one repeat, got {repeats}")
    work(0)
    taken = []
    for number in range(1, repeats + 1):
        start = time.perf_counter()
        work(number)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
