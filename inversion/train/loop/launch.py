"""A module and its optimizer in one process or many, with accelerate."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unprompt.index.base.errors import MissingDependencyError
from unprompt.inversion.train.config import INSTALL


class Launch:
    """One process of a run started by `accelerate launch`, or the only process."""

    def __init__(self, precision: str = "no"):
        try:
            from accelerate import Accelerator, DistributedDataParallelKwargs
        except ImportError as error:
            raise MissingDependencyError(f"training needs accelerate: {INSTALL}") from error
        # while only the head learns, the tower's parameters have no gradient
        options = DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator = Accelerator(
            mixed_precision=precision,
            cpu=not torch.cuda.is_available(),
            kwargs_handlers=[options],
        )
        self._wrapped: nn.Module | None = None
        self._optimizer: Any = None

    @property
    def rank(self) -> int:
        """The number of this process."""
        return int(self._accelerator.process_index)

    @property
    def processes(self) -> int:
        """The number of processes."""
        return int(self._accelerator.num_processes)

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return bool(self._accelerator.is_main_process)

    @property
    def device(self) -> Any:
        """The device of this process."""
        return self._accelerator.device

    def wait(self) -> None:
        """Wait until all processes reach this point."""
        self._accelerator.wait_for_everyone()

    def prepare(self, module: nn.Module, groups: list[dict[str, Any]]) -> None:
        """Wrap a module and make an AdamW over its parameter groups."""
        self._accelerator.free_memory()
        optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999))
        self._wrapped, self._optimizer = self._accelerator.prepare(module, optimizer)

    def backward(self, arguments: Iterable[Any], accumulate: int, part: int) -> Tensor:
        """Run forward and backward for one of `accumulate` parts; returns the loss."""
        moved = _to(tuple(arguments), self.device)
        if part == accumulate - 1:
            return self._backward(moved, accumulate)
        with self._accelerator.no_sync(self._wrapped):
            return self._backward(moved, accumulate)

    def update(self, learning_rate: float, clip_norm: float | None) -> bool:
        """Run one optimizer step. Returns False, changing nothing, for infinite gradients."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate * group["lr_scale"]
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        limit = float("inf") if clip_norm is None else clip_norm
        norm = self._accelerator.clip_grad_norm_(parameters, limit)
        # fp16 gradients are sometimes infinite; the scaler skips those steps
        if norm is not None and not torch.isfinite(norm) and self._accelerator.scaler is None:
            return False
        self._optimizer.step()
        self._optimizer.zero_grad()
        return True

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a scalar over all processes."""
        return self._accelerator.reduce(value, reduction="mean")

    def optimizer_state(self) -> dict[str, Any]:
        """The state for `load_optimizer`."""
        scaler = self._accelerator.scaler
        return {
            "optimizer": self._optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        """Restore the moments and the fp16 scaler."""
        self._optimizer.load_state_dict(state["optimizer"])
        if self._accelerator.scaler is not None and state["scaler"]:
            self._accelerator.scaler.load_state_dict(state["scaler"])

    def _backward(self, arguments: tuple[Any, ...], accumulate: int) -> Tensor:
        if self._wrapped is None:
            raise ValueError("prepare a module first")
        loss = self._wrapped(*arguments)
        self._accelerator.backward(loss / accumulate)
        return loss.detach()


def _to(value: Any, device: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple | list):
        return tuple(_to(part, device) for part in value)
    return value
