"""Work that is repeated -> the median seconds of one run, the first one left out."""

import statistics
import time
from collections.abc import Callable

from unprompt.index.base.errors import ConfigError


def median_seconds(work: Callable[[int], object], repeats: int) -> float:
    """Call `work` once to warm up and `repeats` times under the clock; it is told the round.

    What runs on a GPU has to wait for its results itself.
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
