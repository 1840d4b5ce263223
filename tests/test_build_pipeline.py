"""Corpora from files and from shards, text keys, and failed rows: the stages end to end."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from unprompt.build.corpus.corpus import read_corpus
from unprompt.build.keys.assemble import assemble_index
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.engines.engine import EngineConfig
from unprompt.index.images.shards import failed_rows, read_rows
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.manifest import read_index_manifest
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.build import build_run
from unprompt.ui.jobs.config import RunConfig, load_config
from unprompt.ui.jobs.evaluation.evaluate_run import evaluate_run

pytestmark = pytest.mark.slow

OUTSIDE = ["a quixotic zeppelin of regret", "portrait by nobody, 8k"]
SMALL = (
    "corpus.validation=10",
    "corpus.test=10",
    "corpus.dedupe_threshold=0.99",
    "render.size_px=96",
    "render.images_per_shard=40",
    "encoder.output=pooled",
)
ALONE = EngineConfig(workers=1)  # the run of `files_run` is made by several processes


def files_config(path: Path, *settings: str) -> RunConfig:
    source = ("corpus.source=files", f"corpus.paths=['{path}']")
    return load_config("scenes-tiny", (*SMALL, "fallback=null", *source, *settings))


@pytest.fixture(scope="module")
def prompt_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prompts") / "prompts.csv"
    prompts = sample_prompts(90, 3)
    table = pl.DataFrame({"id": range(92), "Prompt": prompts[:50] + OUTSIDE + prompts[50:]})
    table.write_csv(path)
    return path


@pytest.fixture(scope="module")
def files_run(prompt_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files") / "run"
    build_run(folder, files_config(prompt_file))
    return folder


def test_prompts_that_cannot_be_drawn_are_recorded_and_the_rest_go_on(files_run: Path) -> None:
    failed = failed_rows(files_run / "images")
    assert sorted(failed["prompt"]) == sorted(OUTSIDE)
    assert all("zeppelin" in m or "portrait" in m.lower() for m in failed["error_message"])
    assert read_rows(files_run / "images").height == 92
    manifest = read_index_manifest(files_run / "bundle" / "index")
    outside_train = failed.filter(pl.col("split") == "train").height
    assert manifest.ntotal == 72 - outside_train


def test_retry_failed_renders_only_those_and_changes_nothing_else(
    files_run: Path, prompt_file: Path
) -> None:
    before = read_rows(files_run / "images").filter(pl.col("status") == "success")
    build_run(files_run, files_config(prompt_file), retry_failed=True)
    rows = read_rows(files_run / "images")
    assert rows.filter(pl.col("status") == "success").equals(before)
    assert failed_rows(files_run / "images").height == len(OUTSIDE)


def test_a_wrong_path_does_not_lock_the_run_folder(prompt_file: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no prompt file"):
        build_run(tmp_path / "run", files_config(tmp_path / "missing.csv"), ["corpus"])
    build_run(tmp_path / "run", files_config(prompt_file), ["corpus"])
    assert (tmp_path / "run" / "corpus" / "prompts.parquet").is_file()


def test_shards_are_embedded_and_indexed_as_they_are(files_run: Path, tmp_path: Path) -> None:
    shards = files_run / "images"
    settings = ("corpus.source=shards", f"corpus.paths=['{shards}']")
    config = load_config("scenes-tiny", (*SMALL, *settings))  # with a fallback
    bundle = build_run(tmp_path / "run", config, engine=ALONE)
    assert (bundle / "fallback" / "novelty.json").is_file()
    assert not (tmp_path / "run" / "images").exists()
    inverter = Inverter.load(bundle)
    assert inverter.index.manifest.ntotal > 50
    assert set(inverter.index.rows["prompt"]) <= set(read_rows(shards)["prompt"])


def test_text_keys_index_the_prompts_themselves(files_run: Path, prompt_file: Path) -> None:
    settings = ("encoder.output=embedding", "embed.keys=text", "index.whiten=0")
    config = files_config(prompt_file, *settings)
    folder = files_run.parent / "text"
    build_run(folder, config, engine=ALONE)
    manifest = read_index_manifest(folder / "bundle" / "index")
    assert (manifest.keys, manifest.factory, manifest.dim) == ("text", "Flat", 384)
    assert manifest.ntotal == manifest.prompts == 72
    found = evaluate_run(folder, config)
    assert found.scores[0].method == "constant"
    assert found.leaks["highest_cosine"] < 0.8


def test_several_seeds_a_prompt_are_several_rows_of_one_prompt(
    prompt_file: Path, tmp_path: Path
) -> None:
    config = files_config(prompt_file, "render.seeds_per_prompt=2")
    bundle = build_run(tmp_path / "run", config, engine=ALONE)
    manifest = read_index_manifest(bundle / "index")
    assert manifest.ntotal == 2 * manifest.prompts
    inverter = Inverter.load(bundle)
    keys = inverter.index.rows.group_by("prompt_id").agg(pl.col("seed").n_unique())
    assert keys["seed"].to_list() == [2] * keys.height


def test_an_index_can_be_limited_to_a_share_of_the_rows(files_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(files_run, folder)
    prompts = set(PromptIndex.load(files_run / "bundle" / "index").rows["prompt_id"])
    corpus = read_corpus(folder / "corpus")
    kept = []
    for count in (10, 20):
        place, keys = folder / f"index{count}", folder / "embeddings" / "image"
        manifest = assemble_index(place, keys, keys, corpus, IndexConfig(whiten=0, max_rows=count))
        assert manifest.ntotal == count
        kept.append(set(PromptIndex.load(place).rows["prompt_id"]))
    assert kept[0] < kept[1] < prompts
    with pytest.raises(ConfigError, match="max_rows must be >= 1"):
        IndexConfig(max_rows=0)


def test_a_tower_trained_on_another_corpus_is_told(tmp_path: Path, cli: Callable[..., Any]) -> None:
    chosen = (*SMALL, "encoder.output=features", "fallback=null")
    small = [part for setting in chosen for part in ("--set", setting)]
    asked = (
        "eval",
        "scenes-tiny",
        "-o",
        tmp_path / "run",
        *small,
        "--set",
        "encoder.model=starter",
    )
    answer = cli(*asked)
    assert answer.code == 0
    assert "the tower was trained on another corpus" in answer.err
    report = json.loads(cli(*asked, "--json").out)
    assert report["leaks"]["tower_of_another_corpus"] is True
