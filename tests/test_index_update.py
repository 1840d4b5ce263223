"""The life of an index: rows come and go, a search finds what a fresh index would, none is torn."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unprompt.index.base.errors import (
    ConfigError,
    DamagedFileError,
    OutputInUseError,
    SpaceMismatchError,
    UnpromptError,
)
from unprompt.index.base.tables import ROWS
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.drift import measure_drift
from unprompt.index.store.generations import change_index
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.rebuild import merge_indexes, read_content, rebuild_index
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.update import add_rows, remove_rows
from unprompt.index.store.write import write_index

DIM, TARGET_DIM = 12, 5


def rows_of(row_ids: np.ndarray, salt: int = 0) -> IndexContent:
    """Content that follows from the ids, two rows a prompt."""
    count = len(row_ids)
    keys = [np.random.default_rng([salt, int(row)]).standard_normal(DIM) for row in row_ids]
    targets = [np.random.default_rng(int(row) // 2).standard_normal(TARGET_DIM) for row in row_ids]
    table = pl.DataFrame(
        {
            "row": range(count),
            "row_id": [int(row) for row in row_ids],
            "image_id": [int(row) + 1000 for row in row_ids],
            "prompt_id": [int(row) // 2 for row in row_ids],
            "prompt": [f"prompt {int(row) // 2}" for row in row_ids],
            "key": [f"{int(row):09d}" for row in row_ids],
            "seed": [0] * count,
            "generator": ["by hand"] * count,
        },
        schema=ROWS,
    )
    unit = [
        to_unit_length(np.array(v).reshape(count, -1).astype(np.float32)) for v in (keys, targets)
    ]
    return IndexContent(table, unit[0], unit[1], "space", "words")


def make(folder: Path, row_ids: np.ndarray, factory: str = "Flat") -> Path:
    content = rows_of(row_ids)
    write_index(folder, content, content.keys[:0], IndexConfig(factory, whiten=0))
    return folder


QUERIES = to_unit_length(np.random.default_rng(9).standard_normal((7, DIM)).astype(np.float32))


def answers(folder: Path, k: int = 8) -> tuple[list[list[int]], np.ndarray, np.ndarray]:
    """Row ids, scores and targets that the queries find."""
    index = PromptIndex.load(folder)
    found = index.search(QUERIES, k)
    ids = index.rows["row_id"].to_numpy()
    known = found.rows >= 0
    shown = np.where(known, ids[np.maximum(found.rows, 0)], -1)
    targets = np.asarray(index.targets[np.maximum(found.rows, 0)]) * known[..., None]
    assert index.rows.height == index.manifest.ntotal == len(index.targets)
    assert index.rows["row"].to_list() == list(range(index.manifest.ntotal))
    assert index.manifest.prompts == index.rows["prompt_id"].n_unique()
    return shown.tolist(), found.scores, targets


def same_answers(left: Path, right: Path, tolerance: float = 1e-5) -> None:
    ids, scores, targets = answers(left)
    wanted_ids, wanted_scores, wanted_targets = answers(right)
    assert ids == wanted_ids
    np.testing.assert_allclose(scores, wanted_scores, atol=tolerance)
    np.testing.assert_array_equal(targets, wanted_targets)


@pytest.mark.parametrize("factory", ["Flat", "SQfp16", "HNSW32", "IVF8,Flat"])
def test_add_a_tenth_remove_some_merge_and_compare_with_a_fresh_index(
    tmp_path: Path, factory: str
) -> None:
    one = make(tmp_path / "one", np.arange(300), factory)
    other = make(tmp_path / "other", np.arange(400, 460), factory)
    if factory.startswith("IVF"):
        for folder in (one, other):
            probe_all(folder)
    assert add_rows(one, rows_of(np.arange(300, 330))).added == 30
    gone = np.arange(0, 300, 20)
    assert remove_rows(one, gone.tolist()).removed == 15
    change = merge_indexes([one, other], tmp_path / "both")
    assert (change.added, change.skipped) == (60, 0)
    left = np.setdiff1d(np.concatenate([np.arange(330), np.arange(400, 460)]), gone)
    fresh = make(tmp_path / "fresh", left, "Flat")
    same_answers(tmp_path / "both", fresh, 1e-3)
    assert rebuild_index(tmp_path / "both", IndexConfig("Flat")).removed == 15
    same_answers(tmp_path / "both", fresh, 1e-3)
    assert PromptIndex.load(tmp_path / "both").manifest.stored == len(left)


def probe_all(folder: Path) -> None:
    """Every list is looked into, so that the search is exact."""
    from dataclasses import replace

    from unprompt.index.sealed.records import record_files
    from unprompt.index.search.faiss_files import write_vectors
    from unprompt.index.store.manifest import write_manifest
    from unprompt.index.vectors.faiss_library import load_faiss

    index = PromptIndex(folder, PromptIndex.load(folder).manifest, writable=True)
    lists = load_faiss().extract_index_ivf(index.vectors)
    lists.nprobe = lists.nlist
    write_vectors(folder / index.manifest.vectors, index.vectors)
    write_manifest(
        folder, replace(index.manifest, files=record_files(folder, index.manifest.files))
    )


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "rebuild"]),
        st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True),
    ),
    max_size=7,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(operations=OPERATIONS)
def test_any_history_leaves_what_a_fresh_index_would_hold(
    operations: list[tuple[str, list[int]]], tmp_path_factory: Any
) -> None:
    folder = make(tmp_path_factory.mktemp("index") / "index", np.arange(5))
    present = list(range(5))
    for name, numbers in operations:
        generation = PromptIndex.load(folder).manifest.generation
        if name == "add":
            add_rows(folder, rows_of(np.array(numbers)))
            present += [number for number in numbers if number not in present]
        elif name == "remove":
            leaving = [number for number in numbers if number in present]
            if len(leaving) in (0, len(present)):
                continue
            remove_rows(folder, leaving)
            present = [number for number in present if number not in leaving]
        else:
            rebuild_index(folder, IndexConfig("Flat"))
        index = PromptIndex.load(folder)
        index.verify()
        assert index.rows["row_id"].to_list() == present
        assert index.manifest.generation >= generation
        assert {p.name for p in folder.iterdir()} == {"manifest.json", *index.manifest.files}
        keys = rows_of(np.array(present)).keys
        np.testing.assert_allclose(index.keys[:], keys, atol=1e-3)
        np.testing.assert_allclose(index.keys_of(np.arange(len(keys))[None])[0], keys, atol=1e-3)
        wanted = np.sort(QUERIES @ keys.T, axis=1)[:, ::-1][:, :8]
        found = index.search(QUERIES, 8)
        np.testing.assert_allclose(found.scores[:, : wanted.shape[1]], wanted, atol=1e-3)
        assert np.all(found.rows[:, wanted.shape[1] :] == -1)


def test_a_row_that_is_there_is_skipped_and_one_that_was_removed_comes_back(tmp_path: Path) -> None:
    folder = make(tmp_path / "index", np.arange(20))
    assert add_rows(folder, rows_of(np.arange(10, 25))).skipped == 10
    assert add_rows(folder, rows_of(np.arange(10, 25))).added == 0
    assert PromptIndex.load(folder).manifest.generation == 2
    remove_rows(folder, [3])
    assert add_rows(folder, rows_of(np.array([3]))).added == 1
    assert sorted(PromptIndex.load(folder).rows["row_id"]) == list(range(25))


def test_an_open_index_stays_as_it_was_while_others_change_it(tmp_path: Path) -> None:
    folder = make(tmp_path / "index", np.arange(30))
    before = PromptIndex.load(folder)
    remove_rows(folder, [0, 1])
    rebuild_index(folder, IndexConfig("Flat"))
    assert before.rows["row_id"].to_list() == list(range(30))
    np.testing.assert_allclose(before.targets[29], rows_of(np.array([29])).targets[0], atol=1e-3)
    assert len(PromptIndex.load(folder).rows) == 28


def test_readers_beside_a_writer_see_whole_generations(tmp_path: Path) -> None:
    folder = make(tmp_path / "index", np.arange(20))
    seen, faults = set(), []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                index = PromptIndex.load(folder)
                ids = set(index.rows["row_id"])
            except Exception as error:  # reported below
                faults.append(error)
                return
            seen.add(len(ids))
            if not ({*range(20)} <= ids and len(ids) == index.manifest.ntotal):
                faults.append(AssertionError(f"torn: {sorted(ids)}"))

    reader = threading.Thread(target=read)
    reader.start()
    for start in range(20, 60, 2):
        add_rows(folder, rows_of(np.arange(start, start + 2)))
    done.set()
    reader.join()
    assert not faults and len(seen) > 1


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "index", np.arange(5))
    with change_index(folder), ThreadPoolExecutor(1) as second:
        with pytest.raises(OutputInUseError, match="being written by another thread"):
            second.submit(remove_rows, folder, [0]).result()
    remove_rows(folder, [0])


WRITER = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from test_index_update import rows_of
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.rebuild import rebuild_index
from unprompt.index.store.update import add_rows, remove_rows
folder, number = Path(sys.argv[1]), 1000
print("ready", flush=True)
while True:
    add_rows(folder, rows_of(np.arange(number, number + 50)))
    remove_rows(folder, list(range(number, number + 25)))
    rebuild_index(folder, IndexConfig("Flat"))
    number += 50
"""


