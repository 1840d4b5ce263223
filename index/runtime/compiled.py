"""An OpenVINO graph on disk -> a network compiled for this CPU and cached for later processes.

Compiling a tower takes half a second, reading it from the cache a fifth of that. The name of a
cached network is a digest of graph, input shape, OpenVINO's version and processor.
"""

import functools
import importlib
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import MappingProxyType
from typing import Any

import numpy as np

from unprompt.index.base.durable import digest_file, digest_json
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.machine import own_cores
from unprompt.index.runtime.cache import drop_pages, is_writable, read_cached, write_cached
from unprompt.index.runtime.graph_file import check_graph_file, check_shapes, graph_errors
from unprompt.index.runtime.heap import trim_heap
from unprompt.index.runtime.requests import Requests

NETWORK_PREFIX, MAX_NETWORKS = "network-", 24
NO_DIGESTS: Mapping[str, str] = MappingProxyType({})
FORMAT = 2  # of a cached network
MAX_STREAMS = 4  # of a network for queries; with more cores, several cores share a stream
CONVERTER = "openvino.tools.ovc"
CONVOLUTIONS = ("Convolution", "GroupConvolution")
_LOADING = RLock()  # `functools.cache` alone lets two threads in at once


@dataclass(frozen=True)
class SavedGraph:
    """The files of a graph and the settings that it runs with."""

    graph: Path
    weights: Path
    digests: Mapping[str, str]  # sha256 by file name, checked when the files are read
    precision: str
    threads: int | None = None  # None: all cores
    streams: int = 1  # runs at the same time, which share out the threads

    @property
    def hints(self) -> dict[str, Any]:
        """The properties of OpenVINO that follow from these settings."""
        limit = {} if self.threads is None else {"INFERENCE_NUM_THREADS": self.threads}
        # several processes would pin themselves to the same cores
        several = {"NUM_STREAMS": self.streams, "ENABLE_CPU_PINNING": False}
        several = several if self.streams > 1 else {}
        return {"INFERENCE_PRECISION_HINT": self.precision, **limit, **several}


class Network:
    """A compiled graph: input arrays -> one array (n, d) per output. Threads share its streams."""

    def __init__(self, compiled: Any, streams: int, cached: np.ndarray | None = None):
        """`cached`: the mapped file that it was read from; it is freed before the file."""
        self._requests = Requests(compiled, streams)
        self._cached = cached
        self._ran = False

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        found = self._requests(*inputs)
        if not self._ran:
            self._ran = True
            self.settle()
        return found

    def settle(self) -> None:
        """Free what only reading, and a first run, took. Threads may run it meanwhile."""
        if self._cached is not None:
            drop_pages(self._cached)  # OpenVINO has copied most weights into its own layout
        trim_heap()


def load_openvino() -> Any:
    """Import OpenVINO once, ready for several threads.

    Its model converter, which costs a process 0.1 s and 18 MB, is left out: OpenVINO treats a
    converter that cannot be imported as one that is not installed. The converter can still be
    imported by its own name.
    """
    with _LOADING:
        return _import_openvino()


def load_core() -> Any:
    """The OpenVINO core that this process shares; any thread may call this."""
    with _LOADING:
        return _make_core()


@functools.cache
def _import_openvino() -> Any:
    first = "openvino" not in sys.modules and CONVERTER not in sys.modules
    if first:
        sys.modules[CONVERTER] = None  # type: ignore[assignment]
    try:
        openvino = importlib.import_module("openvino")
    finally:
        if first:
            del sys.modules[CONVERTER]
    _make_type_tables(openvino)
    return openvino


@functools.cache
def _make_core() -> Any:
    return load_openvino().Core()


def _make_type_tables(openvino: Any) -> None:
    """Use both tables of element types once, numpy -> OpenVINO and back, before threads do.

    The binding makes a table on its first use, and runs Python code of numpy meanwhile. A second
    thread would wait for the table and hold the GIL, which the first one needs to finish: a
    deadlock.
    """
    np.asarray(openvino.Tensor(np.zeros(1, dtype=np.float32)).data)


def query_streams(threads: int | None) -> int:
    """How many queries a network runs at the same time on `threads` cores; None is all.

    The cores of a stream wait for each other after every layer, which takes long where something
    else uses one of them. So there are few cores in a stream.
    """
    return min(threads or own_cores(), MAX_STREAMS)


