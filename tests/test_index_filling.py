"""Filling an index in parts: the same bytes as at once, after kills, by processes, from disk."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.tables import ROWS
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.search.codes import Coder
from unprompt.index.search.factory import IndexConfig
from unprompt.index.search.filling import PartFill
from unprompt.index.search.training import fill, train
from unprompt.index.store import write
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.index.vectors.faiss_library import load_faiss, one_thread
from unprompt.index.vectors.matrix import ChosenRows, open_matrix, write_matrix

ROWS_EACH = 700
LISTED = ("IVF16,SQ8", "IVF16,Flat", "IVF16,PQ8x4fs", "IVF16,PQ8x4fsr", "IVF16,PQ4x4")
BEHIND = ("PCAW16,L2norm,IVF16,PQ4x4fs", "OPQ8,IVF16_HNSW32,PQ8x4fs", "PCAW16,L2norm,IVF16,SQ8")


def unit(seed: int, n: int, d: int = 32) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return to_unit_length(made).astype(np.float16)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.npy"
    write_matrix(path, unit(1, 3000), np.float16)
    return path


def bytes_of(vectors: object) -> bytes:
    return load_faiss().serialize_index(vectors).tobytes()


def parts_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("codes_*.npy"))


@pytest.mark.parametrize("factory", [*LISTED, *BEHIND])
def test_codes_in_parts_give_the_bytes_of_adding_the_keys(
    keys: Path, tmp_path: Path, factory: str
) -> None:
    filling = PartFill(tmp_path / "work", keys, "these keys", part_rows=ROWS_EACH)
    filled = filling.fill(factory)
    assert parts_of(tmp_path) == [f"codes_{part:05d}.npy" for part in range(5)]
    assert bytes_of(filled) == bytes_of(fill(factory, open_matrix(keys)))


@pytest.mark.parametrize("factory", ["HNSW16", "SQ8", "PCAW8,L2norm,Flat", "PQ8x4fs"])
def test_what_has_no_lists_is_filled_as_it_is_read(
    keys: Path, tmp_path: Path, factory: str
) -> None:
    with one_thread():  # a graph depends on the order of its threads
        filled = PartFill(tmp_path / "work", keys, "these keys", part_rows=ROWS_EACH).fill(factory)
        assert not parts_of(tmp_path)
        assert bytes_of(filled) == bytes_of(fill(factory, open_matrix(keys)))


def test_parts_that_are_there_are_not_made_again(keys: Path, tmp_path: Path) -> None:
    filling = PartFill(tmp_path / "work", keys, "these keys", part_rows=ROWS_EACH)
    whole = bytes_of(filling.fill("IVF16,SQ8"))
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.npy")}
    gone = sorted(made)[2]
    gone.unlink()
    assert bytes_of(filling.fill("IVF16,SQ8")) == whole
    again = {path: path.stat().st_mtime_ns for path in made}
    assert [path for path in made if again[path] != made[path]] == [gone]
    other = PartFill(tmp_path / "work", keys, "other keys", part_rows=ROWS_EACH)
    other.fill("IVF16,SQ8")
    assert all(path.stat().st_mtime_ns != made[path] for path in made)


def test_a_coder_knows_what_it_can_code() -> None:
    sample = unit(2, 700).astype(np.float32)
    assert Coder.can_code(train("PCAW8,L2norm,IVF4,PQ4x4fs", sample))
    assert not Coder.can_code(train("IVF4,RaBitQfs", sample))


def content(count: int = 3000) -> IndexContent:
    """On disk as far as an index can tell."""
    order = np.arange(count)[::-1]
    table = {name: np.arange(count) for name in ("row", "row_id", "image_id", "prompt_id", "seed")}
    texts = {name: [f"{name} {row}" for row in range(count)] for name in ("prompt", "key")}
    rows = pl.DataFrame(
        {**table, **texts, "generator": ["by hand"] * count}, schema_overrides=ROWS
    ).select(list(ROWS))
    keys, targets = ChosenRows(unit(1, count), order), ChosenRows(unit(2, count, 8), order)
    return IndexContent(rows, keys, targets, "space", "words")


SETTINGS = IndexConfig("IVF16,PQ8x4fs", whiten=0, recall_k=10)


@pytest.mark.parametrize("keep_keys", [True, False])
def test_content_on_disk_gives_the_index_of_content_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_keys: bool
) -> None:
    monkeypatch.setattr(write, "PART_ROWS", 1000)
    config = IndexConfig("IVF16,SQ8", whiten=0, recall_k=10, keep_keys=keep_keys)
    lazy = content()
    whole = lazy._replace(keys=np.asarray(lazy.keys), targets=np.asarray(lazy.targets))
    queries = unit(3, 50).astype(np.float32)
    write_index(tmp_path / "lazy", lazy, queries, config)
    write_index(tmp_path / "whole", whole, queries, config)
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in (tmp_path / "lazy").iterdir()} == names
    assert ("keys.npy" in names) == keep_keys
    for name in names - {"rows.sqlite"}:
        assert (tmp_path / "lazy" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_refused_build_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    queries = unit(3, 50).astype(np.float32)
    small = IndexConfig(whiten=0, memory=1)
    with pytest.raises(ConfigError, match=r"index\.memory"):
        write_index(tmp_path / "new", content(), queries, small)
    assert not (tmp_path / "new").exists()
    write_index(tmp_path / "old", content(), queries, SETTINGS)
    before = sorted(path.name for path in (tmp_path / "old").iterdir())
    with pytest.raises(ConfigError):
        write_index(tmp_path / "old", content(), queries, small, generation=2)
    assert sorted(path.name for path in (tmp_path / "old").iterdir()) == before
    PromptIndex.load(tmp_path / "old").verify()


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_index_filling import SETTINGS, content, unit
from unprompt.index.store import write
from unprompt.index.search.codes import Coder
from unprompt.index.store.write import write_index
made = Coder.encode
def slowly(self, keys):
    time.sleep(0.3)
    return made(self, keys)
Coder.encode = slowly
write.PART_ROWS = 100
write_index(Path(sys.argv[1]), content(), unit(3, 50).astype("f4"), SETTINGS)
"""


def test_a_killed_build_goes_on_with_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "killed"
    child = subprocess.Popen([sys.executable, "-c", KILLED, folder, Path(__file__).parent])
    try:
        deadline = time.monotonic() + 120
        while len(parts_of(tmp_path)) < 3:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not (folder / "manifest.json").exists()
    there = parts_of(tmp_path)
    assert len(there) < 30
    began = []
    monkeypatch.setattr(write, "PART_ROWS", 100)
    made = Coder.encode
    monkeypatch.setattr(Coder, "encode", lambda *asked: began.append(1) or made(*asked))
    queries = unit(3, 50).astype(np.float32)
    write_index(folder, content(), queries, SETTINGS)
    assert len(began) == 30 - len(there)
    write_index(tmp_path / "never", content(), queries, SETTINGS)
    for name in ("index.faiss", "keys.npy", "targets.npy"):
        assert (folder / name).read_bytes() == (tmp_path / "never" / name).read_bytes()
    assert not (folder / "unfinished").exists()
    PromptIndex.load(folder).verify()
