"""Collections with pictures: copied unchanged into shards, and built into working bundles."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tiny_collections import (
    WRITERS,
    diffusiondb_part,
    diffusiondb_table,
    encoded,
    part_row,
    write,
    write_tar,
)

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.corpus.sources.collect import collect
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.pictures.copy_pairs import CopyPlan, copy_pairs
from unprompt.build.pictures.render import Rendered
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.index.base.durable import digest_bytes, digest_file
from unprompt.index.base.errors import CorpusError
from unprompt.index.engines.engine import EngineConfig
from unprompt.index.images.pictures import encode_picture, open_picture
from unprompt.index.images.shard_names import done_shards, stats_path, tar_path
from unprompt.index.images.shard_pictures import iterate_images
from unprompt.index.images.shards import failed_rows, read_rows, verify
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.build import build_run
from unprompt.ui.jobs.config import load_config


def make_plan(folder: Path, configs: Sequence[CollectionConfig], per_shard: int = 3) -> CopyPlan:
    """A plan with all prompts of the collections and no split."""
    raw, _ = collect(configs, folder / "cache")
    return CopyPlan(make_prompts_table(raw), tuple(configs), per_shard)


def copy_alone(images: Path, plan: CopyPlan, retry_failed: bool = False) -> Rendered:
    """Copy in this process; the bundles at the end of this file are copied by several."""
    return copy_pairs(images, plan, retry_failed, engine=EngineConfig(workers=1))


def pictures(folder: Path) -> dict[str, bytes]:
    return {k: content for n in done_shards(folder) for k, content in iterate_images(folder, n)}


def by_prompt(folder: Path) -> dict[str, bytes]:
    rows = read_rows(folder).filter(pl.col("status") == "success")
    return {row["prompt"]: pictures(folder)[row["key"]] for row in rows.iter_rows(named=True)}


def test_bytes_are_kept_and_what_has_no_place_in_a_shard_becomes_png(tmp_path: Path) -> None:
    source, images = tmp_path / "in", tmp_path / "images"
    kinds = {"a": "PNG", "b": "JPEG", "c": "WEBP", "d": "BMP"}
    for name, kind in kinds.items():
        write(source / f"{name}.{kind.lower()}", encoded("teal", kind))
        write(source / f"{name}.txt", f"prompt {name}")
    plan = make_plan(tmp_path, [CollectionConfig("image_folder", str(source))])
    assert copy_alone(images, plan).failed == 0
    found = by_prompt(images)
    for name, kind in list(kinds.items())[:3]:
        assert found[f"prompt {name}"] == (source / f"{name}.{kind.lower()}").read_bytes()
    converted = open_picture(found["prompt d"], "d")
    assert found["prompt d"].startswith(b"\x89PNG")
    assert converted.tobytes() == Image.open(source / "d.bmp").convert("RGB").tobytes()
    verify(images)
    rows = read_rows(images)
    assert set(zip(rows["width"], rows["height"], strict=True)) == {(24, 24)}
    assert rows["image_id"].n_unique() == 4 and done_shards(images) == [0, 1]


@pytest.mark.parametrize(
    ("name", "good", "failed"),
    [
        ("diffusiondb_parts", {"a fox", "two owls"}, {}),
        ("image_folder", {"a cat", "a dog"}, {"a gap": "missing", "a thief": "leaves the folder"}),
        ("texts_beside", {"a cat", "a cow"}, {}),
        ("webdataset", {"a cat", "a dog", "two pictures"}, {"no picture": "holds no picture"}),
        ("image_parquet", {"a cat"}, {"a ghost": "the row holds no bytes"}),
    ],
)
def test_every_row_is_a_picture_or_a_failure(
    tmp_path: Path, name: str, good: set[str], failed: dict[str, str]
) -> None:
    (tmp_path / "in").mkdir()
    found = WRITERS[name](tmp_path / "in")
    plan = make_plan(tmp_path, [CollectionConfig(**found.settings, path=str(found.path))])
    assert copy_alone(tmp_path / "images", plan).failed == len(failed)
    assert set(by_prompt(tmp_path / "images")) == good
    faults = failed_rows(tmp_path / "images")
    assert set(faults["prompt"]) == set(failed)
    for row in faults.iter_rows(named=True):
        assert pl.Series([row["error_message"]]).str.contains(failed[row["prompt"]])[0]
    verify(tmp_path / "images")


def test_the_picture_of_a_sample_is_the_one_without_a_second_dot(tmp_path: Path) -> None:
    found = WRITERS["webdataset"](tmp_path / "in")
    plan = make_plan(tmp_path, [CollectionConfig("webdataset", str(found.path))])
    copy_alone(tmp_path / "images", plan)
    assert by_prompt(tmp_path / "images")["two pictures"] == encoded("blue")


def test_a_saved_dataset_gives_its_pictures(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    features = datasets.Features({"prompt": datasets.Value("string"), "image": datasets.Image()})
    cells = [{"bytes": encoded(colour), "path": None} for colour in ("red", "blue")] + [None]
    saved = datasets.Dataset.from_dict(
        {"prompt": ["red", "blue", "gap"], "image": cells}, features=features
    )
    saved.save_to_disk(str(tmp_path / "in"))
    plan = make_plan(tmp_path, [CollectionConfig("huggingface", str(tmp_path / "in"))])
    assert copy_alone(tmp_path / "images", plan).failed == 1
    expected = {"red": encoded("red"), "blue": encoded("blue")}
    assert by_prompt(tmp_path / "images") == expected


def test_damaged_pictures_are_failed_rows(tmp_path: Path) -> None:
    whole = encoded(size=200)
    cut = {"a.png": whole, "b.png": whole[: len(whole) // 2], "c.png": b"no picture", "d.png": b""}
    rows = {name: part_row(f"prompt {name}", seed) for seed, name in enumerate(cut)}
    diffusiondb_part(tmp_path / "in", 1, cut, rows, zipped=True)
    plan = make_plan(tmp_path, [CollectionConfig("diffusiondb", str(tmp_path / "in"))])
    assert copy_alone(tmp_path / "images", plan).failed == 3
    assert list(by_prompt(tmp_path / "images")) == ["prompt a.png"]
    errors = failed_rows(tmp_path / "images").sort("prompt")["error_message"].to_list()
    assert "cut short" in errors[0] and "holds no picture" in errors[1] and "is empty" in errors[2]


def test_seed_and_settings_of_a_part_are_kept(tmp_path: Path) -> None:
    rows = {"a.png": part_row("a fox", 38753269), "b.png": part_row("a fox", 5)}
    contents = {name: encoded() for name in rows}
    diffusiondb_part(tmp_path / "in", 7, contents, rows, zipped=False)
    plan = make_plan(tmp_path, [CollectionConfig("diffusiondb", str(tmp_path / "in"))])
    copy_alone(tmp_path / "images", plan)
    table = read_rows(tmp_path / "images").sort("seed")
    assert table["seed"].to_list() == [5, 38753269]
    assert json.loads(table["settings"][0]) == {"cfg": 7.5, "sampler": "k_lms", "steps": 50}
    assert table["prompt_id"].n_unique() == 1 and table["image_id"].n_unique() == 2


def test_blurred_pictures_are_left_out_where_the_metadata_tells(tmp_path: Path) -> None:
    rows = {"a.png": part_row("a fox"), "b.png": part_row("blurred")}
    contents = {name: encoded() for name in rows}
    diffusiondb_part(tmp_path / "in" / "images", 1, contents, rows, zipped=True)
    scores = [("a.png", "a fox", 1, 0.1, 0.1), ("b.png", "blurred", 1, 2.0, 0.1)]
    diffusiondb_table(tmp_path / "in" / "metadata.parquet", scores)
    plan = make_plan(tmp_path, [CollectionConfig("diffusiondb", str(tmp_path / "in"))])
    copy_alone(tmp_path / "images", plan)
    assert list(by_prompt(tmp_path / "images")) == ["a fox"]


def test_a_part_that_is_zipped_and_unpacked_counts_once(tmp_path: Path) -> None:
    """DiffusionDB Large has a part with the same number beside it."""
    rows, contents = {"a.png": part_row("a fox")}, {"a.png": encoded()}
    for zipped in (True, False):
        diffusiondb_part(tmp_path / "in" / "images", 1, contents, rows, zipped)
    large = tmp_path / "in" / "diffusiondb-large-part-1"
    diffusiondb_part(large, 1, {"b.png": encoded("blue")}, {"b.png": part_row("an owl")}, True)
    diffusiondb_table(tmp_path / "in" / "metadata.parquet", [("a.png", "a fox", 1, 0.1, 0.1)])
    scores = [("a.png", "a fox", 9, 2.0, 0.1), ("b.png", "an owl", 1, 2.0, 0.1)]
    diffusiondb_table(tmp_path / "in" / "metadata-large.parquet", scores)
    plan = make_plan(tmp_path, [CollectionConfig("diffusiondb", str(tmp_path / "in"))])
    copy_alone(tmp_path / "images", plan)
    assert read_rows(tmp_path / "images")["prompt"].to_list() == ["a fox"]


def test_pictures_of_prompts_that_the_corpus_left_out_stay_where_they_are(tmp_path: Path) -> None:
    files = {f"{n}.{kind}": encoded() if kind == "png" else f"prompt {n}".encode()
             for n in range(6) for kind in ("png", "txt")}  # fmt: skip
    write_tar(tmp_path / "in" / "0.tar", files)
    plan = make_plan(tmp_path, [CollectionConfig("webdataset", str(tmp_path / "in"))])
    excluded = pl.col("prompt") == "prompt 1"
    prompts = plan.prompts.filter(pl.col("prompt") != "prompt 0").with_columns(
        pl.when(excluded).then(pl.lit("excluded")).otherwise(pl.lit("test")).alias("split")
    )
    copy_alone(tmp_path / "images", plan._replace(prompts=prompts))
    table = read_rows(tmp_path / "images")
    assert table["prompt"].to_list() == [f"prompt {n}" for n in (2, 3, 4, 5)]
    assert set(table["split"]) == {"test"}
    nothing = plan._replace(prompts=prompts.clear())
    with pytest.raises(CorpusError, match="no picture of the collections belongs to a prompt"):
        copy_alone(tmp_path / "none", nothing)


def test_a_rerun_makes_what_is_missing_and_touches_nothing_else(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    for name in "abcd":
        write(first / f"{name}.png", encoded())
        write(first / f"{name}.txt", f"prompt {name}")
    diffusiondb_part(second, 1, {"x.png": encoded()}, {"x.png": part_row("a fox")}, zipped=True)
    configs = [
        CollectionConfig("image_folder", str(first)), CollectionConfig("diffusiondb", str(second)),
    ]  # fmt: skip
    plan, images = make_plan(tmp_path, configs, per_shard=2), tmp_path / "images"
    copy_alone(images, plan)
    before = {path.name: digest_file(path) for path in images.iterdir()}
    untouched = tar_path(images, 0).stat().st_mtime_ns
    stats_path(images, 1).unlink()  # as a kill leaves it
    tar_path(images, 1).write_bytes(b"half")
    copy_alone(images, plan)
    assert {path.name: digest_file(path) for path in images.iterdir()} == before
    assert tar_path(images, 0).stat().st_mtime_ns == untouched


COPY = """
import sys
from pathlib import Path
from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.pictures.copy_pairs import CopyPlan, copy_pairs
from unprompt.build.corpus.sources.collect import collect
from unprompt.build.corpus.sources.collection import CollectionConfig
folder = Path(sys.argv[1])
configs = (CollectionConfig("image_folder", str(folder / "in")),)
raw, _ = collect(configs, folder / "cache")
copy_pairs(folder / sys.argv[2], CopyPlan(make_prompts_table(raw), configs, 4))
"""


@pytest.mark.slow
def test_a_killed_copy_goes_on_to_the_same_files(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    for number in range(160):  # much is left when a busy machine sees the fourth shard
        write(
            tmp_path / "in" / f"{number:03d}.png", encode_picture(noise + np.uint8(number), "png")
        )
        write(tmp_path / "in" / f"{number:03d}.txt", f"prompt {number}")

    def start(images: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", COPY, str(tmp_path), images])

    images = tmp_path / "images"
    for last in (1, 4):
        process = start("images")
        while process.poll() is None and not stats_path(images, last).exists():
            time.sleep(0.001)
        process.kill()
        process.wait()
    assert not stats_path(images, 39).exists(), "it was to be killed before the end"
    kept = {path: path.stat().st_mtime_ns for path in images.glob("0000[01]*")}
    assert start("images").wait() == 0 and start("whole").wait() == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    found = [
        {p.name: digest_file(p) for p in (tmp_path / n).iterdir()} for n in ("images", "whole")
    ]
    assert found[0] == found[1] and len(found[0]) == 120


def test_retry_failed_reads_again_what_was_mended(tmp_path: Path) -> None:
    source, images = tmp_path / "in", tmp_path / "images"
    rows = [{"file_name": f"{n}.png", "prompt": f"prompt {n}"} for n in range(4)]
    write(source / "metadata.jsonl", "\n".join(json.dumps(row) for row in rows))
    for n in range(3):
        write(source / f"{n}.png", encoded())
    plan = make_plan(tmp_path, [CollectionConfig("image_folder", str(source))], per_shard=2)
    assert copy_alone(images, plan).failed == 1
    kept = tar_path(images, 0).stat().st_mtime_ns
    write(source / "3.png", encoded("blue"))
    assert copy_alone(images, plan).failed == 1
    assert copy_alone(images, plan, retry_failed=True).failed == 0
    assert by_prompt(images)["prompt 3"] == encoded("blue")
    assert tar_path(images, 0).stat().st_mtime_ns == kept


SMALL = (
    "corpus.validation=8",
    "corpus.test=8",
    "corpus.dedupe_threshold=0.99",
    "corpus.source=pairs",
    "render.images_per_shard=40",
    "encoder.output=pooled",
    "fallback=null",
)


@pytest.fixture(scope="module")
def renders() -> dict[str, bytes]:
    """Prompts of the scenes world with their pictures."""
    prompts, renderer = sample_prompts(90, 3), ScenesRenderer(size_px=96)
    drawn = [renderer.render([prompt], [number])[0] for number, prompt in enumerate(prompts)]
    return {p: encode_picture(array, "png") for p, array in zip(prompts, drawn, strict=True)}


def build(folder: Path, collection: dict[str, Any], *settings: str) -> Inverter:
    choice = (*SMALL, f"corpus.collections=[{json.dumps(collection)}]", *settings)
    return Inverter.load(build_run(folder, load_config("scenes-tiny", choice)))


def check_answers(inverter: Inverter, renders: dict[str, bytes], run: Path) -> None:
    """A picture of the index is its own nearest neighbor; a held-out one gets an answer too."""
    indexed = set(inverter.index.rows["prompt"])
    known = [prompt for prompt in renders if prompt in indexed][:5]
    answers = inverter.invert([open_picture(renders[prompt], prompt) for prompt in known])
    assert [answer.neighbors[0].prompt for answer in answers] == known
    rows = read_rows(run / "images")
    held_out = rows.filter(pl.col("split") == "test")["prompt"][0]
    assert held_out not in indexed
    (answer,) = inverter.invert([open_picture(renders[held_out], held_out)])
    assert answer.prompt and len(answer.vector) == 384


@pytest.mark.slow
def test_diffusiondb_parts_become_a_bundle_that_answers(
    renders: dict[str, bytes], tmp_path: Path
) -> None:
    items = list(renders.items())
    for part, span in enumerate((items[:50], items[50:]), start=1):
        names = [f"{digest_bytes(prompt.encode())[:8]}.png" for prompt, _ in span]
        rows = {name: part_row(prompt, 9) for name, (prompt, _) in zip(names, span, strict=True)}
        contents = {name: content for name, (_, content) in zip(names, span, strict=True)}
        contents[names[0]] = b"damaged"
        diffusiondb_part(tmp_path / "ddb" / "images", part, contents, rows, zipped=part == 1)
    run = tmp_path / "run"
    inverter = build(run, {"kind": "diffusiondb", "path": str(tmp_path / "ddb")})
    assert failed_rows(run / "images").height == 2
    check_answers(inverter, renders, run)
    (report,) = json.loads((run / "corpus" / "report.json").read_text())["read"]["collections"]
    assert (report["kind"], report["read"], report["kept"], report["files"]) == (
        "diffusiondb", len(renders), len(renders), 2,
    )  # fmt: skip
    assert "CC0" in report["licence"]
    card = (run / "bundle" / "card.md").read_text()
    assert f"- diffusiondb: {report['licence']}" in card and "renderer" not in card


@pytest.mark.slow
def test_an_image_folder_becomes_a_bundle_that_answers(
    renders: dict[str, bytes], tmp_path: Path
) -> None:
    lines = []
    for number, (prompt, content) in enumerate(renders.items()):
        write(tmp_path / "in" / "train" / f"{number}.png", content)
        lines.append(json.dumps({"file_name": f"{number}.png", "text": prompt}))
    lines.append(json.dumps({"file_name": "gone.png", "text": "a prompt without its picture"}))
    write(tmp_path / "in" / "train" / "metadata.jsonl", "\n".join(lines))
    run = tmp_path / "run"
    inverter = build(run, {"kind": "image_folder", "path": str(tmp_path / "in")})
    check_answers(inverter, renders, run)
    assert failed_rows(run / "images")["prompt"].to_list() == ["a prompt without its picture"]
    again = tar_path(run / "images", 0).stat().st_mtime_ns
    build(run, {"kind": "image_folder", "path": str(tmp_path / "in")})
    assert tar_path(run / "images", 0).stat().st_mtime_ns == again
