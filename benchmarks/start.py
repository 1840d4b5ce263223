"""Time and memory of the first query of a process.

`python benchmarks/start.py` prints one JSON line.

Wall seconds, processor seconds and peak MB of `unprompt invert ONE` in processes of their own: of a
picture like the starter's corpus, of a photograph, of the same with an empty cache folder, and of a
process that only imports what a query with torch would. Then milliseconds of a later call in a
process that stays, and the cosines of OpenVINO's vectors to torch's. Medians over interleaved
rounds; bytecode is kept, as after an installation.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image

from unprompt.index.bundle.bundle import ENCODER, FALLBACK
from unprompt.index.exported.export import load_encoder, read_description
from unprompt.index.prompt_encoders.minilm import load_prompt_encoder
from unprompt.index.prompt_encoders.target_encoder import load_query_prompt_encoder
from unprompt.index.towers.clip import load_clip
from unprompt.inversion.inverter import STARTER
from unprompt.ui.page.examples import draw_examples

INVERT = ("-m", "unprompt.ui.cli.main", "invert")
TORCH = ("-c", "import open_clip, sentence_transformers")
WARM = """
import json, statistics, sys, time
from PIL import Image
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query

inverter, found = Inverter.load(), {}
for name, path, compose in (
    ("like", sys.argv[1], True), ("like_vector_alone", sys.argv[1], False),
    ("unlike", sys.argv[2], True),
):
    picture = Image.open(path).convert("RGB")
    times = []
    for _ in range(int(sys.argv[3]) + 2):
        begun = time.perf_counter()
        inverter.invert([picture], Query(compose=compose))
        times.append(1000 * (time.perf_counter() - begun))
    found[name] = round(statistics.median(times[2:]), 1)
print(json.dumps(found))
"""


class Cost(NamedTuple):
    """What a process took."""

    seconds: float
    processor_seconds: float
    peak_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--warm-calls", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        like = str(draw_examples(Path(place))[0].path)
        photo = str(get_sample_data("grace_hopper.jpg", asfileobj=False))
        costs = _race(Path(place), like, photo, asked.rounds)
        warm = _child((*("-c", WARM), like, photo, str(asked.warm_calls)), Path(place))
    report = {
        "rounds": asked.rounds,
        **{name: _medians(found) for name, found in costs.items()},
        "warm_ms": json.loads(warm),
        "cosines_to_torch": _cosines(Image.open(photo).convert("RGB")),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
    }
    sys.stdout.write(json.dumps(report) + "\n")


def _race(place: Path, like: str, photo: str, rounds: int) -> dict[str, list[Cost]]:
    """Every command once unmeasured, so that the caches are filled, then in turn."""
    commands = {"like": (*INVERT, like), "unlike": (*INVERT, photo), "imports_of_torch": TORCH}
    costs: dict[str, list[Cost]] = {name: [] for name in (*commands, "unlike_empty_cache")}
    for number in range(rounds + 1):
        for name, command in commands.items():
            found = _measure(command, place)
            if number:
                costs[name].append(found)
        if number:
            with tempfile.TemporaryDirectory() as empty:
                found = _measure(commands["unlike"], place, {"XDG_CACHE_HOME": empty})
            costs["unlike_empty_cache"].append(found)
    return costs


def _measure(arguments: tuple[str, ...], place: Path, more: dict[str, str] | None = None) -> Cost:
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**_environment(place), **(more or {})},
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _child(arguments: tuple[str, ...], place: Path) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=_environment(place), check=True, capture_output=True, text=True
    ).stdout


def _environment(place: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(place / "bytecode"), "HF_HUB_OFFLINE": "1"}


def _medians(costs: list[Cost]) -> dict[str, float]:
    columns = zip(Cost._fields, zip(*costs, strict=True), strict=True)
    return {name: round(statistics.median(values), 2) for name, values in columns}


def _cosines(picture: Image.Image) -> dict[str, float]:
    folder = STARTER / FALLBACK / ENCODER
    tower = load_clip(read_description(folder), "cpu").encode([picture])
    texts = ["a red fox in the snow", "an oil painting of a lighthouse at night, highly detailed"]
    runtime, torch = load_query_prompt_encoder().encode(texts), load_prompt_encoder().encode(texts)
    return {
        "image_tower": round(float(np.vdot(load_encoder(folder).encode([picture]), tower)), 5),
        "prompt_encoder": round(float(np.einsum("nd,nd->n", runtime, torch).min()), 5),
    }


if __name__ == "__main__":
    main()