def test_killed_at_any_moment_the_old_or_the_new_generation_is_whole(tmp_path: Path) -> None:
    folder = make(tmp_path / "index", np.arange(40))
    rng = np.random.default_rng(0)
    for _ in range(4):
        tests = str(Path(__file__).parent)
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), tests], stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            time.sleep(float(rng.uniform(0.01, 0.3)))
        finally:
            process.kill()
            process.communicate()
        index = PromptIndex.load(folder)
        index.verify()
        ids = index.rows["row_id"].to_list()
        assert ids[:40] == list(range(40)) and len(ids[40:]) % 25 == 0
        rebuild_index(folder, IndexConfig("Flat"))
        names = {path.name for path in folder.iterdir()}
        assert names == {"manifest.json", *PromptIndex.load(folder).manifest.files}
        remove_rows(folder, ids[40:]) if ids[40:] else None


def nan(content: IndexContent) -> IndexContent:
    keys = content.keys.copy()
    keys[1, 2] = np.nan
    return content._replace(keys=keys)


@pytest.mark.parametrize(
    ("change", "kind", "fault"),
    [
        (lambda c: c._replace(space="other"), SpaceMismatchError, "other"),
        (lambda c: c._replace(target_space="other"), SpaceMismatchError, "other"),
        (lambda c: c._replace(key_kind="text"), ConfigError, "text"),
        (lambda c: c._replace(keys=c.keys[:, :4]), UnpromptError, "4 dimensions where 12"),
        (lambda c: c._replace(targets=c.targets[:2]), UnpromptError, "as many rows"),
        (nan, UnpromptError, "length nan"),
    ],
)
def test_content_that_does_not_belong_changes_nothing(
    tmp_path: Path, change: Callable[[Any], Any], kind: type[Exception], fault: str
) -> None:
    folder = make(tmp_path / "index", np.arange(5))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(kind, match=fault):
        add_rows(folder, change(rows_of(np.arange(5, 9))))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_removing_what_is_not_there_or_all(tmp_path: Path) -> None:
    folder = make(tmp_path / "index", np.arange(5))
    with pytest.raises(UnpromptError, match="1 of 2 row ids are not in .* 77"):
        remove_rows(folder, [1, 77])
    with pytest.raises(UnpromptError, match="all 5 rows"):
        remove_rows(folder, range(5))
    assert remove_rows(folder, []).manifest.generation == 1


