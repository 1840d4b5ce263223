"""A torch module -> an OpenVINO graph on disk, or a function that runs it now.

Image graphs take pixels (n, s, s, 3) uint8. Weights are stored as float16, or as int8 with one
scale per output channel (per 64 weights in convolutions). int8 takes little more than half the
size; the vectors of the starter's frozen tower keep a mean cosine of 0.9994. compiled.py runs
graphs without the converter.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import UnpromptError
from unprompt.index.base.quiet import without_load_reports
from unprompt.index.runtime.compiled import (
    CONVOLUTIONS,
    SavedGraph,
    compile_graph,
    load_core,
    load_openvino,
)
from unprompt.index.runtime.infer_pool import BATCH, CONVOLUTIONAL_BATCH, pad_batch

GRAPH, WEIGHTS = "tower.xml", "tower.bin"
MIN_QUANTIZED = 16_384  # numbers; errors of the small first layers spread to all later ones
GROUP = 64  # weights of a convolution per scale, at most
MIN_CONVOLUTIONS = 5  # of a convolutional network; a transformer has one, for its patches
Storage = Literal["f16", "int8"]


def compile_module(
    module: Any, image_size: int, batch: int = 8
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A torch module over pixels (n, s, s, 3) uint8 -> a function that OpenVINO runs in f32.

    It returns one array per output, several times faster than torch's convolutions on a CPU.
    """
    graph = _convert(module, image_size)
    graph.reshape([batch, image_size, image_size, 3])  # fixed shapes run fastest
    compiled = load_core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    outputs = range(len(compiled.outputs))

    def run(pixels: np.ndarray) -> list[np.ndarray]:
        blocks: list[list[np.ndarray]] = [[] for _ in outputs]
        for start in range(0, len(pixels), batch):
            part = pixels[start : start + batch]
            found = compiled(pad_batch(part, batch))
            for number in outputs:
                blocks[number].append(np.array(found[number][: len(part)]))
        return [np.concatenate(block) for block in blocks]

    return run


def save_module(module: Any, image_size: int, folder: Path, storage: Storage) -> int:
    """Write a torch module over pixels (n, s, s, 3) uint8 as `tower.xml` and `tower.bin`.

    Returns the batch size that suits one core.
    """
    graph = _convert(module, image_size)
    save_graph(graph, folder, storage)
    kinds = [operation.get_type_name() for operation in graph.get_ordered_ops()]
    convolutions = sum(kind in CONVOLUTIONS for kind in kinds)
    return BATCH if convolutions < MIN_CONVOLUTIONS else CONVOLUTIONAL_BATCH


def save_graph(graph: Any, folder: Path, storage: Storage) -> None:
    """Write a graph; equal graphs give equal bytes. Raises UnpromptError on a full disk."""
    if storage == "int8":
        quantize_weights(graph)
    # OpenVINO numbers its names per process: stable names keep the bytes equal
    graph.set_friendly_name("tower")
    for place, operation in enumerate(graph.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{place}")
    scratch = folder / "scratch.xml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        load_openvino().save_model(graph, scratch, compress_to_fp16=True)
    except (RuntimeError, OSError) as error:
        for part in (scratch, scratch.with_suffix(".bin")):
            part.unlink(missing_ok=True)
        raise UnpromptError(
            f"cannot write the tower to {folder}: {error}; free some space or choose another "
            "output folder, then run the same command again"
        ) from error
    for produced, name in ((scratch.with_suffix(".bin"), WEIGHTS), (scratch, GRAPH)):
        with write_atomically(folder / name) as temporary:
            produced.replace(temporary)


def save_text_module(module: Any, dim: int, folder: Path, storage: Storage) -> None:
    """Write a torch module over embeddings (n, t, dim) and mask (n, t) int64 as a graph."""
    torch = importlib.import_module("torch")
    words, mask = torch.zeros((2, 8, dim)), torch.ones((2, 8), dtype=torch.int64)
    with torch.inference_mode(), without_load_reports():
        graph = _convert_model(module, example_input=(words, mask))
    graph.reshape({0: [-1, -1, dim], 1: [-1, -1]})
    save_graph(graph, folder, storage)


class TextGraph:
    """A saved graph over token embeddings and their mask, for single queries of any thread."""

    def __init__(self, saved: SavedGraph):
        self._network = compile_graph(saved, None)

    def __call__(self, words: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Embeddings (n, t, d) float32 and mask (n, t) int64 -> vectors (n, d) float32."""
        return self._network(words, mask)[0]


def quantize_weights(graph: Any) -> int:
    """Replace the large weights of a graph by int8 with scales; returns their number."""
    changed = 0
    for operation in graph.get_ordered_ops():
        if operation.get_type_name() == "Constant" and _is_weight(operation):
            _compress(operation)
            changed += 1
    return changed


def _is_weight(constant: Any) -> bool:
    kinds = (load_openvino().Type.f16, load_openvino().Type.f32)
    shape = constant.get_output_shape(0)
    return (
        constant.get_element_type() in kinds
        and len(shape) >= 2
        and int(np.prod(shape)) >= MIN_QUANTIZED
    )


def _compress(constant: Any) -> None:
    from openvino import opset13

    users = list(constant.output(0).get_target_inputs())
    if users[0].get_node().get_type_name() == "Convert":  # of weights that are stored as float16
        users = list(users[0].get_node().output(0).get_target_inputs())
    values = np.array(constant.get_data(), dtype=np.float32)
    reader = users[0].get_node()
    columns = values.ndim == 2 and not reader.get_attributes().get("transpose_b", False)
    grouped = values if values.ndim == 2 else _in_groups(values)
    largest = np.abs(grouped).max(axis=0 if columns else -1, keepdims=True)
    scale = (largest / 127.0).astype(np.float16).astype(np.float32)  # as it is stored
    scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
    codes = opset13.constant(np.round(grouped / scale).clip(-127, 127).astype(np.int8))
    restored = opset13.multiply(opset13.convert(codes, "f32"), opset13.constant(scale))
    if values.ndim > 2:
        restored = opset13.reshape(restored, np.array(values.shape), False)
    for user in users:
        user.replace_source_output(restored.output(0))


def _in_groups(values: np.ndarray) -> np.ndarray:
    """Weights (outputs, ...) -> (outputs, groups, size), size the largest divisor up to GROUP."""
    width = values[0].size
    size = max(size for size in range(1, GROUP + 1) if width % size == 0)
    return values.reshape(len(values), -1, size)


def _convert_model(module: Any, example_input: Any) -> Any:
    """Trace and convert a module.

    torch's own check of a trace is left out: it runs the module three times more, a third of the
    time of an export. The tests compare exported graphs with torch instead.
    """
    load_openvino()
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.tools.ovc import convert_model

    traced = TorchScriptPythonDecoder(
        module, example_input=example_input, trace_kwargs={"check_trace": False}
    )
    return convert_model(traced, example_input=example_input)


def _convert(module: Any, image_size: int) -> Any:
    torch = importlib.import_module("torch")
    example = torch.zeros((1, image_size, image_size, 3), dtype=torch.uint8)
    with torch.inference_mode(), without_load_reports():
        converted = _convert_model(module, example_input=example)
    converted.reshape([-1, image_size, image_size, 3])
    return converted
