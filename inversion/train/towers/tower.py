"""The interface of towers in training: pixels (n, 3, s, s) -> features (n, d), block by block."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

State = tuple[Tensor, ...]  # the tensors between blocks, each (n, ...)


class Tower(nn.Module):
    """A tower as stem, blocks (bottom first) and tail, so that a part of it can be frozen.

    `self.trunk` is the original module of the library. Its state dict is exported.
    """

    trunk: nn.Module
    dim: int  # d, length of the features
    token_dim: int | None = None  # of `tokens`; None without tokens
    checkpointing = False

    @property
    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """The repeated units, bottom first."""

    @property
    @abstractmethod
    def stem_modules(self) -> Sequence[nn.Module]:
        """The modules before the blocks. They are frozen with the blocks."""

    @property
    @abstractmethod
    def tail_modules(self) -> Sequence[nn.Module]:
        """The modules after the blocks. They learn if the topmost block is trained in full."""

    @property
    def stem_parameters(self) -> Sequence[nn.Parameter]:
        """Parameters of the stem outside its modules, such as positional embeddings."""
        return []

    @property
    def tail_parameters(self) -> Sequence[nn.Parameter]:
        """Parameters of the tail outside its modules, such as a projection."""
        return []

    @property
    def beside_tokens(self) -> Sequence[nn.Module | nn.Parameter]:
        """Parts of the tail that `tokens` does not use. They cannot learn below a Q-Former."""
        return []

    @abstractmethod
    def stem(self, pixels: Tensor) -> State:
        """Normalized pixels (n, 3, s, s) -> the state that enters the first block."""

    @abstractmethod
    def block(self, number: int, state: State) -> State:
        """Run one block."""

    @abstractmethod
    def tail(self, state: State) -> Tensor:
        """State after the last block -> features (n, d)."""

    @abstractmethod
    def embed(self, state: State) -> Tensor:
        """State after the last block -> the output (n, d_own) of the library's own forward."""

    @abstractmethod
    def lora_targets(self, number: int) -> Sequence[str]:
        """Names of the layers of one block, inside `trunk`, that get a LoRA adapter."""

    def resize(self, image_size: int) -> None:
        """Interpolate the positional embeddings to another input size; a CNN needs no change."""

    def tokens(self, state: State) -> Tensor:
        """State after the last block -> tokens (n, t, d_token), for a Q-Former head.

        The values equal those of `unprompt.index.towers.image_graph.image_tokens`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no tokens")

    def lower(self, pixels: Tensor, boundary: int) -> State:
        """Run the stem and the first `boundary` blocks."""
        state = self.stem(pixels)
        for number in range(boundary):
            state = self.block(number, state)
        return state

    def climb(self, state: State, boundary: int) -> State:
        """Run the blocks from `boundary` on."""
        for number in range(boundary, len(self.blocks)):
            if self.checkpointing and torch.is_grad_enabled():
                state = checkpoint(
                    self.block,
                    number,
                    state,
                    use_reentrant=False,
                    context_fn=partial(_forward_and_again, self.blocks[number]),
                )
            else:
                state = self.block(number, state)
        return state

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalized pixels (n, 3, s, s) -> features (n, d)."""
        return self.tail(self.climb(self.stem(pixels), 0))


def _forward_and_again(
    block: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of a checkpointed block in the forward pass and in the recomputation."""
    return nullcontext(), _spared_statistics(block)


@contextmanager
def _spared_statistics(block: nn.Module) -> Iterator[None]:
    """Keep the running statistics unchanged: the forward pass has counted the batch."""
    kept = [
        (layer, name, buffer)
        for layer in block.modules()
        if isinstance(layer, _NormBase) and layer.training
        for name, buffer in layer.named_buffers(recurse=False)
    ]
    for layer, name, buffer in kept:
        setattr(layer, name, buffer.clone())
    try:
        yield
    finally:
        for layer, name, buffer in kept:
            setattr(layer, name, buffer)
