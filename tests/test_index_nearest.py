"""Exact search: pairs, neighbors and thresholds against plain numpy; the loading of FAISS."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.index.base.errors import MissingDependencyError, UnpromptError
from unprompt.index.vectors import nearest as nearest_module
from unprompt.index.vectors.faiss_library import (
    CPUINFO,
    MATRIX_PRODUCT_FROM,
    _import_faiss,
    find_kernels,
    load_faiss,
)
from unprompt.index.vectors.nearest import near_pairs, nearest, nearest_over

# Unit vectors in the plane: cosines between them are 1, 0.8, 0.6, 0 and -1.
PLANE = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)


def unit(seed: int, n: int, d: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def fresh_faiss():
    _import_faiss.cache_clear()
    yield
    _import_faiss.cache_clear()


def test_near_pairs_are_those_at_or_over_the_threshold() -> None:
    queries, rows, cosines = near_pairs(PLANE[:1], PLANE, 0.6)
    assert queries.tolist() == [0, 0, 0]
    assert rows.tolist() == [0, 1, 2]
    np.testing.assert_allclose(cosines, [1.0, 0.8, 0.6], atol=1e-6)


def test_a_cosine_exactly_at_the_threshold_is_in() -> None:
    half = np.full((1, 4), 0.5, np.float32)
    axes = np.eye(4, dtype=np.float32)
    assert near_pairs(half, axes, 0.5)[1].tolist() == [0, 1, 2, 3]
    assert near_pairs(half, axes, np.nextafter(0.5, 1.0))[1].tolist() == []
    cosines, rows = nearest_over(half, axes, 0.5)
    assert (cosines.tolist(), rows.tolist()) == ([0.5], [0])
    assert nearest_over(half, axes, np.nextafter(0.5, 1.0))[1].tolist() == [-1]


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40), st.floats(-0.9, 0.9))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_pairs_equal_those_of_the_whole_matrix(seed: int, q: int, n: int, threshold: float) -> None:
    queries, vectors = unit(seed, q, 5), unit(seed + 1, n, 5)
    full = queries.astype(np.float64) @ vectors.astype(np.float64).T
    at, rows, cosines = near_pairs(queries, vectors, threshold)
    assert list(zip(at, rows, strict=True)) == [tuple(p) for p in np.argwhere(full >= threshold)]
    np.testing.assert_allclose(cosines, full[at, rows], atol=1e-6)
    best, best_rows = nearest_over(queries, vectors, threshold)
    over = full.max(axis=1) >= threshold
    np.testing.assert_array_equal(best_rows >= 0, over)
    np.testing.assert_allclose(best[over], full.max(axis=1)[over], atol=1e-6)
    np.testing.assert_allclose(full[over, best_rows[over]], full.max(axis=1)[over], atol=1e-6)


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, vectors = unit(1, 50, 8), unit(2, 60, 8)
    whole = near_pairs(queries, vectors, 0.3), nearest(queries, vectors, 4)
    monkeypatch.setattr(nearest_module, "QUERY_BLOCK", 7)
    parts = near_pairs(queries, vectors, 0.3), nearest(queries, vectors, 4)
    np.testing.assert_array_equal(whole[0][0], parts[0][0])
    np.testing.assert_array_equal(whole[0][1], parts[0][1])
    np.testing.assert_array_equal(whole[1][1], parts[1][1])
    np.testing.assert_allclose(whole[1][0], parts[1][0], atol=1e-6)


def test_nearest_falls_and_pads_with_minus_one() -> None:
    scores, rows = nearest(PLANE[1:2], PLANE, 7)
    assert scores.shape == rows.shape == (1, 7)
    assert rows[0].tolist() == [1, 2, 0, 3, 4, -1, -1]
    np.testing.assert_allclose(scores[0, :5], [1.0, 0.96, 0.8, 0.6, -0.8], atol=1e-6)
    assert np.isneginf(scores[0, 5:]).all()


def test_nothing_to_search_gives_nothing() -> None:
    none = np.empty((0, 2), np.float32)
    assert nearest(PLANE, none, 2)[1].tolist() == [[-1, -1]] * 5
    assert nearest(none, PLANE, 2)[1].shape == (0, 2)
    assert [len(part) for part in near_pairs(none, PLANE, 0.5)] == [0, 0, 0]
    assert [len(part) for part in near_pairs(PLANE, none, 0.5)] == [0, 0, 0]


def test_other_layouts_and_dtypes_give_the_same() -> None:
    expected = nearest(PLANE, PLANE, 3)[1]
    for vectors in (np.asfortranarray(PLANE), PLANE.astype(np.float64), PLANE.astype(np.float16)):
        np.testing.assert_array_equal(nearest(vectors, vectors, 3)[1], expected)


@pytest.mark.parametrize(
    ("queries", "vectors", "said"),
    [
        (PLANE, np.eye(3, dtype=np.float32), "2 dimensions where 3"),
        (PLANE[0], PLANE, "shape"),
        (PLANE * 2, PLANE, "unit length"),
        (PLANE, np.full((1, 2), np.nan, np.float32), "unit length"),
    ],
)
def test_wrong_vectors_are_refused(queries: np.ndarray, vectors: np.ndarray, said: str) -> None:
    with pytest.raises(UnpromptError, match=said):
        nearest(queries, vectors, 1)
    with pytest.raises(UnpromptError, match=said):
        near_pairs(queries, vectors, 0.5)


def test_an_absent_faiss_names_the_install_line(
    fresh_faiss: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'unprompt\[cpu\]'"):
        load_faiss()


def add_distribution(folder: Path, name: str) -> None:
    dist = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")


def test_two_faiss_distributions_are_refused(
    fresh_faiss: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_distribution(tmp_path, "faiss-cpu")
    add_distribution(tmp_path, "faiss-gpu")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingDependencyError, match="both installed"):
        load_faiss()


STAND_IN = """
from types import SimpleNamespace
cvar = SimpleNamespace(distance_compute_blas_threshold=20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the order matters on Linux alone")
@pytest.mark.parametrize(
    ("distribution", "order"), [("faiss-gpu", "torch faiss"), ("faiss-cpu", "faiss")]
)
def test_torch_is_loaded_before_a_gpu_faiss(tmp_path: Path, distribution: str, order: str) -> None:
    add_distribution(tmp_path, distribution)
    for module in ("torch", "faiss"):
        (tmp_path / f"{module}.py").write_text(f"{STAND_IN}print({module!r})\n")
    (tmp_path / "unprompt").mkdir()
    (tmp_path / "unprompt" / "index").symlink_to(Path(__file__).parents[1] / "index")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "from unprompt.index.vectors.faiss_library import load_faiss; load_faiss()"
    )
    # -S keeps the installed packages out, so that the two stand-ins are all there is.
    # The working folder would be searched too, and a checkout has a folder `unprompt`.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == order.split()


