"""An OpenVINO graph on disk -> a look at it before OpenVINO reads it: data, and of sane size.

`tower.xml` lists layers and the places of their weights in `tower.bin`. Allowed are layers that map
tensors to tensors: none that keeps a state, runs a graph of its own or draws random numbers.
"""

import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from xml.parsers import expat

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.safe.plain_files import open_regular, read_bounded

MAX_XML = 64 * 2**20  # bytes
MAX_LAYERS = 50_000
MAX_DEPTH = 16
MAX_ATTRIBUTE = 2**16  # characters
MAX_TENSOR = 2**28  # numbers of one tensor, for one picture
MAX_RANK = 12
LAYERS = frozenset(
    "Abs Acos Acosh AdaptiveAvgPool AdaptiveMaxPool Add Asin Asinh Atan Atanh AvgPool BatchNormInference "  # noqa: E501
    "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Broadcast Ceiling Clamp Concat Const Constant Convert "  # noqa: E501
    "ConvertLike Convolution ConvolutionBackpropData Cos Cosh CumSum DepthToSpace Divide Einsum Elu "  # noqa: E501
    "Equal Erf Exp Eye Floor FloorMod Gather GatherElements GatherND Gelu Greater GreaterEqual "
    "GroupConvolution GroupConvolutionBackpropData GroupNormalization HSigmoid HSwish HardSigmoid "
    "Interpolate IsFinite IsInf IsNaN Less LessEqual Log LogSoftmax LogicalAnd LogicalNot LogicalOr "  # noqa: E501
    "LogicalXor MVN MatMul MaxPool Maximum Minimum Mish Mod Multiply Negative NonZero NormalizeL2 "
    "NotEqual OneHot PRelu Pad Parameter Power RMS Range ReLU ReduceL1 ReduceL2 ReduceLogicalAnd "
    "ReduceLogicalOr ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Reshape Result Roll Round "
    "ScaledDotProductAttention ScatterElementsUpdate ScatterNDUpdate ScatterUpdate Select Selu "
    "ShapeOf ShuffleChannels Sigmoid Sign Sin Sinh Slice SoftMax SoftPlus SoftSign Softmax "
    "SpaceToDepth Split Sqrt SquaredDifference Squeeze StridedSlice Subtract Swish Tan Tanh Tile "
    "TopK Transpose Unsqueeze VariadicSplit".split()
)
OPSET = re.compile(r"opset\d{1,2}")
RESULT = re.compile(
    rb'type="Result".{0,400}?<port [^>]*>\s*((?:<dim>-?\d{1,12}</dim>\s*){1,12})', re.DOTALL
)
P = ParamSpec("P")
R = TypeVar("R")
REMEDY = "Make the folder again, or fetch it again."


class _Layers:
    """Reads the elements of a graph one after the other, and refuses what it must not hold."""

    def __init__(self, weights_bytes: int):
        self._weights_bytes = weights_bytes
        self._depth = self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH or any(len(v) > MAX_ATTRIBUTE for v in attributes.values()):
            raise ValueError("it is nested too deep, or an attribute is too long")
        if name == "layer":
            self._count += 1
            kind, version = attributes.get("type"), attributes.get("version", "")
            if kind not in LAYERS or not OPSET.fullmatch(version) or self._count > MAX_LAYERS:
                raise ValueError(f"a layer is of the type {kind} {version}, which is not run")
        if name in ("body", "then_body", "else_body"):
            raise ValueError("a layer runs a graph of its own")
        if "offset" in attributes and "size" in attributes:
            start, size = int(attributes["offset"]), int(attributes["size"])
            if min(start, size) < 0 or start + size > self._weights_bytes:
                raise ValueError(f"weights lie outside of the file of {self._weights_bytes} bytes")

    def end(self, name: str) -> None:
        self._depth -= 1


def check_graph_file(graph: Path, weights: Path) -> None:
    """Raise DamagedFileError unless the files hold layers that are known, and their weights."""
    try:
        with open_regular(weights) as handle:
            layers = _Layers(os.fstat(handle.fileno()).st_size)
        parser = expat.ParserCreate()
        parser.StartElementHandler, parser.EndElementHandler = layers.start, layers.end
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.Parse(read_bounded(graph, MAX_XML), True)
    except (expat.ExpatError, ValueError, OSError) as error:
        raise DamagedFileError(f"{graph} is no graph that is run: {error}. {REMEDY}") from error


def declared_width(graph: Path) -> int:
    """The last dimension of the output that `tower.xml` declares.

    Raises DamagedFileError where it declares none.
    """
    try:
        found = RESULT.findall(read_bounded(graph, MAX_XML))
    except OSError as error:
        raise DamagedFileError(f"{graph} cannot be read: {error}. {REMEDY}") from error
    if len(found) != 1:
        raise DamagedFileError(f"{graph} has {len(found)} outputs, wanted one. {REMEDY}")
    return int(re.findall(rb"-?\d+", found[0])[-1])


def check_shapes(graph: Any, path: Path) -> None:
    """Raise DamagedFileError for a graph with huge tensors or another output than declared."""
    for operation in graph.get_ordered_ops():
        for output in operation.outputs():
            shape = output.get_partial_shape()
            if shape.rank.is_dynamic:
                continue
            numbers = 1
            for side in shape:
                numbers *= 1 if side.is_dynamic else max(1, side.get_length())
            if numbers > MAX_TENSOR or len(shape) > MAX_RANK:
                raise DamagedFileError(
                    f"{path} makes a tensor of the shape {shape}, at most {MAX_TENSOR:,} numbers "
                    f"are. {REMEDY}"
                )
    outputs = [output.get_partial_shape() for output in graph.outputs]
    wanted = declared_width(path)
    if len(outputs) != 1 or outputs[0].rank.is_dynamic or len(outputs[0]) != 2:
        raise DamagedFileError(f"{path} must make one matrix (n, d). {REMEDY}")
    if outputs[0][1].is_dynamic or outputs[0][1].get_length() != wanted:
        raise DamagedFileError(
            f"{path} makes vectors of {outputs[0][1]} numbers, it says {wanted}. {REMEDY}"
        )


def graph_errors(make: Callable[P, R]) -> Callable[P, R]:
    """Turn what OpenVINO raises about a saved graph into a DamagedFileError that names its file.

    The graph is the first argument that has a path `graph`.
    """

    @functools.wraps(make)
    def made(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return make(*arguments, **named)
        except (RuntimeError, ValueError, TypeError, IndexError, OverflowError) as error:
            saved: Any = next(one for one in arguments if hasattr(one, "graph"))
            reason = " ".join(str(error).split())[:300]
            raise DamagedFileError(
                f"{saved.graph} is no graph that OpenVINO runs: {reason}. {REMEDY}"
            ) from error

    return made


def _refuse(*declared: object) -> None:
    raise ValueError("it declares entities")
