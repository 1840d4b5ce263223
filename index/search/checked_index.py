"""A FAISS file of a stranger -> its index, of a known kind, whose parts fit together.

FAISS checks much of a file, and limits what it makes room for where it is told to. What it does not
check is how the parts fit: a code that is too short is read past its end.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.safe.plain_files import open_regular
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.transforms import inner_index, transforms

KINDS = (  # of indexes: what the factory strings of this project make
    "IndexFlat", "IndexFlatIP", "IndexScalarQuantizer", "IndexPQ", "IndexPQFastScan",
    "IndexRaBitQ", "IndexRaBitQFastScan", "IndexIVFFlat", "IndexIVFScalarQuantizer", "IndexIVFPQ",
    "IndexIVFPQFastScan", "IndexIVFRaBitQ", "IndexIVFRaBitQFastScan", "IndexHNSWFlat",
    "IndexHNSWSQ", "IndexHNSWPQ", "IndexRefine", "IndexRefineFlat", "IndexPreTransform",
)  # fmt: skip
TRANSFORMS = (
    "LinearTransform", "PCAMatrix", "OPQMatrix", "RandomRotationMatrix", "NormalizationTransform",
    "CenteringTransform",
)  # fmt: skip
ROWS = 32  # of a block of fast-scan codes
REMEDY = "Rebuild the index, or fetch it again."
HEAD = 2**20  # bytes in which the kinds of a file are named
CRASHING = (b"Iwrq", b"Iwrf", b"Iwrn")  # RaBitQ in lists: FAISS 1.15.1 crashes on cut files
LEAST_LIMIT = 2**16
LATTICE = 64  # no known kind has one
_reading = Lock()  # the limits hold for all threads


def read_checked(path: Path, flags: int = 0) -> Any:
    """Read a FAISS file; raises RuntimeError or ValueError where it is no index of a known kind.

    `flags` are FAISS' own. A file makes no more room than it has bytes.
    """
    faiss = load_faiss()
    with open_regular(path) as handle:
        size = os.fstat(handle.fileno()).st_size
        head = handle.read(HEAD)
    if any(kind in head for kind in CRASHING):
        _read_elsewhere(path, flags)
    with _limited(max(size, LEAST_LIMIT)):
        found = faiss.read_index(str(path), flags)
    if found is None:
        raise ValueError("FAISS finds no index in it")
    check_parts(found)
    return found


def _read_elsewhere(path: Path, flags: int) -> None:
    """Read a file in another process first; raises ValueError where that one ends in a crash."""
    code = "import sys, faiss; faiss.read_index(sys.argv[1], int(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(path), str(flags)]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode < 0:
        raise ValueError("FAISS crashes when it reads it")


def read_without_lists(path: Path) -> Any:
    """Read the training of a FAISS file whose lists are in a file of their own.

    Its parts are checked once the lists are there.
    """
    faiss = load_faiss()
    with open_regular(path) as handle:
        size = os.fstat(handle.fileno()).st_size
    with _limited(max(size, LEAST_LIMIT)):
        found = faiss.read_index(str(path), faiss.IO_FLAG_SKIP_IVF_DATA)
    inner = inner_index(found)
    if not isinstance(inner, faiss.IndexIVF):
        raise ValueError("it has no inverted lists")
    return found


def search_checked(
    vectors: Any, queries: np.ndarray, k: int, stored: int, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and ids (q, k) that FAISS finds among `stored` rows.

    Raises DamagedFileError where it names other rows or scores that are not finite.
    """
    try:
        scores, ids = vectors.search(queries, k, **options)
    except RuntimeError as error:
        raise DamagedFileError(f"the FAISS index cannot be searched: {error}. {REMEDY}") from error
    if ids.size and not -1 <= ids.min() <= ids.max() < stored:
        raise DamagedFileError(f"the FAISS index finds rows that the index lacks. {REMEDY}")
    if not np.isfinite(scores[ids >= 0]).all() and np.isfinite(queries).all():
        raise DamagedFileError(f"the FAISS index holds numbers that are not finite. {REMEDY}")
    return scores, ids


@contextmanager
def _limited(size: int) -> Iterator[None]:
    faiss = load_faiss()
    with _reading:
        before = (
            faiss.get_deserialization_vector_byte_limit(),
            faiss.get_deserialization_loop_limit(),
        )
        faiss.set_deserialization_vector_byte_limit(size)
        faiss.set_deserialization_loop_limit(size)
        faiss.set_deserialization_lattice_r2_limit(LATTICE)
        try:
            yield
        finally:
            faiss.set_deserialization_vector_byte_limit(before[0])
            faiss.set_deserialization_loop_limit(before[1])


def check_parts(vectors: Any) -> None:
    """Raise ValueError for an index of another kind, or whose parts do not fit together."""
    faiss = load_faiss()
    found = faiss.downcast_index(vectors)
    _known(found, KINDS)
    if found.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ValueError("it does not compare by inner products")
    width = found.d
    for step in transforms(found):
        _known(step, TRANSFORMS)
        _fits("a transform", (step.d_in, step.is_trained), (width, True))
        if isinstance(step, faiss.LinearTransform):
            biases = step.d_out if step.have_bias else step.b.size()
            wanted = (step.d_in * step.d_out, biases)
            _fits("a matrix of a transform", (step.A.size(), step.b.size()), wanted)
        if isinstance(step, faiss.CenteringTransform):
            _fits("the mean of a transform", step.mean.size(), step.d_in)
        width = step.d_out
    inner = inner_index(found)
    if isinstance(inner, faiss.IndexRefine):
        _check_code(inner.refine_index, inner.d, found.ntotal)
        inner = faiss.downcast_index(inner.base_index)
        inner = inner_index(inner)
        width = inner.d
    _check_code(inner, width, found.ntotal)


