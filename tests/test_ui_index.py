"""`unprompt index ...` on a real run: what a user types, what comes out, what it leaves."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.build.corpus.corpus import read_corpus
from unprompt.build.keys.assemble import index_rows
from unprompt.build.keys.import_rows import embedded_content, rows_near_held_out
from unprompt.index.prompt_encoders.minilm import load_prompt_encoder
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.embeddings import read_embeddings, start_embeddings, write_part
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.evaluation.evaluate import leak_line

Cli = Any


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_run / "bundle", tmp_path / "run" / "bundle")
    shutil.copytree(tiny_run / "embeddings", tmp_path / "run" / "embeddings")
    return tmp_path / "run"


def test_remove_add_rebuild_and_still_answer(
    cli: Cli, run: Path, tiny_run: Path, tiny_pictures: Any
) -> None:
    bundle = run / "bundle"
    before = PromptIndex.load(bundle / "index").rows
    first = json.loads(cli("index", "info", bundle, "--json").out)
    gone = before["row_id"][:3].to_list()
    removed = json.loads(
        cli("index", "remove", bundle, "--row-id", gone[0], "--row-id", gone[1], "--json").out
    )
    assert (removed["removed"], removed["rows"], removed["generation"]) == (2, len(before) - 2, 2)
    assert "unprompt tune" in removed["notes"][0]
    inverter = Inverter.load(bundle)
    shown = {c.row_id for c in inverter.invert([tiny_pictures[0]])[0].candidates}
    assert shown and not shown & set(gone[:2])
    # the same rows from the embeddings they came from: those two return, the others are skipped
    added = json.loads(cli("index", "add", bundle, run / "embeddings" / "image", "--json").out)
    assert (added["added"], added["skipped"]) == (2, len(before) - 2)
    again = PromptIndex.load(bundle / "index")
    back = again.rows.filter(pl.col("row_id") == gone[0])
    was = before.filter(pl.col("row_id") == gone[0])
    assert back.drop("row").equals(was.drop("row"))
    old = PromptIndex.load(tiny_run / "bundle" / "index").targets
    np.testing.assert_allclose(again.targets[int(back["row"][0])], old[0], atol=1e-3)
    listed = run / "ids.txt"
    listed.write_text(f"{gone[2]}\n")
    assert "1 removed" in cli("index", "remove", bundle, "--list", listed).out
    told = cli("index", "info", bundle).out
    assert "generation 4, 3 rows removed" in " ".join(told.split())
    assert "of generation 1" in told
    done = cli(
        "index", "rebuild", bundle, "--queries", run / "embeddings" / "image",
        "--set", "index.factory=Flat",
    )  # fmt: skip
    assert "rebuilt" in done.out
    last = json.loads(cli("index", "info", bundle, "--json").out)
    assert last["factory"] == "Flat" and last["recall"]["value"] == 1.0
    assert last["ntotal"] == first["ntotal"] - 1
    assert cli("index", "verify", bundle).code == 0


def test_a_rebuild_takes_the_settings_of_the_run(cli: Cli, run: Path, tiny_run: Path) -> None:
    shutil.copytree(tiny_run / "stages", run / "stages")
    bundle, queries = run / "bundle", ("--queries", run / "embeddings" / "image")
    first = json.loads(cli("index", "info", bundle, "--json").out)
    short = ("--set", "index.factory=IVF8,SQ8", "--set", "index.memory=128K")
    assert "of lists on disk" in cli("index", "rebuild", bundle, *queries, *short).err
    told = cli("index", "info", bundle).out
    assert "lists on disk" in told and "lists.00002.ivfdata" in told
    assert cli("index", "verify", bundle).code == 0
    assert "rebuilt" in cli("index", "rebuild", bundle, *queries).out
    last = json.loads(cli("index", "info", bundle, "--json").out)
    assert last["factory"] == first["factory"] and last["lists"] is None
    assert last["recall"]["k"] == first["recall"]["k"] == 10


def test_rows_near_to_held_out_prompts_stay_out(
    cli: Cli, run: Path, tiny_run: Path, tmp_path: Path
) -> None:
    """The run's own validation pictures come back under the split `train`, as another run's."""
    for name in ("corpus", "stages", "images"):
        shutil.copytree(tiny_run / name, run / name)
    own = read_embeddings(run / "embeddings" / "image")
    held = own.rows["split"] == "validation"
    rows = own.rows.filter(held).with_columns(split=pl.lit("train"))
    other = tmp_path / "other"
    start_embeddings(other, own.info)
    write_part(other, 0, rows, own.vectors[held.to_numpy()], "image")
    shown = json.loads(cli("index", "add", run, other, "--json").out)
    assert (shown["added"], shown["skipped"]) == (0, 0) and "left out" in shown["notes"][0]
    listed = pl.read_parquet(run / "index_left_out.parquet")
    assert sorted(listed["prompt"]) == sorted(rows["caption"])
    assert listed["cosine"].min() > 0.999 and set(listed["source"]) == {str(other)}
    assert cli("index", "add", run, other).code == 0  # again: listed once
    assert pl.read_parquet(run / "index_left_out.parquet").equals(listed)
    # asked for, they come in, and they go again
    whole = PromptIndex.load(run / "bundle" / "index").manifest.ntotal
    kept = json.loads(cli("index", "add", run, other, "--keep-near", "--json").out)
    assert kept["added"] == len(rows)
    corpus = read_corpus(run / "corpus")
    near = rows_near_held_out(PromptIndex.load(run / "bundle" / "index"), corpus)
    assert sorted(near) == sorted(index_rows(rows)["row_id"])
    told = json.loads(cli("eval", "scenes-tiny", "--output", run, "--json").out)["leaks"]
    assert told["rows_near_held_out"] == len(rows) and "--near-held-out" in leak_line(told)
    gone = json.loads(cli("index", "remove", run, "--near-held-out", "--json").out)
    assert (gone["removed"], gone["rows"]) == (len(rows), whole)
    shutil.rmtree(run / "corpus")
    (run / "stages" / "corpus.json").unlink()
    assert "needs the corpus" in cli("index", "remove", run, "--near-held-out").err


def test_containing_merge_and_export(cli: Cli, run: Path, tmp_path: Path) -> None:
    rows = PromptIndex.load(run / "bundle" / "index").rows
    word = rows["prompt"][0].split()[-1].strip(".,").upper()
    hits = rows["prompt"].str.to_lowercase().str.contains(word.lower(), literal=True).sum()
    shutil.copytree(run, tmp_path / "less")
    less = tmp_path / "less" / "bundle"
    assert f"{hits} removed" in cli("index", "remove", less, "--containing", word).out
    merged = cli("index", "merge", less, run, "-o", tmp_path / "merged")
    assert f"{hits} added" in merged.out and f"{len(rows) - hits} skipped" in merged.out
    assert "there already" in cli("index", "merge", less, run, "-o", tmp_path / "merged").err
    cli("index", "export", tmp_path / "merged", "-o", tmp_path / "exported")
    exported = read_embeddings(tmp_path / "exported", verify=True)
    assert sorted(exported.rows["caption"]) == sorted(rows["prompt"])
    original = read_embeddings(run / "embeddings" / "image")
    place = {image: i for i, image in enumerate(original.rows["image_id"])}
    wanted = original.vectors[[place[image] for image in exported.rows["image_id"]]]
    np.testing.assert_allclose(exported.vectors, wanted, atol=2e-3)
    again = embedded_content(tmp_path / "exported", load_prompt_encoder())
    assert again.rows["row_id"].sort().equals(rows["row_id"].sort())


def test_bad_requests(cli: Cli, run: Path) -> None:
    bundle = run / "bundle"
    (run / "ids.txt").write_text("seven")
    for arguments, fault in (
        (("remove", bundle, "--row-id", 5), "not in"),
        (("remove", bundle, "--list", run / "ids.txt"), "holds no row ids"),
        (("rebuild", bundle, "--set", "corpus.count=3"), "index.NAME=value"),
        (("rebuild", bundle, "--set", "index.size=3"), "size"),
        (("add", bundle, run / "nowhere"), "no finished index"),
        (("export", bundle, "-o", run), "there already"),
    ):
        result = cli("index", *arguments)
        assert result.code == 1 and fault in result.err, result
