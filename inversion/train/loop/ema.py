"""The exponential moving average of the trained weights, by name. It is validated and exported."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from unprompt.inversion.train.model.adapters import load_trainable_state, trainable_state

UPDATES = "updates"


class Ema:
    """Averages with decay min(decay, (1 + n) / (10 + n)), so that early steps fade quickly."""

    def __init__(self, module: nn.Module, decay: float):
        self._decay = decay
        self._updates = 0
        self._average = {name: t.clone() for name, t in trainable_state(module).items()}

    def update(self, module: nn.Module) -> None:
        """Add the weights after a step."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        for name, tensor in trainable_state(module).items():
            own = self._average[name]
            if own.is_floating_point():
                own.lerp_(tensor.to(own.device), 1.0 - decay)
            else:  # counts of batches
                own.copy_(tensor)

    @contextmanager
    def swap(self, module: nn.Module) -> Iterator[None]:
        """Use the averaged weights in the module inside a `with` block."""
        kept = {name: t.clone() for name, t in trainable_state(module).items()}
        load_trainable_state(module, self._average)
        try:
            yield
        finally:
            load_trainable_state(module, kept)

    def state(self) -> dict[str, Tensor]:
        """The state for `load`."""
        return {**self._average, UPDATES: torch.tensor(self._updates)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Resume from a saved state."""
        self._updates = int(state[UPDATES])
        for name, own in self._average.items():
            own.copy_(state[name])
