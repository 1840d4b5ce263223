"""Scenes drawn per second on this machine.

`first_pass` includes rasterising every drawing the first time it is met, as a new build does;
`warm` draws other prompts with the same drawings' cache.
"""

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000, help="images a process and pass")
    parser.add_argument("--size-px", type=int, default=256)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        jobs = [(asked.images, asked.size_px, number) for number in range(asked.processes)]
        timings = list(pool.map(_draw_twice, jobs))
    total = asked.images * asked.processes
    report = {
        "size_px": asked.size_px,
        "processes": asked.processes,
        "images": total,
        "first_pass_images_per_second": round(total / max(first for first, _, _ in timings), 1),
        "warm_images_per_second": round(total / max(warm for _, warm, _ in timings), 1),
        "cpu_ms_per_image": round(sum(cpu for *_, cpu in timings) / len(timings), 1),
        "load_average": os.getloadavg()[0],
    }
    sys.stdout.write(json.dumps(report) + "\n")


def _draw_twice(job: tuple[int, int, int]) -> tuple[float, float, float]:
    """Seconds of two passes over different prompts, and processor time an image."""
    images, size_px, number = job
    prompts = sample_prompts(2 * images, number)
    renderer = ScenesRenderer(size_px)
    seconds = []
    before = time.process_time()
    for half in (prompts[:images], prompts[images:]):
        start = time.perf_counter()
        for seed, prompt in enumerate(half):
            renderer.render([prompt], [seed])
        seconds.append(time.perf_counter() - start)
    cpu_ms = 1000 * (time.process_time() - before) / (2 * images)
    return seconds[0], seconds[1], cpu_ms


if __name__ == "__main__":
    main()
