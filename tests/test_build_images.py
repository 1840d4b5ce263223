"""Prompts to shards with a real (tiny) pipeline: batches, a kill, damage, rows rendered again."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from tiny_pipelines import SIDE_PX, save_sd

from unprompt.build.pictures.config import RenderConfig
from unprompt.build.pictures.diffusion.config import DiffusionConfig
from unprompt.build.pictures.load_renderer import load_renderer
from unprompt.build.pictures.output import map_behind, shrink
from unprompt.build.pictures.render import plan_images, render_images
from unprompt.build.pictures.rerender import rerender
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.index.base.durable import digest_file
from unprompt.index.base.errors import ConfigError, CorpusError, PromptError
from unprompt.index.base.tables import PROMPTS
from unprompt.index.images.pictures import encode_picture, open_picture, to_array
from unprompt.index.images.shard_pictures import iterate_images
from unprompt.index.images.shards import read_rows, read_shard_rows, verify, write_shard
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.ui.jobs.build import build_run
from unprompt.ui.jobs.config import load_config

pytestmark = pytest.mark.slow

LONG = "a fox and an owl " * 12
COUNT, SHARD, BATCH = 22, 5, 4
LIMIT_SECONDS = 240


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diffusion")


@pytest.fixture(scope="module")
def config_file(folder: Path) -> Path:
    """A whole run's config: 21 prompts of the scenes and one too long for CLIP."""
    prompts = folder / "prompts.txt"
    prompts.write_text("\n".join([*sample_prompts(COUNT - 1, 3), LONG]) + "\n")
    config = {
        "name": "tiny-sd",
        "corpus": {
            "source": "files", "paths": [str(prompts)], "validation": 3, "test": 3,
            "dedupe_threshold": None, "leak_threshold": 0.999,
        },
        "render": {
            "renderer": "diffusers", "images_per_shard": SHARD,
            "format": "webp", "quality": "lossless",
            "diffusion": {
                "model": str(save_sd(folder / "sd")), "steps": 2, "batch_size": BATCH,
                "scheduler": {"name": "DPMSolverMultistepScheduler"},
            },
        },
        "index": {"whiten": 0, "recall_k": 3},
        "fallback": None,
    }  # fmt: skip
    path = folder / "tiny-sd.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def run(folder: Path, config_file: Path) -> Path:
    """Prompts to index, built without interruption. Copy it before damaging it."""
    config = load_config(str(config_file))
    build_run(folder / "run", config, ["corpus", "images", "encoder", "embed", "index"])
    return folder / "run"


def digests(run: Path) -> dict[str, str]:
    paths = sorted((run / "images").glob("*"))
    return {path.name: digest_file(path) for path in paths if path.suffix != ".tmp"}


def times(run: Path, shards: str) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (run / "images").glob(shards)}


def test_prompts_become_shards_and_an_index(run: Path) -> None:
    rows = read_rows(run / "images")
    assert rows.height == COUNT and set(rows["status"]) == {"success"}
    assert set(zip(rows["width"], rows["height"], strict=True)) == {(SIDE_PX, SIDE_PX)}
    verify(run / "images")
    pictures = [
        content for shard in range(5) for _, content in iterate_images(run / "images", shard)
    ]
    assert len(set(pictures)) == COUNT
    assert PromptIndex.load(run / "bundle" / "index").manifest.ntotal == COUNT - 6


def test_every_row_says_how_it_was_drawn(run: Path) -> None:
    rows = read_rows(run / "images")
    settings = {row["prompt"]: json.loads(row["settings"]) for row in rows.iter_rows(named=True)}
    cut = {prompt: found["truncated"] for prompt, found in settings.items()}
    assert cut[LONG.strip()] is True and sum(cut.values()) < COUNT / 2
    assert all(found["truncated"] == (found["tokens"] > 77) for found in settings.values())
    one = settings[LONG.strip()]
    assert (one["tokens"], one["token_limit"]) == (12 * 8 + 2, 77)
    assert one["diffusion"]["steps"] == 2 and one["batch_size"] == BATCH
    assert (one["dtype"], one["device"]) == ("float32", "cpu")
    assert one["scheduler"]["name"] == "DPMSolverMultistepScheduler"
    assert one["scheduler"]["solver_order"] == 2 and one["scheduler"]["beta_end"] == 0.012
    assert one["stored"] == {"format": "webp", "quality": "lossless", "output_px": None}
    assert set(one["versions"]) == {"diffusers", "torch", "transformers"} and one["weights"]
    assert set(rows["generator"]) == {load_renderer(config_of(run)).generator}


