"""Heads: features (n, d) or tokens (n, t, d_token) -> prompt vectors (n, d_prompt)."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from unprompt.index.base.errors import ConfigError
from unprompt.index.towers.qformer import QFormerShape, build_qformer
from unprompt.inversion.train.config import HeadLayout

PROMPT_DIM = 384  # of all-MiniLM-L6-v2


class LinearHead(nn.Module):
    """One matrix without bias, as in the 1st place's solution."""

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
        """The matrices of an export. BatchNorm is folded into the first."""
        norm = self.norm
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        return {
            "weight_1": (self.hidden.weight * scale[:, None]).T,
            "bias_1": (self.hidden.bias - norm.running_mean) * scale + norm.bias,
            "weight_2": self.out.weight.T,
            "bias_2": self.out.bias,
        }


def build_head(layout: HeadLayout, dim: int, token_dim: int | None = None) -> nn.Module:
    """Make the head that `layout` names. Only a qformer needs `token_dim`."""
    if layout.kind == "linear":
        return LinearHead(dim)
    if layout.kind == "mlp":
        return MlpHead(dim, layout.width)
    if token_dim is None:
        raise ConfigError("this tower has no tokens for head.kind qformer; use mlp or linear")
    shape = QFormerShape(token_dim, layout.width, layout.queries, layout.layers, PROMPT_DIM)
    return build_qformer(shape)


def head_tensors(head: nn.Module) -> Mapping[str, np.ndarray]:
    """The tensors of a head for an export, float32.

    A linear or mlp head becomes matrices (x @ weight + bias); a qformer keeps its tensors.
    """
    folds = isinstance(head, LinearHead | MlpHead)
    with torch.no_grad():
        tensors = head.folded() if folds else head.state_dict()
        return {
            name: np.ascontiguousarray(tensor.detach().float().cpu().numpy())
            for name, tensor in tensors.items()
        }