@graph_errors
def compile_graph(saved: SavedGraph, shape: Sequence[int] | None) -> Network:
    """The network for inputs of `shape` (None: any shape), from the cache or compiled now.

    Raises DamagedFileError where a file of the graph is missing or differs from its digest.
    """
    name = NETWORK_PREFIX + _identity(saved, shape)
    network = _import_network(saved, name) or _compile_network(saved, shape, name)
    network.settle()
    return network


def _import_network(saved: SavedGraph, name: str) -> Network | None:
    """The network from the cache; None where the cache has none for this OpenVINO."""
    memory = read_cached(name) if saved.digests else None
    if memory is None:
        return None
    tensor = load_openvino().Tensor(memory, shared_memory=True)
    try:
        compiled = load_core().import_model(tensor, "CPU", saved.hints)
        return Network(compiled, saved.streams, memory)
    except RuntimeError:  # not a network of this OpenVINO: compile it again
        return None


def _compile_network(saved: SavedGraph, shape: Sequence[int] | None, name: str) -> Network:
    """Compile the network and put it into the cache, where the cache can be written."""
    core, graph = load_core(), read_graph(saved)
    if shape is not None:
        graph.reshape(list(shape))
    dequantize_weights(graph)
    if not saved.digests or not is_writable():
        return Network(core.compile_model(graph, "CPU", saved.hints), saved.streams)
    compiled = core.compile_model(graph, "CPU", saved.hints)
    exported = compiled.export_model()
    content = exported if isinstance(exported, bytes) else exported.getvalue()
    write_cached(name, content, NETWORK_PREFIX, MAX_NETWORKS)
    return Network(compiled, saved.streams)


def read_graph(saved: SavedGraph) -> Any:
    """Read a graph; raises DamagedFileError where a file is missing or differs from its digest."""
    for name, digest in saved.digests.items():
        path = saved.graph.with_name(name)
        if not path.is_file() or digest_file(path) != digest:
            raise DamagedFileError(
                f"{path} is missing or not what was written; make the folder {path.parent} again"
            )
    check_graph_file(saved.graph, saved.weights)
    graph = load_core().read_model(saved.graph, saved.weights)
    check_shapes(graph, saved.graph)
    return graph


def _identity(saved: SavedGraph, shape: Sequence[int] | None) -> str:
    parts = [FORMAT, dict(saved.digests), saved.hints, shape and list(shape)]
    return digest_json([*parts, load_openvino().__version__, processor()])[:32]


def processor() -> list[str]:
    """Model and features of this CPU. Machines with different CPUs may share a cache folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [platform.machine(), platform.processor()]
    return sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})


def dequantize_weights(graph: Any) -> None:
    """Replace int8 weights, and all weights of convolutions, by float32 constants.

    OpenVINO would otherwise round activations to int8 as well, which lowers the prompt encoder's
    cosine to 0.988. OpenVINO 2026.4 also mixes up int8 weights in networks of several streams:
    vectors then have cosines of 0.0 to 0.8. tests/test_index_bulk.py covers both.
    """
    from openvino import opset13

    int8 = load_openvino().Type.i8
    for operation in graph.get_ordered_ops():
        kind = operation.get_type_name()
        if kind == "Multiply" and _is_of(operation.input_value(0).get_node(), int8):
            constant = opset13.constant(_value(operation))
            for user in list(operation.output(0).get_target_inputs()):
                user.replace_source_output(constant.output(0))
        if kind in CONVOLUTIONS:  # saves the conversion whenever the network is loaded
            weights = _value(operation.input_value(1).get_node())
            if weights is not None:
                operation.input(1).replace_source_output(opset13.constant(weights).output(0))


def _is_of(node: Any, kind: Any) -> bool:
    """Whether a node converts a constant of the element type `kind`."""
    if node.get_type_name() != "Convert":
        return False
    source = node.input_value(0).get_node()
    return source.get_type_name() == "Constant" and source.get_element_type() == kind


def _value(node: Any) -> np.ndarray | None:
    """The values that a node computes from constants alone; None for other nodes."""
    kind = node.get_type_name()
    if kind == "Constant":
        return np.array(node.get_data(), dtype=np.float32)
    if kind not in ("Convert", "Multiply", "Reshape"):
        return None
    first = _value(node.input_value(0).get_node())
    if first is None or kind == "Convert":
        return first
    if kind == "Reshape":
        return first.reshape(node.get_output_shape(0))
    second = _value(node.input_value(1).get_node())
    return None if second is None else first * second
