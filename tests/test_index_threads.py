"""An index and its parts with several threads: what is computed once, read together, and closed."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_index_rows import rows_table

from unprompt.index.base.errors import ClosedError, UnpromptError
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store import segments
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.rows import RowFiles
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.index.threads.closing import OpenUntilClosed
from unprompt.index.threads.in_threads import map_in_threads
from unprompt.index.threads.shared_property import forget, shared_property
from unprompt.index.vectors.live_rows import LiveRows

THREADS = 8


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(call: Callable[[], Any], threads: int = THREADS) -> list[Any]:
    """The results of a call that all threads begin at the same moment."""
    ready = Barrier(threads)

    def run(_: int) -> Any:
        ready.wait()
        return call()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def make_index(folder: Path, factory: str, **settings: Any) -> PromptIndex:
    vectors = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    content = IndexContent(rows_table(400), vectors, vectors[:, ::-1].copy(), "keys", "words")
    write_index(folder, content, vectors[:5], IndexConfig(factory, **settings))
    return PromptIndex.load(folder)


def test_a_shared_property_is_computed_once(hasty: None) -> None:
    class Slow:
        computed = 0

        @shared_property
        def value(self) -> object:
            self.computed += 1
            time.sleep(0.02)
            return object()

    slow, other = Slow(), Slow()
    assert len(set(together(lambda: slow.value))) == 1 and slow.computed == 1
    assert other.value is not slow.value
    kept = slow.value
    forget(slow, "value", "never computed")
    assert slow.value is not kept and slow.computed == 2
    assert isinstance(Slow.value, shared_property)


def test_threads_keep_the_order_and_the_first_error() -> None:
    assert map_in_threads(lambda number: number**2, range(50), 4) == [n**2 for n in range(50)]
    assert map_in_threads(str, [], 4) == []
    begun = []

    def refuse(number: int) -> None:
        begun.append(number)
        time.sleep(0.001)
        raise UnpromptError(f"no {number}")

    with pytest.raises(UnpromptError, match="no 0"):
        map_in_threads(refuse, range(1000), 2)
    assert len(begun) < 1000, "the rest is not begun"


def test_closing_waits_for_calls_and_refuses_later_ones() -> None:
    opened = OpenUntilClosed("the thing", "thing.load()")
    inside, leave, ended = Event(), Event(), Event()

    def call() -> None:
        with opened.running():
            inside.set()
            leave.wait(60)
        ended.set()

    calling = Thread(target=call)
    calling.start()
    inside.wait(60)
    closing = Thread(target=opened.close)
    closing.start()
    with pytest.raises(ClosedError, match=r"the thing is closed.*thing\.load\(\)"):
        while not ended.is_set():  # once `close` has begun
            opened.check()
    assert closing.is_alive() and not ended.is_set()
    leave.set()
    closing.join(60)
    calling.join(60)
    assert ended.is_set() and not closing.is_alive()
    opened.close()
    with pytest.raises(ClosedError), opened.running():
        pass


def test_threads_read_one_row_file(tmp_path: Path, hasty: None) -> None:
    """A parquet file without a lookup: one handle, which has one position."""
    table = rows_table(500)
    table.write_parquet(tmp_path / "rows.parquet")
    files = RowFiles([tmp_path / "rows.parquet"], [None], [500], LiveRows(500))
    found = together(lambda: files.values(np.arange(500), ("prompt", "seed")))
    wanted = table.select("prompt", "seed").to_dict(as_series=False)
    assert all(one == wanted for one in found)


@pytest.mark.parametrize("factory", ["Flat", "IVF8,Flat", "IVF2,SQ8", "HNSW8"])
def test_threads_search_an_index_that_no_one_has_used(
    tmp_path: Path, hasty: None, factory: str
) -> None:
    """Keys from codes need a map that FAISS makes at the first call."""
    index = make_index(tmp_path, factory, keep_keys=False)
    queries = np.random.default_rng(2).normal(size=(6, 8)).astype(np.float32)

    def ask() -> tuple[Any, ...]:
        found = index.search(queries, 5)
        keys = index.keys_of(found.rows)
        prompts = index.read_values(found.rows.ravel(), "prompt")["prompt"]
        return found.rows, found.scores, keys, index.mean_target, prompts, index.rows

    answers = together(ask)
    alone = PromptIndex.load(tmp_path)
    wanted = alone.search(queries, 5)
    for rows, scores, keys, mean, prompts, table in answers:
        np.testing.assert_array_equal(rows, wanted.rows)
        np.testing.assert_array_equal(scores, wanted.scores)
        np.testing.assert_array_equal(keys, alone.keys_of(wanted.rows))
        np.testing.assert_array_equal(mean, alone.mean_target)
        assert prompts == alone.rows["prompt"][wanted.rows.ravel()].to_list()
        assert table.equals(alone.rows)


def open_files(folder: Path) -> list[str]:
    """Files under a folder that this process holds open or has mapped."""
    handles = [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]
    mapped = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in (*handles, *mapped) if str(folder.resolve()) in line]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux tells what is open")
@pytest.mark.parametrize("lookups", [True, False])
def test_a_closed_index_has_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lookups: bool
) -> None:
    monkeypatch.setattr(segments, "LOOKUP_ROWS", 1 if lookups else 1000)
    query = np.ones((1, 8), dtype=np.float32)
    with make_index(tmp_path, "Flat") as index:
        assert index.search(query, 3).rows.shape == (1, 3)
        kept = index.targets[:2].copy()
        assert index.rows.height == 400 and index.mean_target.shape == (8,)
        assert open_files(tmp_path)
    assert open_files(tmp_path) == []
    index.close()
    for call in (
        lambda: index.search(query, 3),
        lambda: index.rows,
        lambda: index.mean_target,
        lambda: index.targets,
        lambda: index.keys,
        lambda: index.live,
        lambda: index.read_values([1], "prompt"),
        lambda: index.read_rows([1]),
        lambda: index.keys_of(np.zeros((1, 1), dtype=np.int64)),
    ):
        with pytest.raises(ClosedError, match=r"closed.*PromptIndex\.load"):
            call()
    assert kept.shape == (2, 8)
    again = PromptIndex.load(tmp_path)
    np.testing.assert_array_equal(again.targets[:2], kept)


def test_an_index_is_closed_under_threads_that_read(tmp_path: Path, hasty: None) -> None:
    """Every call gives its answer or says that the index is closed."""
    index = make_index(tmp_path, "Flat")
    wanted = index.read_values(np.arange(50), "prompt")
    ready, seen = Barrier(THREADS + 1), []

    def read() -> None:
        ready.wait()
        for _ in range(2000):
            try:
                seen.append(index.read_values(np.arange(50), "prompt") == wanted)
                index.search(np.ones((1, 8), dtype=np.float32), 3)
            except ClosedError:
                return

    readers = [Thread(target=read) for _ in range(THREADS)]
    for reader in readers:
        reader.start()
    ready.wait()
    time.sleep(0.05)
    index.close()
    for reader in readers:
        reader.join(120)
        assert not reader.is_alive()
    assert all(seen)
    assert isinstance(PromptIndex.load(tmp_path).rows, pl.DataFrame)
