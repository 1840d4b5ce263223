"""Answers a second of the page's `/invert` with 1, 4 and 10 clients, beside the library's own rate.

`python benchmarks/page_rate.py` -> JSON on stdout. The page runs in a process of its own. Rounds of
the library and of each number of clients take turns, so that a noisy machine slows all of them; a
rate is the median of its rounds. A client uploads a picture, asks, and reads the answer, by HTTP.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image

from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query

PICTURES = 16
CANDIDATES = 8  # as many as `/invert` returns
COMMAND = "from unprompt.ui.cli.main import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 10])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round")
    parser.add_argument("--bundle", type=Path, help="the starter without it")
    asked = parser.parse_args()
    options = ["--bundle", str(asked.bundle)] if asked.bundle else []
    with tempfile.TemporaryDirectory() as name:
        pictures = draw_pictures(Path(name))
        inverter = Inverter.load(asked.bundle)
        rates: dict[str, list[float]] = {}
        with serving(*options) as url:
            ask_library(inverter, pictures, 1.0)
            ask_page(url, pictures, 2, 1.0)
            for _ in range(asked.rounds):
                rates.setdefault("library", []).append(
                    ask_library(inverter, pictures, asked.seconds)
                )
                for count in asked.clients:
                    rate = ask_page(url, pictures, count, asked.seconds)
                    rates.setdefault(f"{count} clients", []).append(rate)
    found = {name: round(statistics.median(rounds), 1) for name, rounds in rates.items()}
    shares = {name: round(rate / found["library"], 2) for name, rate in found.items()}
    sys.stdout.write(json.dumps({"per_second": found, "of_library": shares}) + "\n")


def draw_pictures(folder: Path) -> list[Path]:
    """Scenes of 512 px as JPEG files."""
    paths = []
    for number, prompt in enumerate(sample_prompts(PICTURES, 4711)):
        path = folder / f"{number}.jpg"
        Image.fromarray(ScenesRenderer(512).render([prompt], [number])[0]).save(path, quality=90)
        paths.append(path)
    return paths


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """The page of the starter in a process of its own; its URL."""
    command = [sys.executable, "-c", COMMAND, "demo", "--port", "0", "--no-open", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://[^ ]+/", process.stdout.readline())
        assert address, "the page did not start"
        try:
            yield address[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def ask_library(inverter: Inverter, pictures: list[Path], seconds: float) -> float:
    """Answers a second of one thread, one picture a call."""
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        inverter.invert(pictures[done % len(pictures)], Query(CANDIDATES)).as_json()
        done += 1
    return done / (time.perf_counter() - begun)


def ask_page(url: str, pictures: list[Path], clients: int, seconds: float) -> float:
    """Answers a second of `clients` threads, each with its own connection."""
    done = [0] * clients
    end = time.perf_counter() + seconds

    def ask(place: int) -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            while time.perf_counter() < end:
                invert(client, pictures[(place + done[place]) % len(pictures)])
                done[place] += 1

    begun = time.perf_counter()
    threads = [threading.Thread(target=ask, args=(place,)) for place in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begun)


def invert(client: httpx.Client, picture: Path) -> str:
    """Upload, ask, and read the answer: the prompt."""
    files = {"files": (picture.name, picture.read_bytes())}
    [path] = client.post("gradio_api/upload", files=files).raise_for_status().json()
    data = {"path": path, "meta": {"_type": "gradio.FileData"}}
    asked = client.post("gradio_api/call/invert", json={"data": [data]}).raise_for_status()
    reply = client.get(f"gradio_api/call/invert/{asked.json()['event_id']}").raise_for_status()
    lines = reply.text.splitlines()
    assert "event: complete" in lines, reply.text[:300]
    return str(json.loads(lines[lines.index("event: complete") + 1].removeprefix("data: "))[0])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
