"""`unprompt sources`: the list of kinds, one kind, the preview of a collection."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_collections import WRITERS, write

from unprompt.build.corpus.sources.kinds import KINDS
from unprompt.ui.jobs.config import load_config

Cli = Callable[..., Any]


def test_the_list_names_every_kind_with_its_licence(cli: Cli) -> None:
    answer = cli("sources")
    assert answer.code == 0
    for kind in KINDS.values():
        assert kind.name in answer.out and kind.licence in answer.out
    listed = json.loads(cli("sources", "--json").out)
    assert [kind["kind"] for kind in listed] == list(KINDS)
    assert {kind["kind"] for kind in listed if kind["pictures"]} == {
        "diffusiondb", "image_folder", "webdataset", "image_parquet", "huggingface",
    }  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_the_example_of_a_kind_is_a_config_that_loads(cli: Cli, name: str, tmp_path: Path) -> None:
    content = yaml.safe_load(json.loads(cli("sources", name, "--json").out)["config"])
    if content["corpus"]["source"] == "embeddings":
        content |= {"encoder": {"model": "ViT-B-32", "output": "embedding"}, "fallback": None}
    path = write(tmp_path / "mine.yaml", yaml.safe_dump(content))
    loaded = load_config(str(path)).build.corpus
    assert loaded.collections[0].kind == name
    assert f"kind: {name}" in cli("sources", name).out


def test_the_preview_of_a_collection(cli: Cli, tmp_path: Path) -> None:
    found = WRITERS["diffusiondb"](tmp_path)
    asked = ("sources", "diffusiondb", found.path, "--set", "max_prompt_nsfw=0.5")
    report = json.loads(cli(*asked, "--json").out)
    assert report["prompts"][0] == "a fox in the snow" and report["whole"] is True
    assert (report["read"], report["kept"]) == (5, 3)
    assert report["dropped"] == {"blank": 1, "max_prompt_nsfw": 1}
    shown = cli(*asked, "--head", 1).out
    assert "  1  a fox in the snow" in shown and "lighthouse" not in shown
    assert "read 5, kept 3 (the whole collection)" in shown
    assert "dropped 1: max_prompt_nsfw" in shown and "CC0" in shown


def test_the_preview_of_pairs_counts_their_pictures(cli: Cli, tmp_path: Path) -> None:
    found = WRITERS["image_folder"](tmp_path)
    report = json.loads(cli("sources", "image_folder", found.path, "--json").out)
    assert (report["pictures"], report["missing_pictures"]) == (2, 2)
    assert report["dropped"]["picture without a row"] == 1
    assert "pictures 2, missing 2" in cli("sources", "image_folder", found.path).out


def test_the_preview_stops_after_the_requested_rows(cli: Cli, tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / f"{number}.txt", "a\nb\n")
    asked = ("sources", "file", tmp_path, "--json", "--rows")
    report = json.loads(cli(*asked, 3).out)
    assert (report["read"], report["whole"]) == (4, False)
    assert json.loads(cli(*asked, 0).out)["read"] == 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["coko"], "unknown kind 'coko'; known kinds are diffusiondb"),
        (["coco", "none.json"], "there is no none.json; the kind coco wants captions_train2017"),
        (["coco", "x", "--set", "min_similarity=0.3"], "does not take min_similarity"),
        (["coco", "x", "--set", "max_rows=many"], "max_rows: Input should be a valid integer"),
        (["coco", "x", "--set", "max_rows"], "--set takes name=value"),
    ],
)
def test_bad_arguments_are_errors(cli: Cli, arguments: list[str], said: str) -> None:
    answer = cli("sources", *arguments)
    assert answer.code == 1 and said in answer.err