def test_an_index_without_keys_cannot_be_merged_or_rebuilt(tmp_path: Path) -> None:
    content = rows_of(np.arange(9))
    folder = tmp_path / "bare"
    write_index(folder, content, content.keys[:0], IndexConfig("Flat", keep_keys=False))
    for change in (read_content, lambda place: rebuild_index(place, IndexConfig())):
        with pytest.raises(UnpromptError, match="keep_keys=true"):
            change(folder)
    add_rows(folder, rows_of(np.arange(9, 12)))  # adding needs none
    assert PromptIndex.load(folder).keys is None
    with pytest.raises(ConfigError, match="there already"):
        merge_indexes([folder, folder], folder)


def test_a_damaged_later_file_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path / "index", np.arange(9))
    shutil.copytree(folder, tmp_path / "first")
    add_rows(folder, rows_of(np.arange(9, 12)))
    path = folder / "targets.00002.npy"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DamagedFileError, match=r"targets\.00002\.npy has"):
        PromptIndex.load(folder)


def test_rows_unlike_the_index_and_growth_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    content = rows_of(np.arange(200))
    near = content.keys[:, :] * 0.02 + np.eye(DIM)[0]  # all in one corner
    content = content._replace(keys=to_unit_length(near.astype(np.float32)))
    folder = tmp_path / "index"
    write_index(folder, content, content.keys[:0], IndexConfig("Flat"))
    same = content.keys[:50] + 0.001 * rng.standard_normal((50, DIM))
    index = PromptIndex.load(folder)
    like = measure_drift(index, to_unit_length(same.astype(np.float32)))
    unlike = measure_drift(index, rows_of(np.arange(300, 350)).keys)
    assert like is not None and unlike is not None and unlike.is_large and not like.is_large
    notes = add_rows(folder, rows_of(np.arange(300, 700))).notes
    assert len(notes) == 2 and "unlike" in notes[0] and "trained on 200 rows" in notes[1]