def config_of(run: Path) -> RenderConfig:
    return load_config(str(run.parent / "tiny-sd.yaml")).build.render


def test_other_shards_and_batches_give_the_same_files(run: Path, folder: Path) -> None:
    """In one batch size the bytes are equal; how rows fall into shards does not matter."""
    prompts = pl.read_parquet(run / "corpus" / "prompts.parquet")
    config = replace(config_of(run), images_per_shard=COUNT)
    assert render_images(folder / "one-shard", prompts, config).failed == 0
    once, again = read_rows(run / "images"), read_rows(folder / "one-shard")
    assert again["sha256"].to_list() == once["sha256"].to_list()


def start_images(config: Path, run: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "unprompt.ui.cli.main", "build", str(config), "-o", str(run),
               "--stage", "images"]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)


def test_a_killed_run_goes_on_to_the_same_files(
    run: Path, config_file: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    for part in ("corpus", "stages/corpus.json"):
        (killed / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (run / part).is_dir() else shutil.copy2
        copy(run / part, killed / part)
    process = start_images(config_file, killed)
    give_up = time.monotonic() + LIMIT_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        if (killed / "images" / "00001_stats.json").exists():
            break
        time.sleep(0.0005)
    process.kill()
    _, errors = process.communicate()
    assert (killed / "images" / "00001_stats.json").exists(), errors.decode()
    assert process.returncode == -9, "it was done before it could be killed"
    finished = {**times(killed, "00000*"), **times(killed, "00001*")}
    build_run(killed, load_config(str(config_file)), ["images"])
    assert {**times(killed, "00000*"), **times(killed, "00001*")} == finished
    assert digests(killed) == digests(run)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty])
@pytest.mark.parametrize("name", ["00001.tar", "00001.parquet", "00001_stats.json"])
def test_a_damaged_shard_is_found_and_made_again(
    run: Path, config_file: Path, tmp_path: Path, name: str, damage: Callable[[Path], None],
    cli: Callable[..., Any],
) -> None:  # fmt: skip
    hurt = tmp_path / "run"
    shutil.copytree(run, hurt)
    damage(hurt / "images" / name)
    others = times(hurt, "0000[0234]*")
    answer = cli("build", config_file, "-o", hurt, "--stage", "images")
    assert answer.code == 0 and "shard 00001 is damaged and written again" in answer.err
    assert digests(hurt) == digests(run)
    assert times(hurt, "0000[0234]*") == others


