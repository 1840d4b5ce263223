"""A head that reads tokens: learned queries, cross-attention; (n, t, d_token) -> (n, d_prompt).

It follows the Q-Former of BLIP-2 (Li et al. 2023), as pooling over a tower's tokens: the mean of
the queries is regressed. Training fits it, and an encoder with output `prediction` runs it.
"""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from unprompt.index.base.errors import ConfigError, DamagedFileError

HEADS = 8  # of its attention
QUERIES = "queries"


class QFormerShape(NamedTuple):
    """The size of a Q-Former."""

    token_dim: int
    width: int
    queries: int
    layers: int
    prompt_dim: int


def build_qformer(shape: QFormerShape) -> Any:
    """A torch module with new weights.

    Raises ConfigError for a width that HEADS does not divide.
    """
    torch: Any = importlib.import_module("torch")
    nn: Any = torch.nn
    if shape.width % HEADS:
        raise ConfigError(
            f"head.width of a qformer must be a multiple of {HEADS}, got {shape.width}"
        )

    class QFormer(nn.Module):  # type: ignore[misc, name-defined]
        takes_tokens = True

        def __init__(self) -> None:
            super().__init__()
            width = shape.width
            self.project = nn.Sequential(nn.Linear(shape.token_dim, width), nn.LayerNorm(width))
            self.queries = nn.Parameter(0.02 * torch.randn(1, shape.queries, width))
            layer = nn.TransformerDecoderLayer(
                width, HEADS, 4 * width, dropout=0.0, activation="gelu", batch_first=True,
                norm_first=True,
            )  # fmt: skip
            self.decoder = nn.TransformerDecoder(layer, shape.layers, nn.LayerNorm(width))
            self.out = nn.Linear(width, shape.prompt_dim, bias=False)

        def forward(self, tokens: Any) -> Any:
            queries = spread_queries(self.queries, tokens)
            return self.out(self.decoder(queries, self.project(tokens)).mean(1))

    return QFormer()


def spread_queries(queries: Any, tokens: Any) -> Any:
    """The same queries (1, q, d) for each of n pictures with tokens (n, t, c): (n, q, d).

    The result depends formally on the picture, without an effect: OpenVINO 2026.4 computes layers
    that do not depend on it only once, and overwrites that result with the first picture's.
    """
    return queries + 0.0 * tokens[:, :1, :1]


def is_qformer(head: Mapping[str, np.ndarray]) -> bool:
    """Whether the tensors of a head belong to a Q-Former."""
    return QUERIES in head


def load_qformer(head: Mapping[str, np.ndarray]) -> Any:
    """Load a Q-Former from its tensors, in evaluation mode.

    Raises DamagedFileError if a tensor is missing.
    """
    torch: Any = importlib.import_module("torch")
    try:
        layers = {name.split(".")[2] for name in head if name.startswith("decoder.layers.")}
        _, queries, width = head[QUERIES].shape
        token_dim, prompt_dim = head["project.0.weight"].shape[1], head["out.weight"].shape[0]
        module = build_qformer(QFormerShape(token_dim, width, queries, len(layers), prompt_dim))
        module.load_state_dict({name: torch.from_numpy(array) for name, array in head.items()})
    except (KeyError, RuntimeError, ValueError) as error:
        raise DamagedFileError(
            f"the saved Q-Former is incomplete: {error}; train the head again"
        ) from error
    return module.eval()
