"""LoRA on a bare weight (d_out, d_in), for attention that reads weights without calling layers.

peft has an adapter for torch's attention too. But version 0.21 adds the update of the
out-projection twice, and it subtracts the update from the frozen weight after every pass, which
loses precision.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import (
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
)

WEIGHTS = ("in_proj_weight", "out_proj.weight")  # of an nn.MultiheadAttention


class LowRank(nn.Module):
    """Weight -> weight + alpha / rank * B @ A; B starts at zero."""

    def __init__(self, weight: Tensor, rank: int, alpha: int):
        super().__init__()
        rows, columns = weight.shape
        self.lora_A = nn.Parameter(torch.empty(rank, columns, device=weight.device))
        self.lora_B = nn.Parameter(torch.zeros(rows, rank, device=weight.device))
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))  # the same start as peft

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight."""
        return weight + self.scale * (self.lora_B @ self.lora_A)


def adapt_attention(attention: nn.MultiheadAttention, rank: int, alpha: int) -> None:
    """Add an adapter to the in- and the out-projection, and freeze the weights below."""
    for name in WEIGHTS:
        module, last = _holder(attention, name)
        weight = getattr(module, last)
        weight.requires_grad_(False)
        register_parametrization(module, last, LowRank(weight, rank, alpha))


def merge_attention(trunk: nn.Module) -> None:
    """Turn every weight that `adapt_attention` changed back into a plain, updated parameter."""
    for attention in [m for m in trunk.modules() if isinstance(m, nn.MultiheadAttention)]:
        for name in WEIGHTS:
            module, last = _holder(attention, name)
            if is_parametrized(module, last):
                remove_parametrizations(module, last, leave_parametrized=True)


def _holder(attention: nn.Module, name: str) -> tuple[nn.Module, str]:
    *outer, last = name.split(".")
    return attention.get_submodule(".".join(outer)), last