def test_whole_pictures_of_a_damaged_shard_are_kept(
    run: Path, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurt = tmp_path / "run"
    shutil.copytree(run, hurt)
    cut(hurt / "images" / "00001.tar")
    prompts = pl.read_parquet(run / "corpus" / "prompts.parquet")
    renderer = load_renderer(config_of(run))
    drawn: list[str] = []
    draw = renderer.draw

    def count(prompts: Any, seeds: Any) -> Any:
        drawn.extend(prompts)
        return draw(prompts, seeds)

    monkeypatch.setattr(renderer, "draw", count)
    render_images(hurt / "images", prompts, config_of(run))
    assert 0 < len(drawn) < SHARD
    assert digests(hurt) == digests(run)


def test_a_row_rendered_again_is_the_same_file(
    run: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    row = read_rows(run / "images").row(7, named=True)
    found = rerender(run, row["key"])
    assert found.same_file and found.largest == 0
    target = tmp_path / "picture.webp"
    answer = cli("rerender", run, row["key"], "-o", target)
    assert (answer.code, answer.out) == (0, f"{row['key']}: the same file\n")
    assert digest_file(target) == row["sha256"]
    report = json.loads(cli("rerender", run / "images", row["key"], "--json").out)
    assert report["same_file"] is True and report["prompt"] == row["prompt"]
    assert cli("rerender", run, row["key"], "-o", tmp_path / "picture.png").code == 0
    np.testing.assert_array_equal(
        to_array(open_picture(tmp_path / "picture.png", "png")),
        to_array(open_picture(target, "webp")),
    )


def test_a_row_that_is_not_what_it_says_is_told(
    run: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    rows = read_shard_rows(run / "images", 0)
    encoded = [content for _, content in iterate_images(run / "images", 0)]
    other = rows.with_columns(pl.lit(1, pl.UInt64).alias("seed"))
    write_shard(tmp_path, 0, other, encoded, "webp")
    answer = cli("rerender", tmp_path, "000000000")
    assert answer.code == 1 and "differs from the stored picture by up to" in answer.err
    for key, message in (("000000099", "no row"), ("12", "no shard for")):
        with pytest.raises(CorpusError, match=message):
            rerender(run, key)
    foreign = rows.with_columns(pl.lit("{}").alias("settings"))
    write_shard(tmp_path, 0, foreign, encoded, "webp")
    with pytest.raises(ConfigError, match="was not rendered by unprompt"):
        rerender(tmp_path, "000000000")


@pytest.mark.parametrize("output_px", [None, 48])
def test_scenes_rows_are_rendered_again_too(tmp_path: Path, output_px: int | None) -> None:
    config = RenderConfig(size_px=96, output_px=output_px)
    assert (
        render_images(tmp_path, table(["a fox", "a quixotic zeppelin", "an owl"]), config).failed
        == 1
    )
    found = rerender(tmp_path, "000000002")
    assert found.same_file and found.largest == 0
    assert found.row["width"] == (output_px or 96)
    with pytest.raises(PromptError, match="row 000000001: .*zeppelin"):
        rerender(tmp_path, "000000001")


def table(prompts: list[str]) -> pl.DataFrame:
    count = len(prompts)
    return pl.DataFrame(
        {
            "prompt_id": range(count), "prompt": prompts, "source": ["test"] * count,
            "group_id": range(count), "split": ["train"] * count,
        },
        schema=PROMPTS,
    )  # fmt: skip


def test_blanked_rows_fail_and_are_tried_again_on_request(folder: Path) -> None:
    checked = DiffusionConfig(str(save_sd(folder / "checked", checked=True)), steps=1)
    config = RenderConfig("diffusers", diffusion=checked)
    images = folder / "blanked"
    assert render_images(images, table(["the fox", "an owl"]), config).failed == 2
    rows = read_rows(images)
    assert rows["status"].to_list() == ["failed"] * 2
    assert "safety checker" in rows["error_message"][0] and rows["sha256"].null_count() == 2
    assert json.loads(rows["settings"][0])["tokens"] == 4
    before = {path.name: path.stat().st_mtime_ns for path in images.iterdir()}
    assert render_images(images, table(["the fox", "an owl"]), config).failed == 2
    assert {path.name: path.stat().st_mtime_ns for path in images.iterdir()} == before
    assert (
        render_images(images, table(["the fox", "an owl"]), config, retry_failed=True).failed == 2
    )
    assert {path.name: path.stat().st_mtime_ns for path in images.iterdir()} != before


def test_seeds_are_those_of_old_and_a_seed_set_has_its_own() -> None:
    config = RenderConfig(seeds_per_prompt=3)
    rows = plan_images(table(["a fox", "an owl"]), config, load_renderer(config))
    assert rows["seed"].to_list()[:3] == [3968578310, 1858881359, 3754786587]
    assert rows["seed"].n_unique() == 6
    other = RenderConfig(seeds_per_prompt=3, seed_set="second")
    moved = plan_images(table(["a fox", "an owl"]), other, load_renderer(other))
    assert not set(moved["seed"]) & set(rows["seed"])
    assert not set(moved["image_id"]) & set(rows["image_id"])


def test_settings_of_old_runs_stay_what_they_were() -> None:
    assert RenderConfig().deciding == {
        "renderer": "scenes", "size_px": 256, "seeds_per_prompt": 1, "images_per_shard": 500,
        "format": "jpg", "quality": 95,
    }  # fmt: skip


def test_render_presets_go_under_the_settings_of_a_config(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "corpus: {source: files, paths: [p.txt]}\n"
        "render: {preset: sd2-kaggle-2nd, format: jpg, quality: 90, diffusion: {model: /sd}}\n"
    )
    render = load_config(str(path), ["render.diffusion.steps=20"]).build.render
    assert (render.renderer, render.format, render.images_per_shard) == ("diffusers", "jpg", 512)
    assert render.diffusion is not None
    assert (render.diffusion.model, render.diffusion.steps) == ("/sd", 20)
    assert render.diffusion.scheduler.options == {"algorithm_type": "dpmsolver++"}
    with pytest.raises(ConfigError, match="no preset 'sd9'"):
        load_config(str(path), ["render.preset=sd9"])


@pytest.mark.parametrize(("settings", "message"), [
    ({"renderer": "diffusers"}, "go together"),
    ({"diffusion": {"model": "/sd"}}, "go together"),
    ({"renderer": "diffusers", "diffusion": {"model": "/sd"}, "size_px": 512}, "size_px"),
    ({"quality": "lossless"}, "lossless is for webp"),
    ({"output_px": 8}, "output_px"),
])  # fmt: skip
def test_render_settings_that_cannot_work_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        RenderConfig(**settings)


def test_lossless_webp_gives_every_pixel_back() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    content = encode_picture(noise, "webp", "lossless")
    assert content == encode_picture(noise, "webp", "lossless") and content[8:12] == b"WEBP"
    np.testing.assert_array_equal(to_array(open_picture(content, "noise")), noise)
    assert (to_array(open_picture(encode_picture(noise, "webp", 95), "noise")) != noise).any()


def test_pictures_shrink_antialiased_and_never_grow() -> None:
    stripes = np.zeros((64, 96, 3), np.uint8)
    stripes[:, ::2] = 255
    small = shrink(stripes, 32)
    assert small.shape == (32, 48, 3)
    assert (
        np.abs(small[:, 4:-4].astype(int) - 127).max() < 16
    )  # every second pixel would be 0 or 255
    assert shrink(stripes, 64) is stripes and shrink(stripes, None) is stripes


def test_output_px_is_what_is_stored(run: Path, folder: Path) -> None:
    tall = DiffusionConfig(str(folder / "sd"), steps=1, height=64, width=48)
    config = replace(config_of(run), output_px=32, format="png", quality=95, diffusion=tall)
    assert render_images(folder / "small", table(["the fox"]), config).failed == 0
    [row] = read_rows(folder / "small").iter_rows(named=True)
    assert (row["width"], row["height"]) == (32, 43)
    [(_, content)] = iterate_images(folder / "small", 0)
    assert open_picture(content, "small").size == (32, 43)
    assert rerender(folder / "small", row["key"]).same_file


def test_results_come_in_order_and_the_queue_is_bounded() -> None:
    most, waiting, lock = 0, 0, threading.Lock()

    def items() -> Iterator[int]:
        nonlocal most, waiting
        for number in range(50):
            with lock:
                waiting += 1
                most = max(most, waiting)
            yield number

    def work(number: int) -> int:
        nonlocal waiting
        time.sleep(0.001 * (number % 3))
        with lock:
            waiting -= 1
        return number * number

    assert list(map_behind(work, items(), 3, 5)) == [number * number for number in range(50)]
    assert most <= 5 + 3


def test_an_error_behind_the_scenes_surfaces() -> None:
    def work(number: int) -> int:
        if number == 7:
            raise ConfigError("seven")
        return number

    seen = []
    with pytest.raises(ConfigError, match="seven"):
        for result in map_behind(work, range(100), 2, 3):
            seen.append(result)
    assert seen == list(range(7))
