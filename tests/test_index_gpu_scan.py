"""Exact search of all kept keys, spread over devices; on a GPU where FAISS sees one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.search.factory import IndexConfig
from unprompt.index.search.gpu_scan import MAX_K, scan_on_gpus
from unprompt.index.search.refine import KeyScores
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.update import add_rows, remove_rows
from unprompt.index.store.write import write_index
from unprompt.index.vectors.faiss_library import count_gpus, load_faiss

ROWS, DIM = 700, 24
no_gpu = pytest.mark.skipif(count_gpus() > 0, reason="FAISS sees a GPU")
needs_gpu = pytest.mark.skipif(count_gpus() == 0, reason="FAISS sees no GPU")


def unit_vectors(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def flat(dim: int = DIM) -> Any:
    """What a device holds, on the processor."""
    return load_faiss().IndexFlatIP(dim)


def changed_index(folder: Path, content: Any, factory: str, **settings: Any) -> PromptIndex:
    """Rows of two segments, some of them removed."""
    keys = unit_vectors(ROWS, 1)
    targets = to_unit_length(keys[:, :4])
    rows = content(keys, targets).rows()
    parts = [
        IndexContent(rows[span], keys[span], targets[span], "a", "words")
        for span in (slice(0, 500), slice(500, ROWS))
    ]
    write_index(folder, parts[0], unit_vectors(50, 2), IndexConfig(factory, **settings))
    add_rows(folder, parts[1])
    remove_rows(folder, row_ids=rows["row_id"][3:603:4].to_list())
    return PromptIndex.load(folder)


def exact(index: PromptIndex, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best k of all rows, by the scores that the index refines with."""
    rows = np.broadcast_to(np.arange(len(index.keys)), (len(queries), len(index.keys)))
    scores = index._key_scores(queries, rows)  # type: ignore[misc]
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, best, 1), best


@pytest.mark.parametrize("devices", [1, 2, 5])
@pytest.mark.parametrize("factory", ["IVF8,SQ4", "PCAW16,L2norm,IVF4,PQ4x4fs"])
def test_every_row_that_counts_is_compared(
    tmp_path: Path, content: Any, factory: str, devices: int
) -> None:
    index = changed_index(tmp_path / "index", content, factory, recall=0.3)
    queries = unit_vectors(40, 3)
    coarse = index.search(queries, 20)
    dim = 16 if "PCAW" in factory else DIM
    index.use_gpus([flat(dim) for _ in range(devices)])
    found, wanted = index.search(queries, 20), exact(index, queries, 20)
    np.testing.assert_array_equal(found.rows, wanted[1])
    np.testing.assert_allclose(found.scores, wanted[0], atol=1e-6)
    assert (coarse.rows != found.rows).any(), "the codes alone find others: the scan did search"


def test_more_rows_than_there_are_or_than_a_gpu_returns(tmp_path: Path, content: Any) -> None:
    index = changed_index(tmp_path / "index", content, "Flat")
    index.use_gpus([flat(), flat()])
    found = index.search(unit_vectors(2, 4), MAX_K + 10)
    assert (found.rows >= 0).sum(axis=1).tolist() == [len(index.keys)] * 2
    assert len(set(found.rows[0][: len(index.keys)])) == len(index.keys)


def test_devices_that_no_row_is_left_for_stay_empty() -> None:
    scores, devices = KeyScores(unit_vectors(2, 5), ()), [flat() for _ in range(4)]
    rows = scan_on_gpus(scores, devices).search(unit_vectors(3, 6), 2)[1]
    assert [device.ntotal for device in devices] == [1, 1, 0, 0]
    assert np.sort(rows, axis=1).tolist() == [[0, 1]] * 3


def test_a_device_that_finds_other_rows_is_not_used() -> None:
    scores = KeyScores(unit_vectors(ROWS, 1), ())
    with pytest.raises(ConfigError, match="700 keys of 24 numbers.*do not find themselves"):
        scan_on_gpus(scores, [flat(), load_faiss().IndexLSH(DIM, 4)])  # sixteen codes for 350 rows


def test_without_kept_keys_it_is_refused(tmp_path: Path, content: Any) -> None:
    index = changed_index(tmp_path / "index", content, "SQ8", keep_keys=False)
    with pytest.raises(ConfigError, match="stores no keys.*index.keep_keys: true"):
        index.use_gpus([flat()])


@no_gpu
def test_without_a_gpu_the_command_says_what_is_missing(tiny_run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    for more in ([], ["--output", str(tmp_path / "red.csv")]):
        asked = [str(tmp_path / "red.png"), "--bundle", str(tiny_run / "bundle"), "--gpu-search"]
        command = [sys.executable, "-m", "unprompt.ui.cli.main", "invert", *asked, *more]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 1 and "unprompt[gpu]" in run.stderr, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["red.png"], "nothing half-written"


@needs_gpu
def test_on_a_gpu(tmp_path: Path, content: Any) -> None:
    index = changed_index(tmp_path / "index", content, "IVF8,SQ4", recall=0.3)
    queries = unit_vectors(40, 3)
    index.use_gpus()
    found, wanted = index.search(queries, 20), exact(index, queries, 20)
    same = [len(np.intersect1d(*rows)) for rows in zip(found.rows, wanted[1], strict=True)]
    assert np.mean(same) >= 19.5  # float16 may change the order of two
