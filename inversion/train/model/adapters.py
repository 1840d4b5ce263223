"""Trained tensors by name: save and load them, add and merge LoRA adapters (with peft)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unprompt.index.base.errors import DamagedFileError, MissingDependencyError
from unprompt.inversion.train.config import INSTALL, TuningConfig
from unprompt.inversion.train.model.low_rank import adapt_attention, merge_attention


def add_adapters(trunk: nn.Module, names: Sequence[str], tuning: TuningConfig) -> None:
    """Add a LoRA adapter (Hu et al. 2021) to each named layer. B starts at zero."""
    attentions = [n for n in names if isinstance(trunk.get_submodule(n), nn.MultiheadAttention)]
    layers = [name for name in names if name not in attentions]
    if layers:
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise MissingDependencyError(f"LoRA needs peft: {INSTALL}") from error
        config = LoraConfig(
            r=tuning.rank, lora_alpha=tuning.alpha, lora_dropout=0.0, target_modules=layers
        )
        inject_adapter_in_model(config, trunk)
    for name in attentions:
        adapt_attention(trunk.get_submodule(name), tuning.rank, tuning.alpha)


def merge_adapters(trunk: nn.Module) -> None:
    """Merge every adapter into the weights of its layer and remove it."""
    for name, layer in _adapted(trunk).items():
        with torch.no_grad():
            layer.merge(safe_merge=True)
        trunk.set_submodule(name, layer.get_base_layer())
    merge_attention(trunk)


def _adapted(trunk: nn.Module) -> dict[str, Any]:
    try:
        from peft.tuners.tuners_utils import BaseTunerLayer
    except ImportError:  # without peft there is no adapter
        return {}
    found: dict[str, Any] = {}
    for name, layer in trunk.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(layer, BaseTunerLayer) and not inside:
            found[name] = layer
    return found


def trainable_state(module: nn.Module) -> dict[str, Tensor]:
    """The trained parameters, and the buffers (running statistics) of their layers."""
    state = {
        name: parameter.detach()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }
    for prefix, layer in module.named_modules():
        if any(p.requires_grad for p in layer.parameters(recurse=False)):
            for name, buffer in layer.named_buffers(recurse=False):
                state[f"{prefix}.{name}"] = buffer.detach()
    return state


def load_trainable_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Restore a `trainable_state`. Raises DamagedFileError unless all names and shapes match."""
    own = trainable_state(module)
    missing, unknown = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or unknown:
        raise DamagedFileError(
            f"the checkpoint was made with other settings: it lacks {missing[:3]} and has "
            f"{unknown[:3]} in addition; use --resume none to start again"
        )
    with torch.no_grad():
        for name, tensor in own.items():
            if tensor.shape != state[name].shape:
                raise DamagedFileError(
                    f"the checkpoint's {name} has shape {tuple(state[name].shape)}, wanted "
                    f"{tuple(tensor.shape)}; use --resume none to start again"
                )
            tensor.copy_(state[name])