KERNELS_PROBE = """
import os
from unprompt.index.vectors.faiss_library import load_faiss
load_faiss()
from threadpoolctl import threadpool_info
of_faiss = [p for p in threadpool_info() if "faiss" in p["filepath"] and "blas" in p["filepath"]]
print(of_faiss[0]["architecture"], os.environ.get("OPENBLAS_CORETYPE", "unset"))
"""


def kernels_of_faiss(**variables: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", KERNELS_PROBE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )
    return run.stdout.split()


@pytest.mark.skipif(
    find_kernels(CPUINFO) is None, reason="no processor with AVX2 that Linux describes"
)
def test_faiss_multiplies_with_the_best_kernels_this_processor_has() -> None:
    found, left_behind = kernels_of_faiss()
    assert found == find_kernels(CPUINFO)  # an old OpenBLAS alone would say Prescott here
    assert left_behind == "unset"


def test_kernels_that_the_user_asks_for_are_kept() -> None:
    if find_kernels(CPUINFO) is None:
        pytest.skip("no processor with AVX2 that Linux describes")
    assert kernels_of_faiss(OPENBLAS_CORETYPE="Nehalem") == ["Nehalem", "Nehalem"]


@pytest.mark.parametrize(
    ("flags", "kernels"),
    [
        ("fpu sse avx2 fma avx512f avx512bw avx512cd avx512dq avx512vl amx_tile", "SkylakeX"),
        ("fpu sse avx2 fma avx512f", "Haswell"),  # a Xeon Phi has no more of AVX-512
        ("fpu sse sse2", None),
    ],
)
def test_kernels_follow_the_flags(tmp_path: Path, flags: str, kernels: str | None) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: a processor\nflags\t\t: {flags}\n")
    assert find_kernels(cpuinfo) == kernels
    assert find_kernels(tmp_path / "absent") is None


def test_a_small_batch_is_a_matrix_product_of_the_same_scores() -> None:
    faiss = load_faiss()
    assert faiss.cvar.distance_compute_blas_threshold <= MATRIX_PRODUCT_FROM
    keys, queries = unit(1, 3000, 64), unit(2, 40, 64)  # 2560 numbers: over the threshold
    flat = faiss.IndexFlatIP(64)
    flat.add(keys)
    scores, rows = flat.search(queries, 5)
    alone = [flat.search(query[None], 5) for query in queries]
    np.testing.assert_array_equal(rows, np.vstack([found[1] for found in alone]))
    np.testing.assert_allclose(scores, np.vstack([found[0] for found in alone]), atol=1e-6)
