"""Pictures embedded per second: a plain loop, clip-retrieval, this package, and the limit.

`python benchmarks/embedding.py --plot docs/embedding.png` -> JSON on stdout. All contenders read
the same JPEG files of 512 px in one process, a quarter of them a turn, so that they share the
machine's slow minutes; medians of whole rounds, and ratios within the run. `at_best` are the ratios
between the fastest rounds of each: what is left where neighbors are quiet. The towers: ViT-B/32
with random weights, and the offline EfficientNet-lite2 with its own. peers.py has the others' ways.
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from peers import make_data_loader, plain_loop
from PIL import Image
from rate_plot import plot_rates

from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.index.base.machine import describe_machine
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import BulkEncoder, EncoderConfig
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.exported.pixels import PixelReader
from unprompt.index.images.pictures import open_picture
from unprompt.index.runtime.self_check import compare
from unprompt.index.towers.clip import Clip, load_clip

DRAWN, SIZE_PX, GRAIN = 128, 512, 4.0  # distinct drawings; grey levels of noise
TOWERS = ("vit-b-32", "efficientnet-lite2")
WARM_UP = 64  # files
TURNS = 4  # of every contender in a round
Run = Callable[[range], np.ndarray]  # places of files -> vectors


class Tower(NamedTuple):
    """One tower in torch and in the forms that ours has."""

    clip: Clip
    ours: dict[str, BulkEncoder]  # by precision


def main() -> None:
    warnings.filterwarnings("ignore", "This DataLoader will create")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--towers", nargs="+", choices=TOWERS, default=TOWERS)
    parser.add_argument("--plot", type=Path, help="a picture of the rates")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        paths = make_jpegs(Path(name) / "jpegs", asked.images)
        found: dict[str, Any] = {"machine": describe_machine().cpu, "images": len(paths)}
        for tower in asked.towers:
            loaded = load_tower(tower, Path(name) / tower)
            found[tower] = race(loaded, paths, asked.rounds)
            found[tower]["preprocess"] = race_pixels(loaded.clip.preprocess, paths, asked.rounds)
    print(json.dumps(found, indent=1))
    if asked.plot:
        plot_rates(found, f"{len(paths)} JPEGs of {SIZE_PX} px, {found['machine']}", asked.plot)


def make_jpegs(folder: Path, count: int) -> list[Path]:
    """Drawings with a grain of their own each, so that files are as large as photographs'."""
    folder.mkdir()
    renderer, paths = ScenesRenderer(SIZE_PX), []
    prompts = sample_prompts(min(DRAWN, count), 4711)
    drawn = [renderer.render([prompt], [n])[0] for n, prompt in enumerate(prompts)]
    generator = np.random.default_rng(0)
    for number in range(count):
        picture = drawn[number % len(drawn)]
        grain = generator.normal(0, GRAIN, picture.shape)
        grainy = np.clip(picture + grain, 0, 255).astype(np.uint8)
        paths.append(folder / f"{number:05d}.jpg")
        Image.fromarray(grainy).save(paths[-1], quality=90)
    return paths


def load_tower(name: str, folder: Path) -> Tower:
    """ViT-B/32 gets random weights from a fixed seed."""
    config = EncoderConfig(model=name, runtime="torch", precision="f32")
    if name == "vit-b-32":
        import open_clip

        torch.manual_seed(0)
        weights = folder.with_suffix(".pt")
        torch.save(open_clip.create_model("ViT-B-32").state_dict(), weights)
        config = replace(config, model="ViT-B-32", pretrained=str(weights), output="embedding")
    ours = {}
    for precision in ("f32", "bf16"):
        chosen = replace(config, runtime="openvino", precision=precision)
        export_encoder(chosen, folder / precision)
        ours[precision] = load_encoder(folder / precision)
    return Tower(load_clip(config, "cpu"), ours)


