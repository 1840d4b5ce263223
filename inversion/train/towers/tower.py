"""What every image tower is to the trainer: pixels (n, 3, s, s) -> features (n, d), in blocks."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

State = tuple[Tensor, ...]  # what one block hands to the next, each (n, ...)


class Tower(nn.Module):
    """A tower cut into stem, blocks (bottom first) and tail, so that it can be frozen in part.

    `self.trunk` is the module of the library it comes from; its state dict is what is exported.
    """

    trunk: nn.Module
    dim: int  # d, length of the features
    token_dim: int | None = None  # of `tokens`, if there are any
    checkpointing = False

    @property
    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """The repeated units, bottom first."""

    @property
    @abstractmethod
    def stem_modules(self) -> Sequence[nn.Module]:
        """What comes before the blocks; frozen with them."""

    @property
    @abstractmethod
    def tail_modules(self) -> Sequence[nn.Module]:
        """What comes after the blocks; learns where the topmost block is trained fully."""

    @property
    def stem_parameters(self) -> Sequence[nn.Parameter]:
        """Tensors of the stem that belong to no module of it, such as positional embeddings."""
        return []

    @property
    def tail_parameters(self) -> Sequence[nn.Parameter]:
        """Tensors of the tail that belong to no module of it, such as a projection."""
        return []

    @property
    def beside_tokens(self) -> Sequence[nn.Module | nn.Parameter]:
        """What of the tail `tokens` does not pass through; it cannot learn below a Q-Former."""
        return []

    @abstractmethod
    def stem(self, pixels: Tensor) -> State:
        """Normalised pixels (n, 3, s, s) -> the state that enters the first block."""

    @abstractmethod
    def block(self, number: int, state: State) -> State:
        """Run one block."""

    @abstractmethod
    def tail(self, state: State) -> Tensor:
        """State after the last block -> features (n, d)."""

    @abstractmethod
    def embed(self, state: State) -> Tensor:
        """State after the last block -> what the library's own forward gives (n, d_own)."""

    @abstractmethod
    def lora_targets(self, number: int) -> Sequence[str]:
        """Names, inside `trunk`, of the layers of one block that take a LoRA adapter."""

    def resize(self, image_size: int) -> None:
        """Take another input size, positional embeddings interpolated; a CNN needs nothing."""

    def tokens(self, state: State) -> Tensor:
        """State after the last block -> tokens (n, t, d_token), for a Q-Former head.

        The same numbers as `unprompt.index.towers.image_graph.image_tokens` gives.
        """
        raise NotImplementedError(f"{type(self).__name__} has no tokens")

    def lower(self, pixels: Tensor, boundary: int) -> State:
        """Stem and the first `boundary` blocks."""
        state = self.stem(pixels)
        for number in range(boundary):
            state = self.block(number, state)
        return state

    def climb(self, state: State, boundary: int) -> State:
        """The blocks from `boundary` on."""
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
        """Normalised pixels (n, 3, s, s) -> features (n, d)."""
        return self.tail(self.climb(self.stem(pixels), 0))


def _forward_and_again(
    block: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """What surrounds a checkpointed block in the forward pass, and when it is computed again."""
    return nullcontext(), _spared_statistics(block)


@contextmanager
def _spared_statistics(block: nn.Module) -> Iterator[None]:
    """Running statistics keep their values: the forward pass has counted the batch already."""
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
