"""What an encoder is: items in, unit vectors (n, d) float32 out, and an identity called `space`."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from PIL import Image
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError, SpaceMismatchError
from unprompt.index.base.settings import STRICT
from unprompt.index.encoders.preprocess import Preprocess


class ImageEncoder(Protocol):
    """An image tower; vectors of different `space` must never be compared."""

    @property
    def space(self) -> str:
        """Digest of model, weights, adapters and preprocessing."""

    @property
    def dim(self) -> int:
        """d, the length of a vector."""

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """RGB images -> unit vectors (n, d) float32."""


class BulkEncoder(ImageEncoder, Protocol):
    """An image tower that takes pixels in batches: see bulk.py."""

    @property
    def preprocess(self) -> Preprocess:
        """What makes its pixels."""

    @property
    def batch_size(self) -> int:
        """b, the most pictures that `encode_pixels` takes."""

    @property
    def lanes(self) -> int:
        """How many threads should call `encode_pixels` at the same time."""

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (n, s, s, 3) uint8, n at most b -> unit vectors (n, d) float32."""


class TextEncoder(Protocol):
    """A text tower, or the encoder of target vectors (then called a prompt encoder)."""

    @property
    def space(self) -> str:
        """Digest of model, weights and tokenizer."""

    @property
    def dim(self) -> int:
        """d, the length of a vector."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Texts -> unit vectors (n, d) float32."""


PromptEncoder = TextEncoder


@dataclass(frozen=True, config=STRICT)
class EncoderConfig:
    """Which image tower to use and how to run it."""

    # an offline tower, a model name that open_clip knows, `timm:NAME` or `blip2:FOLDER`
    model: str = "efficientnet-lite2"
    pretrained: str | None = None  # open_clip tag or checkpoint path; offline towers need none
    image_size: int | None = None  # pixels; None keeps the tower's own
    # after or before the CLIP projection, or the prompt vector of a trained head: image_graph.py
    output: Literal["features", "embedding", "prediction", "pooled"] = "features"
    runtime: Literal["openvino", "torch"] = "openvino"
    # auto: bf16 where this machine multiplies in it and the vectors stay the same (self_check.py)
    precision: Literal["auto", "f32", "bf16"] = "auto"
    storage: Literal["f16", "int8"] = "f16"  # weights on disk, of the runtime openvino
    batch_size: int | None = None  # pictures; None is 8 or 16 a core (openvino), 256 on a GPU
    compile: bool | None = None  # by torch.compile, of the runtime torch: for long runs on a GPU

    def __post_init__(self) -> None:
        if self.compile and self.runtime != "torch":
            raise ConfigError(
                f"encoder.compile is of the runtime torch, got {self.runtime}, which compiles "
                "every tower; set `encoder.runtime: torch`, or leave `encoder.compile` out"
            )


def check_same_space(wanted: str, got: str, what: str, remedy: str) -> None:
    """Refuse to compare vectors of two encoders; raises SpaceMismatchError naming both spaces."""
    if wanted != got:
        raise SpaceMismatchError(
            f"{what} belongs to space {got}, but space {wanted} is in use; "
            f"vectors of different encoders cannot be compared. {remedy}"
        )


def to_unit_length(vectors: np.ndarray) -> np.ndarray:
    """Rows of (n, d) scaled to length one, float32; a zero row stays zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)