def race(tower: Tower, paths: list[Path], rounds: int) -> dict[str, Any]:
    """Wall-clock rates of all contenders, and cosines to the plain loop's vectors."""
    contenders: dict[str, Run] = {
        "loop": lambda part: plain_loop(tower.clip, take(paths, part)),
        "data loader": make_data_loader(tower.clip, paths),
    }
    for precision, encoder in tower.ours.items():
        contenders[f"ours, {precision}"] = lambda part, e=encoder: embed(e, take(paths, part))
        pixels = make_pixels(encoder, paths)
        contenders[f"forward only, {precision}"] = lambda part, e=encoder, p=pixels: forward(
            e, p[part.start : part.stop]
        )
    for name, run in contenders.items():
        if name != "loop":
            run(range(WARM_UP))  # compiled, workers there, and files in the page cache
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    vectors: dict[str, np.ndarray] = {}
    for _ in range(rounds):
        taken, found = run_round(contenders, len(paths))
        for name in contenders:
            seconds[name].append(taken[name])
            vectors[name] = found[name]
    rates = {name: len(paths) / statistics.median(taken) for name, taken in seconds.items()}
    best = {name: len(paths) / min(taken) for name, taken in seconds.items()}
    return {name: _facts(name, rates, best, vectors) for name in contenders}


def run_round(
    contenders: dict[str, Run], count: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Seconds and vectors of every contender for all files, taken in turns."""
    taken = dict.fromkeys(contenders, 0.0)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in contenders}
    for turn in range(TURNS):
        places = range(count * turn // TURNS, count * (turn + 1) // TURNS)
        for name, run in contenders.items():
            start = time.perf_counter()
            parts[name].append(run(places))
            taken[name] += time.perf_counter() - start
    return taken, {name: np.concatenate(found) for name, found in parts.items()}


def take(paths: list[Path], part: range) -> list[Path]:
    return paths[part.start : part.stop]


def _facts(
    name: str,
    rates: dict[str, float],
    best: dict[str, float],
    vectors: dict[str, np.ndarray],
) -> dict[str, Any]:
    agreement = compare(vectors["loop"], vectors[name])
    return {
        **_ratios(name, rates),
        "at_best": _ratios(name, best),
        "cosine_mean": round(agreement.mean, 5),
        "cosine_lowest": round(agreement.lowest, 5),
    }


def _ratios(name: str, rates: dict[str, float]) -> dict[str, float]:
    return {
        "images_per_second": round(rates[name], 1),
        "times_the_loop": round(rates[name] / rates["loop"], 2),
        "times_the_data_loader": round(rates[name] / rates["data loader"], 2),
    }


def embed(encoder: BulkEncoder, paths: list[Path]) -> np.ndarray:
    """As the stage `embed` does it."""
    contents = ((path.name, path.read_bytes()) for path in paths)
    return np.stack([np.asarray(vector) for _, vector in encode_contents(encoder, contents)])


def make_pixels(encoder: BulkEncoder, paths: list[Path]) -> np.ndarray:
    """Ready pixels (n, s, s, 3)."""
    read = PixelReader(encoder.preprocess)
    return np.stack([read(path.read_bytes(), path.name) for path in paths])


def forward(encoder: BulkEncoder, pixels: np.ndarray) -> np.ndarray:
    """What the tower alone takes, a batch for each stream's turn: the limit of any pipeline."""
    from concurrent.futures import ThreadPoolExecutor

    size = encoder.batch_size
    batches = [pixels[n : n + size] for n in range(0, len(pixels), size)]
    with ThreadPoolExecutor(encoder.streams) as pool:
        return np.concatenate(list(pool.map(encoder.encode_pixels, batches)))


def race_pixels(preprocess: Preprocess, paths: list[Path], rounds: int) -> dict[str, float]:
    """CPU milliseconds of a picture from file to pixels: Pillow's and ours."""
    contents, read = [path.read_bytes() for path in paths[:128]], PixelReader(preprocess)

    def pillow(content: bytes) -> np.ndarray:
        return preprocess([open_picture(content, "picture")])[0]

    def plain(content: bytes) -> np.ndarray:
        return preprocess([Image.open(io.BytesIO(content)).convert("RGB")])[0]

    ways = {"pillow": plain, "open_picture": pillow, "ours": lambda c: read(c, "picture")}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            for content in contents:
                way(content)
            taken[name].append((time.process_time() - start) / len(contents) * 1e3)
    cpu = {name: statistics.median(times) for name, times in taken.items()}
    apart = [np.abs(plain(c).astype(int) - read(c, "picture").astype(int)).max() for c in contents]
    return {
        **{f"{name}_cpu_ms": round(value, 2) for name, value in cpu.items()},
        "less_cpu_than_pillow": round(cpu["pillow"] / cpu["ours"], 2),
        "grey_levels_apart": int(max(apart)),
    }


if __name__ == "__main__":
    sys.exit(main())
