"""Which blocks learn, and how fast: frozen at the bottom, LoRA in the middle, full at the top."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from unprompt.index.base.errors import UnpromptError
from unprompt.inversion.train.config import TuningConfig
from unprompt.inversion.train.model.adapters import add_adapters
from unprompt.inversion.train.towers.tower import Tower


@dataclass(frozen=True)
class Layout:
    """Blocks before `boundary` are frozen, those before `full_from` get LoRA, the rest learn."""

    boundary: int
    full_from: int
    blocks: int

    @property
    def trains_stem(self) -> bool:
        """Whether the stem learns: only if every block is trained in full."""
        return self.full_from == 0

    @property
    def trains_tail(self) -> bool:
        """Whether the tail learns: it learns with the topmost block."""
        return self.full_from < self.blocks


def apply_layout(tower: Tower, tuning: TuningConfig) -> Layout:
    """Freeze, adapt and unfreeze the blocks of a tower by the shares of `tuning`.

    1st place froze the bottom 40%, put LoRA on the next 40% and trained the top 20%.
    """
    count = len(tower.blocks)
    layout = Layout(
        boundary=round(tuning.frozen * count),
        full_from=round((tuning.frozen + tuning.lora) * count),
        blocks=count,
    )
    tower.requires_grad_(False)
    adapted = [
        name
        for number in range(layout.boundary, layout.full_from)
        for name in tower.lora_targets(number)
    ]
    for block in list(tower.blocks)[layout.full_from :]:
        block.requires_grad_(True)
    if layout.trains_tail:
        for module in tower.tail_modules:
            module.requires_grad_(True)
        for parameter in tower.tail_parameters:
            parameter.requires_grad_(True)
    if layout.trains_stem:
        for module in tower.stem_modules:
            module.requires_grad_(True)
        for parameter in tower.stem_parameters:
            parameter.requires_grad_(True)
    if adapted:
        learning = [p for p in tower.parameters() if p.requires_grad]
        add_adapters(tower.trunk, adapted, tuning)  # peft freezes everything but the adapters
        for parameter in learning:
            parameter.requires_grad_(True)
    return layout


def set_training_mode(tower: Tower, layout: Layout) -> None:
    """Set training mode for fully trained parts; the rest keeps its running statistics."""
    tower.eval()
    for block in list(tower.blocks)[layout.full_from :]:
        block.train()
    if layout.trains_tail:
        for module in tower.tail_modules:
            module.train()
    if layout.trains_stem:
        for module in tower.stem_modules:
            module.train()


def check_gradients(module: Any) -> None:
    """Check after a backward pass that every trained tensor has a gradient.

    Raises UnpromptError with the names of tensors without one, because they would never change.
    """
    learning = module.head if getattr(module, "head_only", False) else module
    silent = [
        name
        for name, parameter in learning.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    if silent:
        raise UnpromptError(
            f"{len(silent)} tensors are trained but get no gradient, {silent[0]} first; change "
            "`train.tuning` or the head so that they take part"
        )


def parameter_groups(
    tower: Tower, head: nn.Module, layout: Layout, layer_decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Parameter groups for AdamW. Each block learns `layer_decay` times as fast as the one above.

    Vectors (biases, norms) take no weight decay.
    """
    depth = {id(p): 0 for p in head.parameters()}
    for number, block in enumerate(tower.blocks):
        depth |= {id(p): layout.blocks - number for p in block.parameters()}
    below = [*tower.stem_parameters, *(p for m in tower.stem_modules for p in m.parameters())]
    depth |= {id(p): layout.blocks + 1 for p in below}
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for parameter in _learning([tower, head]):
        key = (depth.get(id(parameter), 0), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr_scale": layer_decay**below_head,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (below_head, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _learning(modules: Iterable[nn.Module]) -> Iterable[nn.Parameter]:
    for module in modules:
        yield from (p for p in module.parameters() if p.requires_grad)