def _check_code(inner: Any, width: int, count: int) -> None:
    """Check an index without transforms: `count` rows of `width` numbers."""
    faiss = load_faiss()
    inner = faiss.downcast_index(inner)
    _known(inner, KINDS)
    _fits("the index within", (inner.d, inner.ntotal, inner.is_trained), (width, count, True))
    if isinstance(inner, faiss.IndexHNSW):
        _check_graph(inner, count)
        _check_code(inner.storage, width, count)
    elif isinstance(inner, faiss.IndexIVF):
        _check_lists(inner)
    elif isinstance(inner, faiss.IndexFlatCodes):
        _fits("the codes", inner.codes.size(), count * inner.code_size)
    if isinstance(inner, faiss.IndexFlat):
        _fits("the size of a code", inner.code_size, 4 * width)
    if hasattr(inner, "sq"):
        _check_scalars(inner.sq, inner)
    if hasattr(inner, "bbs"):
        _check_fast_scan(inner, count)
    if hasattr(inner, "rabitq"):
        code = inner.rabitq
        bits = (getattr(code, "nb_bits", 1), 0 <= inner.qb <= 8)
        found = (code.d, code.code_size, inner.code_size, *bits)
        _fits("RaBitQ", found, (width, -(-width // 8) + 8, -(-width // 8) + 8, 1, True))
        if hasattr(inner, "center"):
            _fits("the center of RaBitQ", inner.center.size(), width)
    if hasattr(inner, "pq"):
        pq = inner.pq
        _fits("the product quantizer", (pq.d, pq.M * pq.dsub), (width, width))
        _fits("the centroids", pq.centroids.size(), pq.ksub * width)


def _check_fast_scan(inner: Any, count: int) -> None:
    """Check the layout of packed codes: blocks of 32 rows, pairs of numbers of four bits."""
    faiss = load_faiss()
    columns = inner.pq.M if hasattr(inner, "pq") else -(-inner.d // 4)
    pairs = -(-columns // 2)
    row_bytes = pairs if hasattr(inner, "pq") else inner.code_size
    found = (inner.M, inner.M2, inner.nbits, inner.ksub, inner.bbs, inner.implem, inner.skip)
    _fits("fast scan", found, (columns, 2 * pairs, 4, 16, ROWS, 0, 0))
    _fits("fast scan", inner.qbs, 0)
    if not isinstance(inner, faiss.IndexIVF):
        rows = -(-count // ROWS) * ROWS
        _fits("fast scan", (inner.ntotal2, inner.codes.size()), (rows, rows * row_bytes))
        return
    lists = faiss.downcast_InvertedLists(inner.invlists)
    if not isinstance(lists, faiss.BlockInvertedLists):
        raise ValueError("its lists are not those of fast scan")
    _fits("the lists", (lists.n_per_block, lists.block_size), (ROWS, ROWS * row_bytes))
    _fits("the rows in all lists", lists.compute_ntotal(), count)


def _check_scalars(quantizer: Any, inner: Any) -> None:
    faiss = load_faiss()
    trained = (faiss.ScalarQuantizer.QT_8bit, faiss.ScalarQuantizer.QT_6bit,
               faiss.ScalarQuantizer.QT_4bit)  # fmt: skip
    _fits("the scalar quantizer", quantizer.d, inner.d)
    _fits("the size of a code", quantizer.code_size, -(-quantizer.bits * inner.d // 8))
    if quantizer.qtype in trained:
        _fits("the ranges of the scalar quantizer", quantizer.trained.size(), 2 * inner.d)


def _check_lists(inner: Any) -> None:
    faiss = load_faiss()
    inner.set_direct_map_type(faiss.DirectMap.NoMap)  # `map_ids` makes it of the lists
    lists, quantizer = inner.invlists, faiss.downcast_index(inner.quantizer)
    _known(quantizer, KINDS)
    if isinstance(quantizer, faiss.IndexPreTransform | faiss.IndexIVF | faiss.IndexRefine):
        raise ValueError("its centroids are in an index of another kind")
    _check_code(quantizer, inner.d, inner.nlist)
    if lists is None:
        raise ValueError("it has no lists")
    _fits("the lists", lists.nlist, inner.nlist)
    if not isinstance(faiss.downcast_InvertedLists(lists), faiss.BlockInvertedLists):
        _fits("the size of a code", lists.code_size, inner.code_size)
        _fits("the rows in all lists", lists.compute_ntotal(), inner.ntotal)


def _check_graph(inner: Any, count: int) -> None:
    graph = inner.hnsw
    _fits("the levels of the graph", graph.levels.size(), count)
    _fits("the offsets of the graph", graph.offsets.size(), count + 1)
    if count and not 0 <= graph.entry_point < count:
        raise ValueError(f"its graph starts at {graph.entry_point}, it has {count} rows")


def _known(part: Any, kinds: tuple[str, ...]) -> None:
    if part is None or type(part).__name__ not in kinds:
        raise ValueError(f"it holds a part of the kind {type(part).__name__}, which is not read")


def _fits(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise ValueError(f"{what} has {got}, wanted {wanted}")
