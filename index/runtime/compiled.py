"""A graph on disk -> a network that runs on this CPU, compiled once and kept for the next process.

Compiling a tower takes OpenVINO half a second, taking it from the cache a fifth of that. A kept
network's name holds all that decides what it is: the graph, its shape, OpenVINO and the processor.
"""

import functools
import importlib
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from unprompt.index.base.durable import digest_file, digest_json
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.runtime.cache import can_keep, keep, let_go, read_kept

KEPT, MOST_KEPT = "network-", 12
NO_DIGESTS: Mapping[str, str] = MappingProxyType({})
FORMAT = 2  # of what is kept
CONVERTER = "openvino.tools.ovc"
CONVOLUTIONS = ("Convolution", "GroupConvolution")


@dataclass(frozen=True)
class SavedGraph:
    """Where a graph lies, and how it is to run."""

    graph: Path
    weights: Path
    digests: Mapping[str, str]  # sha256 by file name, checked whenever the files are read
    precision: str
    threads: int | None = None  # OpenVINO takes every core unless it is told how many

    @property
    def hints(self) -> dict[str, Any]:
        """What OpenVINO is told."""
        limit = {} if self.threads is None else {"INFERENCE_NUM_THREADS": self.threads}
        return {"INFERENCE_PRECISION_HINT": self.precision, **limit}


class Network:
    """A compiled graph; takes arrays, gives an array (n, d) an output."""

    def __init__(self, compiled: Any, memory: Any = None):
        self._compiled = compiled  # goes first, since it reads from `memory`
        self._memory = memory

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        found = self._compiled(inputs)
        return [np.array(found[place]) for place in range(len(found))]


@functools.cache
def load_openvino() -> Any:
    """OpenVINO without its model converter, which costs a process 0.1 s and 18 MB.

    OpenVINO takes a converter that cannot be imported for one that is not installed; whoever
    imports it by its own name still gets it.
    """
    first = "openvino" not in sys.modules and CONVERTER not in sys.modules
    if first:
        sys.modules[CONVERTER] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        if first:
            del sys.modules[CONVERTER]


@functools.cache
def load_core() -> Any:
    """The one OpenVINO core of this process."""
    return load_openvino().Core()


def compile_graph(saved: SavedGraph, shape: Sequence[int] | None) -> Network:
    """The network for inputs of a shape (None: any): compiled and kept, or kept before.

    Raises DamagedFileError where the graph's files are not what was written.
    """
    core, name = load_core(), KEPT + _identity(saved, shape)
    memory = read_kept(name) if saved.digests else None
    if memory is not None:
        tensor = load_openvino().Tensor(memory, shared_memory=True)
        try:
            network = Network(core.import_model(tensor, "CPU", saved.hints), tensor)
        except RuntimeError:  # OpenVINO cannot read it after all
            pass
        else:
            let_go(memory)  # most weights lie in memory a second time now, as the processor likes
            return network
    graph = read_graph(saved)
    if shape is not None:
        graph.reshape(list(shape))
    widen_weights(graph)
    if not saved.digests or not can_keep():
        return Network(core.compile_model(graph, "CPU", saved.hints))
    compiled = core.compile_model(graph, "CPU", saved.hints)
    exported = compiled.export_model()
    keep(name, exported if isinstance(exported, bytes) else exported.getvalue(), KEPT, MOST_KEPT)
    return Network(compiled)


def read_graph(saved: SavedGraph) -> Any:
    """The graph as OpenVINO has it; raises DamagedFileError for files that have changed."""
    for name, digest in saved.digests.items():
        path = saved.graph.with_name(name)
        if not path.is_file() or digest_file(path) != digest:
            raise DamagedFileError(
                f"{path} is missing or not what was written; make the folder {path.parent} again"
            )
    return load_core().read_model(saved.graph, saved.weights)


def _identity(saved: SavedGraph, shape: Sequence[int] | None) -> str:
    parts = [FORMAT, dict(saved.digests), saved.hints, shape and list(shape)]
    return digest_json([*parts, load_openvino().__version__, processor()])[:32]


def processor() -> list[str]:
    """What a network is compiled for: a cache folder may be shared by several machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [platform.machine(), platform.processor()]
    return sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})


def widen_weights(graph: Any) -> None:
    """Weights of int8 as the float32 they stand for, and those of convolutions in any case.

    OpenVINO would multiply by int8 with activations rounded to it (the prompt encoder's cosine is
    then 0.988), and networks of several streams now and then take one weight for another, which
    gives vectors of cosine 0.0 to 0.8 (2026.4): tests/test_index_bulk.py builds two dozen of them.
    """
    from openvino import opset13

    int8 = load_openvino().Type.i8
    for operation in graph.get_ordered_ops():
        kind = operation.get_type_name()
        if kind == "Multiply" and _is_of(operation.input_value(0).get_node(), int8):
            constant = opset13.constant(_value(operation))
            for user in list(operation.output(0).get_target_inputs()):
                user.replace_source_output(constant.output(0))
        if kind in CONVOLUTIONS:  # no work at every start
            weights = _value(operation.input_value(1).get_node())
            if weights is not None:
                operation.input(1).replace_source_output(opset13.constant(weights).output(0))


def _is_of(node: Any, kind: Any) -> bool:
    """Whether a node converts a constant of a kind."""
    if node.get_type_name() != "Convert":
        return False
    source = node.input_value(0).get_node()
    return source.get_type_name() == "Constant" and source.get_element_type() == kind


def _value(node: Any) -> np.ndarray | None:
    """The numbers that a node makes of constants alone, None where it is no such node."""
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
