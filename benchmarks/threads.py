"""Pictures a second by the size of a call, and by the number of threads that share an inverter.

`python benchmarks/threads.py` prints one JSON line.

Calls of 1, 2, 4 ... 64 photographs take turns, so that a busy machine slows all of them alike; each
ratio compares a size with the calls of one in the same rounds. The median over rounds counts. Then
one thread and several take turns on one inverter, and every answer of a thread must have the bits
of the answer from one thread. `cpu_ms` is processor time per picture, which depends less on what
else runs.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from matplotlib.cbook import get_sample_data
from PIL import Image

import unprompt

SIZES = (1, 2, 4, 8, 16, 32, 64)
DISTINCT = 64  # crops of one photograph
Invert = Callable[[list[Image.Image]], list[unprompt.Inversion]]


class Cost(NamedTuple):
    """What some pictures took."""

    pictures: int
    seconds: float
    processor_seconds: float

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="pictures per call")
    parser.add_argument("--least", type=int, default=64, help="pictures per size and round")
    parser.add_argument("--threads", type=int, nargs="*", default=(2, 8))
    parser.add_argument("--calls", type=int, default=25, help="calls per thread")
    asked = parser.parse_args()
    pictures = photographs()
    with unprompt.load() as inverter:
        inverter.invert(pictures[:2])
        report = {
            "calls": by_size(inverter, pictures, asked.sizes, asked.rounds, asked.least),
            "threads": by_threads(inverter, pictures, asked.threads, asked.rounds, asked.calls),
            "cores": os.cpu_count(),
            "load_average": os.getloadavg()[0],
        }
    sys.stdout.write(json.dumps(report) + "\n")


def photographs() -> list[Image.Image]:
    """Crops of a photograph of 512 x 600 pixels."""
    photo = Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    width, height = photo.size
    corners = range(DISTINCT)
    return [photo.crop((c, c, width - DISTINCT + c, height - DISTINCT + c)) for c in corners]


def by_size(
    inverter: unprompt.Inverter,
    pictures: Sequence[Image.Image],
    sizes: Sequence[int],
    rounds: int,
    least: int,
) -> dict[str, dict[str, float]]:
    """The rate of every size, and its ratio to that of one picture a call."""
    costs: dict[int, list[Cost]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size, own in costs.items():
            calls = [pictures[start : start + size] for start in range(0, max(least, size), size)]
            own.append(measure(inverter.invert, calls)[0])
    return {str(size): compared(own, costs[min(sizes)]) for size, own in costs.items()}


def by_threads(
    inverter: unprompt.Inverter,
    pictures: Sequence[Image.Image],
    threads: Sequence[int],
    rounds: int,
    calls: int,
) -> dict[str, dict[str, float]]:
    """The rate of some threads, its ratio to that of one, and answers with other bits."""
    alone = [whole(inverter.invert(picture)) for picture in pictures]
    found: dict[int, list[Cost]] = {count: [] for count in (1, *threads)}
    wrong = dict.fromkeys(found, 0)
    for _ in range(rounds):
        for count, own in found.items():
            places = [place % len(pictures) for place in range(count * calls)]
            cost, answers = measure(inverter.invert, [[pictures[p]] for p in places], count)
            own.append(cost)
            wrong[count] += sum(
                whole(answer) != alone[place]
                for [answer], place in zip(answers, places, strict=True)
            )
    return {
        str(count): {**compared(own, found[1]), "other_answers": wrong[count]}
        for count, own in found.items()
    }


def measure(
    invert: Invert, calls: Sequence[list[Image.Image]], threads: int = 1
) -> tuple[Cost, list[list[unprompt.Inversion]]]:
    """The cost of some calls, shared out to threads, and the answers of each."""
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(invert, calls))
    cost = Cost(sum(map(len, calls)), time.perf_counter() - wall, time.process_time() - cpu)
    return cost, answers


def compared(costs: Sequence[Cost], single: Sequence[Cost]) -> dict[str, float]:
    """Medians over the rounds; ratios are taken within a round."""
    ratios = [own.rate / one.rate for own, one in zip(costs, single, strict=True)]
    cpu = [1000 * own.processor_seconds / own.pictures for own in costs]
    return {
        "pictures_per_second": round(statistics.median(own.rate for own in costs), 2),
        "ratio_to_one": round(statistics.median(ratios), 3),
        "cpu_ms": round(statistics.median(cpu), 1),
    }


def whole(answer: unprompt.Inversion) -> str:
    return json.dumps(answer.as_json(), sort_keys=True) + answer.vector.tobytes().hex()


if __name__ == "__main__":
    main()
