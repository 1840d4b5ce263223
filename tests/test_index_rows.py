"""Rows of a large index: found without reading the table, whatever was removed; float16 widened."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from left_files import left_by_a_kill

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.tables import ROWS
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store import segments
from unprompt.index.store.lookup import UNSIGNED, RowLookup, write_lookup
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.update import add_rows, remove_rows
from unprompt.index.store.write import write_index
from unprompt.index.vectors.float16 import widen
from unprompt.index.vectors.live_rows import LiveRows

PLAIN = IndexConfig(whiten=0)


def rows_table(count: int) -> pl.DataFrame:
    largest = 2**64 - 1  # ids use all 64 bits
    return pl.DataFrame(
        {
            "row": range(count),
            "row_id": [number * 11 for number in range(count)],
            "image_id": [largest - number for number in range(count)],
            "prompt_id": [2**63 + number // 2 for number in range(count)],
            "prompt": [f"a fox, number {number} 'ü' \n; --" for number in range(count)],
            "key": [f"{number:09d}" for number in range(count)],
            "seed": [number for number in range(count)],
            "generator": [None if number % 3 else "scenes" for number in range(count)],
        },
        schema=ROWS,
    )


def test_all_float16_numbers_are_widened_exactly() -> None:
    every = np.arange(2**16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    np.testing.assert_array_equal(widen(finite), finite.astype(np.float32))
    assert widen(finite).dtype == np.float32
    strided = finite[:60_000].reshape(300, 200)[::3, ::2]
    np.testing.assert_array_equal(widen(strided), strided.astype(np.float32))
    assert widen(np.float16(0.5)) == 0.5
    assert widen([0.5, 2.0]).tolist() == [0.5, 2.0]


@given(st.integers(1, 60), st.data())
def test_rows_and_places_are_each_others_inverse(stored: int, data: Any) -> None:
    removed = sorted(data.draw(st.sets(st.integers(0, stored - 1), max_size=stored - 1)))
    live = LiveRows(stored, np.array(removed, dtype=np.int64))
    kept = np.delete(np.arange(stored), removed)
    assert len(live) == len(kept) and live.complete == (not removed)
    np.testing.assert_array_equal(live.to_ids(np.arange(len(kept))), kept)
    wanted = np.full(stored, -1)
    wanted[kept] = np.arange(len(kept))
    np.testing.assert_array_equal(live.to_rows(np.arange(stored)), wanted)
    assert live.to_rows(np.array([[-1]])).tolist() == [[-1]]
    assert live.to_ids(np.array([-1])).tolist() == [-1]
    leaving = np.array(data.draw(st.lists(st.booleans(), min_size=len(kept), max_size=len(kept))))
    everything = sorted({*removed, *kept[leaving.astype(bool)].tolist()})
    assert live.removed_with(leaving).tolist() == everything


def test_a_lookup_gives_what_the_table_holds(tmp_path: Path) -> None:
    table = rows_table(1000)
    path = tmp_path / "what? 100% #1.sqlite"
    write_lookup(path, table)
    lookup = RowLookup(path)
    wanted = np.array([999, 0, 5, 5, 3])
    assert lookup.values(wanted, tuple(ROWS)) == table[wanted].to_dict(as_series=False)
    everything = np.random.default_rng(0).permutation(1000)
    ids = lookup.values(everything, ("prompt_id",))["prompt_id"]
    assert ids == table["prompt_id"][everything].to_list()
    with pytest.raises(DamagedFileError, match="lacks rows"):
        lookup.values(np.array([1000]), ("prompt",))


def test_unsigned_columns_are_those_of_the_table() -> None:
    assert {name for name, kind in ROWS.items() if kind == pl.UInt64} == set(UNSIGNED)


def test_the_same_rows_give_the_same_lookup(tmp_path: Path) -> None:
    left_by_a_kill(tmp_path / "b.sqlite")
    for name in ("a.sqlite", "b.sqlite"):
        write_lookup(tmp_path / name, rows_table(300))
    assert (tmp_path / "a.sqlite").read_bytes() == (tmp_path / "b.sqlite").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sqlite", "b.sqlite"]


def test_a_file_that_is_no_lookup_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedFileError, match=r"rows\.sqlite cannot be read"):
        RowLookup(path)
    with pytest.raises(DamagedFileError, match=r"missing\.sqlite cannot be read"):
        RowLookup(tmp_path / "missing.sqlite")


def test_an_open_lookup_outlives_its_file_and_serves_threads(tmp_path: Path) -> None:
    path, table = tmp_path / "rows.sqlite", rows_table(500)
    write_lookup(path, table)
    lookup = RowLookup(path)
    path.unlink()
    found: dict[int, pl.DataFrame] = {}

    def read(start: int) -> None:
        for _ in range(20):
            numbers = np.arange(start, start + 100)
            found[start] = pl.DataFrame(lookup.values(numbers, tuple(ROWS)), schema=ROWS)

    threads = [threading.Thread(target=read, args=(start,)) for start in range(0, 500, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pl.concat([found[start] for start in sorted(found)]).equals(table)


@pytest.mark.parametrize("factory", ["Flat", "SQ8", "IVF2,SQ8", "IVF2,PQ4x4fs", "HNSW8"])
def test_rows_of_an_index_with_lookups_are_those_without(
    tmp_path: Path, content: Any, monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    vectors = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = (
        IndexContent(
            content(vectors[ids], vectors[ids], prompt_ids=ids, row_ids=ids).rows(),
            vectors[ids],
            vectors[ids],
            "space",
            "words",
        )  # fmt: skip
        for ids in (range(300), range(300, 400))
    )
    config = IndexConfig(factory, whiten=0)
    found = {}
    for name, limit in (("with", 50), ("without", 10_000)):
        monkeypatch.setattr(segments, "LOOKUP_ROWS", limit)
        folder = tmp_path / name
        write_index(folder, first, vectors[:5], config)
        add_rows(folder, second)
        remove_rows(folder, [0, 7, 299, 300, 399])
        index = PromptIndex.load(folder)
        assert [s.lookup is not None for s in index.manifest.segments] == [name == "with"] * 2
        wanted = np.array([394, 0, 6, 297, 298, 6])
        some = index.read_rows(wanted)
        assert "rows" not in vars(index)  # the table was not read for them
        found[name] = some, index.prompt_ids_of(np.array([[3, -1], [394, 0]])), index
        assert index.read_rows(wanted, "prompt").equals(some.select("prompt"))
        assert index.read_values(wanted, *ROWS) == some.to_dict(as_series=False)
        assert index.first_of_prompts(wanted).tolist() == [0, 1, 2, 3, 4]
        assert index.rows[wanted].equals(some) and index.read_rows(wanted).equals(some)
        assert index.read_rows([]).height == 0
    assert found["with"][0].equals(found["without"][0])
    np.testing.assert_array_equal(found["with"][1], found["without"][1])
    left, right = (found[name][2].search(vectors[:9], 5) for name in found)
    np.testing.assert_array_equal(left.rows, right.rows)
