"""Heads: features (n, d) or tokens (n, t, d_token) -> prompt vectors (n, d_prompt)."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from unprompt.index.errors import ConfigError
from unprompt.inversion.train.config import HeadLayout

PROMPT_DIM = 384  # of all-MiniLM-L6-v2
HEADS = 8  # attention heads of the Q-Former


class LinearHead(nn.Module):
    """One matrix without bias, as 1st place used."""

    takes_tokens = False

    def __init__(self, dim: int, prompt_dim: int = PROMPT_DIM):
        super().__init__()
        self.out = nn.Linear(dim, prompt_dim, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(n, d) -> (n, d_prompt)."""
        return self.out(features)

    def folded(self) -> dict[str, Tensor]:
        """The matrices of an export."""
        return {
            "weight_2": self.out.weight.T,
            "bias_2": torch.zeros(self.out.out_features, device=self.out.weight.device),
        }


class MlpHead(nn.Module):
    """Linear, BatchNorm, ReLU, Linear."""

    takes_tokens = False

    def __init__(self, dim: int, width: int, prompt_dim: int = PROMPT_DIM):
        super().__init__()
        self.hidden = nn.Linear(dim, width)
        self.norm = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, prompt_dim)

    def forward(self, features: Tensor) -> Tensor:
        """(n, d) -> (n, d_prompt)."""
        return self.out(torch.relu(self.norm(self.hidden(features))))

    def folded(self) -> dict[str, Tensor]:
        """The matrices of an export, the normalisation folded into the first."""
        norm = self.norm
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        return {
            "weight_1": (self.hidden.weight * scale[:, None]).T,
            "bias_1": (self.hidden.bias - norm.running_mean) * scale + norm.bias,
            "weight_2": self.out.weight.T,
            "bias_2": self.out.bias,
        }


class QFormerHead(nn.Module):
    """Learned queries read the tokens by cross-attention; their mean is regressed.

    After the Q-Former of BLIP-2 (Li et al. 2023), as pooling over a tower's tokens.
    """

    takes_tokens = True

    def __init__(
        self, token_dim: int, width: int, queries: int, layers: int, prompt_dim: int = PROMPT_DIM
    ):
        super().__init__()
        if width % HEADS:
            raise ConfigError(f"head.width of a qformer must be a multiple of {HEADS}, got {width}")
        self.project = nn.Sequential(nn.Linear(token_dim, width), nn.LayerNorm(width))
        self.queries = nn.Parameter(0.02 * torch.randn(1, queries, width))
        layer = nn.TransformerDecoderLayer(
            width, HEADS, 4 * width, dropout=0.0, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.decoder = nn.TransformerDecoder(layer, layers, nn.LayerNorm(width))
        self.out = nn.Linear(width, prompt_dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, t, d_token) -> (n, d_prompt)."""
        queries = self.queries.expand(len(tokens), -1, -1)
        return self.out(self.decoder(queries, self.project(tokens)).mean(1))


def build_head(layout: HeadLayout, dim: int, token_dim: int | None = None) -> nn.Module:
    """The head that `layout` names; `token_dim` is needed by a qformer alone."""
    if layout.kind == "linear":
        return LinearHead(dim)
    if layout.kind == "mlp":
        return MlpHead(dim, layout.width)
    if token_dim is None:
        raise ConfigError("this tower has no tokens for head.kind qformer; use mlp or linear")
    return QFormerHead(token_dim, layout.width, layout.queries, layout.layers)


def fold_mlp(head: nn.Module) -> Mapping[str, np.ndarray]:
    """A linear or mlp head in evaluation mode -> matrices float32: x @ weight + bias."""
    if not isinstance(head, LinearHead | MlpHead):
        raise ConfigError(
            "a qformer head cannot be written as matrices for the torch-free encoder; train "
            "head.kind mlp or linear to export"
        )
    with torch.no_grad():
        return {
            name: np.ascontiguousarray(matrix.detach().float().cpu().numpy())
            for name, matrix in head.folded().items()
        }
