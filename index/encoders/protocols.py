"""The interfaces of encoders: items -> unit vectors (n, d) float32, with an identity `space`."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from PIL import Image
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError, SpaceMismatchError
from unprompt.index.base.settings import STRICT
from unprompt.index.encoders.preprocess import Preprocess


class ImageEncoder(Protocol):
    """An image tower. Vectors of different `space` must not be compared."""

    @property
    def space(self) -> str:
        """Digest of model, weights, adapters and preprocessing."""

    @property
    def dim(self) -> int:
        """d, the length of a vector."""

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """RGB images -> unit vectors (n, d) float32."""


class BulkEncoder(ImageEncoder, Protocol):
    """An image tower that encodes batches of pixels: see bulk.py."""

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing of its pictures."""

    @property
    def batch_size(self) -> int:
        """b, the maximum number of pictures per call of `encode_pixels`."""

    @property
    def streams(self) -> int:
        """How many threads should call `encode_pixels` at the same time."""

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (n, s, s, 3) uint8, n at most b -> unit vectors (n, d) float32."""


class TextEncoder(Protocol):
    """A text tower, or a prompt encoder (the encoder of target vectors)."""

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
    """The section `encoder:` of a config: which image tower to use, and how to run it."""

    # an offline tower, a model name of open_clip, `timm:NAME` or `blip2:FOLDER`
    model: str = "efficientnet-lite2"
    pretrained: str | None = None  # open_clip tag or checkpoint path; offline towers need none
    image_size: int | None = None  # pixels; None keeps the tower's size
    # after or before the CLIP projection, or the prompt vector of a trained head: image_graph.py
    output: Literal["features", "embedding", "prediction", "pooled"] = "features"
    runtime: Literal["openvino", "torch"] = "openvino"
    # auto: bf16 if this machine supports it and the vectors stay the same (self_check.py)
    precision: Literal["auto", "f32", "bf16"] = "auto"
    storage: Literal["f16", "int8"] = "f16"  # weights on disk, for the runtime openvino
    batch_size: int | None = None  # pictures; None: 8 or 16 per core (openvino), 256 on a GPU
    compile: bool | None = None  # use torch.compile, for the runtime torch: for long runs on a GPU

    def __post_init__(self) -> None:
        if self.compile and self.runtime != "torch":
            raise ConfigError(
                f"encoder.compile is of the runtime torch, got {self.runtime}, which compiles "
                "every tower; set `encoder.runtime: torch`, or leave `encoder.compile` out"
            )


def check_same_space(wanted: str, got: str, what: str, remedy: str) -> None:
    """Raise SpaceMismatchError, which names both spaces, if two encoders differ."""
    if wanted != got:
        raise SpaceMismatchError(
            f"{what} belongs to space {got}, but space {wanted} is in use; "
            f"vectors of different encoders cannot be compared. {remedy}"
        )


def to_unit_length(vectors: np.ndarray) -> np.ndarray:
    """Scale rows of (n, d) to unit length, float32. A zero row stays zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)
