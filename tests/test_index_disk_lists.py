"""Lists on disk: chosen where memory is short; found, grown and moved as any other index's."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_index_filling import content, unit

from unprompt.index.base.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.index.search import faiss_files
from unprompt.index.search.factory import IndexConfig, choose_index
from unprompt.index.search.factory_string import parse_factory
from unprompt.index.store import write
from unprompt.index.store.manifest import read_index_manifest
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.rebuild import merge_indexes, rebuild_index
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.update import add_rows, remove_rows
from unprompt.index.store.write import write_index

FACTORY = "IVF16,SQ8"
ROOMY = IndexConfig(FACTORY, whiten=0, recall_k=10)
SHORT = replace(ROOMY, memory="20K")  # the lists of 3,000 rows take 120K
QUERIES = unit(3, 50).astype(np.float32)


def part(start: int, end: int) -> IndexContent:
    """Rows `start` to `end` of the content, in memory."""
    whole = content()
    return whole._replace(
        rows=whole.rows[start:end],
        keys=np.asarray(whole.keys)[start:end].astype(np.float32),
        targets=np.asarray(whole.targets)[start:end],
    )


def make(folder: Path, config: IndexConfig = SHORT, rows: IndexContent | None = None) -> Path:
    write_index(folder, content() if rows is None else rows, QUERIES, config)
    return folder


def found(folder: Path, k: int = 10) -> tuple[list[list[int]], np.ndarray]:
    """Row ids and scores of the queries' neighbors."""
    index = PromptIndex.load(folder)
    near = index.search(QUERIES, k)
    return index.rows["row_id"].to_numpy()[near.rows].tolist(), near.scores


def same(left: Path, right: Path) -> None:
    ids, scores = found(left)
    wanted, wanted_scores = found(right)
    assert ids == wanted
    np.testing.assert_allclose(scores, wanted_scores, atol=1e-6)


def test_lists_that_are_too_large_for_memory_stay_on_disk() -> None:
    (roomy,) = choose_index(3000, 32, replace(ROOMY, memory="1M"))
    (short,) = choose_index(3000, 32, SHORT)
    assert (roomy.on_disk, short.on_disk) == (False, True)
    assert short.memory_bytes == parse_factory(FACTORY).size_bytes(0, 32) < 20 * 2**10
    assert "of lists on disk" in short.summary
    with pytest.raises(ConfigError, match=r"index\.memory"):
        choose_index(3000, 32, replace(SHORT, memory="1K"))  # less than the centroids


def test_a_hundred_million_rows_in_a_gigabyte() -> None:
    choices = choose_index(100_000_000, 512, IndexConfig(memory="1G"))
    assert [choice.on_disk for choice in choices] == [True]
    assert choices[0].factory.endswith(",SQ8")
    assert choices[0].memory_bytes is not None
    assert choices[0].memory_bytes < 2**30 < 20 * 2**30 < (choices[0].file_bytes or 0)


@pytest.mark.parametrize("each", [100, 400, 100_000])
def test_an_index_with_lists_on_disk_finds_what_one_in_memory_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, each: int
) -> None:
    monkeypatch.setattr(write, "PART_ROWS", each)  # of 100, eight are a group: there are four
    short, roomy = make(tmp_path / "short"), make(tmp_path / "roomy", ROOMY)
    manifest = read_index_manifest(short)
    assert manifest.lists == "lists.ivfdata"
    assert manifest.files["lists.ivfdata"].size_bytes == 3000 * (32 + 8)
    assert manifest.files["index.faiss"].size_bytes < 5000
    assert read_index_manifest(roomy).lists is None
    assert not (short / "unfinished").exists()
    assert manifest.recall == read_index_manifest(roomy).recall
    same(short, roomy)
    PromptIndex.load(short).verify()


def test_nothing_is_printed_where_results_go(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    print("before")
    make(tmp_path / "index")
    print("after")
    assert capfd.readouterr().out == "before\nafter\n"


def test_content_in_memory_is_built_on_disk_as_well(tmp_path: Path) -> None:
    same(make(tmp_path / "given", SHORT, part(0, 3000)), make(tmp_path / "lazy"))


def test_the_folder_can_be_moved_and_opened_while_it_goes(tmp_path: Path) -> None:
    made, roomy = make(tmp_path / "made"), make(tmp_path / "roomy", ROOMY)
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(made, tmp_path / "elsewhere" / "index")
    same(Path(moved), roomy)
    opened = PromptIndex.load(Path(moved))
    before = opened.search(QUERIES, 5)
    shutil.rmtree(moved)
    np.testing.assert_array_equal(opened.search(QUERIES, 5).rows, before.rows)


def test_rows_come_and_go(tmp_path: Path) -> None:
    grown = make(tmp_path / "grown", SHORT, part(0, 2600))
    other = make(tmp_path / "other", ROOMY, part(0, 2600))
    reader = PromptIndex.load(grown)
    before = reader.search(QUERIES, 10)
    for folder in (grown, other):
        assert add_rows(folder, part(2600, 3000)).added == 400
        assert add_rows(folder, part(2600, 3000)).skipped == 400
        assert remove_rows(folder, list(range(0, 300, 2))).removed == 150
    same(grown, other)
    np.testing.assert_array_equal(reader.search(QUERIES, 10).rows, before.rows)
    manifest = read_index_manifest(grown)
    assert manifest.lists == "lists.00002.ivfdata"
    listed = {*manifest.files, "manifest.json"}
    assert {path.name for path in grown.iterdir()} == listed
    PromptIndex.load(grown).verify()
    rebuilt = rebuild_index(grown, SHORT, QUERIES)
    assert rebuilt.manifest.lists == "lists.00004.ivfdata"
    assert rebuilt.manifest.ntotal == 2850
    assert rebuild_index(grown, ROOMY, QUERIES).manifest.lists is None
    assert not list(grown.glob("*.ivfdata"))


def test_two_are_merged(tmp_path: Path) -> None:
    for name, config in (("short", SHORT), ("roomy", ROOMY)):
        parts = [
            make(tmp_path / f"{name}{start}", config, part(start, end))
            for start, end in ((0, 1700), (1700, 3000))
        ]
        merge_indexes(parts, tmp_path / name)
    same(tmp_path / "short", tmp_path / "roomy")
    assert (tmp_path / "short" / "lists.00002.ivfdata").is_file()


def without(folder: Path) -> None:
    (folder / "lists.ivfdata").unlink()


def cut(folder: Path) -> None:
    content = (folder / "lists.ivfdata").read_bytes()
    (folder / "lists.ivfdata").write_bytes(content[:-10])


@pytest.mark.parametrize("damage", [without, cut])
def test_damaged_lists_are_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = make(tmp_path / "index")
    damage(folder)
    with pytest.raises(DamagedFileError, match=r"lists\.ivfdata"):
        PromptIndex.load(folder)


def test_a_full_disk_is_seen_before_it_is_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a file that is mapped cannot be tried on a full disk: the system would kill the process
    full = SimpleNamespace(disk_usage=lambda folder: SimpleNamespace(free=50_000))
    monkeypatch.setattr(faiss_files, "shutil", full)
    with pytest.raises(UnpromptError, match=r"lists\.ivfdata: 117K are needed, 48\.8K are free"):
        make(tmp_path / "index")
    assert not list((tmp_path / "index").glob("lists*"))
    monkeypatch.undo()
    make(tmp_path / "index")
