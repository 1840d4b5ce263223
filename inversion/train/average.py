"""WiSE-FT (Wortsman et al. 2022): the weighted mean of two exports' weights, tensor by tensor."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from unprompt.index.base.durable import write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.safe.tensors import load_torch_tensors
from unprompt.index.base.settings import write_settings
from unprompt.index.towers.trained_tower import (
    DESCRIPTION,
    HEAD,
    TOWER,
    TrainingResult,
    check_start,
    join_corpora,
    read_result,
)
from unprompt.inversion.train.config import TowerConfig
from unprompt.inversion.train.loop.checkpoints import save_weights
from unprompt.inversion.train.towers.build import build_tower


def average_exports(first: Path, second: Path, share: float, output: Path) -> TrainingResult:
    """Write (1 - share) * first + share * second, of tower and head, as an export in `output`.

    The validation cosine of the average is unknown until you measure it. Raises ConfigError for
    exports of different models.
    """
    one, two = read_result(first), read_result(second)
    if (one.model, one.image_size) != (two.model, two.image_size):
        raise ConfigError(
            f"only exports of one model can be averaged, got {one.model} at {one.image_size} px "
            f"and {two.model} at {two.image_size} px"
        )
    for name in (TOWER, HEAD):
        mixed = mix(_read(first / name), _read(second / name), share)
        save_weights(output / name, mixed)
    corpora = join_corpora(one.trained_on, two.trained_on)
    return _describe(output, replace(two, trained_on=corpora))


def average_with_start(
    export: Path, share: float, output: Path, tower: str | None = None
) -> TrainingResult:
    """(1 - share) * the tower before training + share * the trained one, with the trained head.

    `tower` is the model before training, which the user names where no library registers it.
    Raises ConfigError where it is needed.
    """
    result = read_result(export)
    check_start(result, tower)
    start = build_tower(TowerConfig(result.model, result.pretrained, result.image_size))
    before = start.tower.trunk.state_dict()
    save_weights(output / TOWER, mix(before, _read(export / TOWER), share))
    save_weights(output / HEAD, _read(export / HEAD))
    return _describe(output, result)


def mix(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """The mean of two state dicts. Integers (counts) come from the second."""
    if not 0 <= share <= 1:
        raise ConfigError(f"the share of the second lies between 0 and 1, got {share}")
    if set(first) != set(second):
        odd = sorted(set(first) ^ set(second))
        raise ConfigError(f"the weights do not belong together: only one has {odd[0]}")
    mixed = {}
    for name, tensor in second.items():
        if first[name].shape != tensor.shape:
            raise ConfigError(
                f"{name} has shape {tuple(first[name].shape)} in the first and "
                f"{tuple(tensor.shape)} in the second"
            )
        whole = not tensor.is_floating_point()
        mixed[name] = tensor if whole else torch.lerp(first[name].to(tensor), tensor, share)
    return mixed


def _read(path: Path) -> dict[str, Tensor]:
    return load_torch_tensors(path, "Train it again with `unprompt train head`.")


def _describe(output: Path, result: TrainingResult) -> TrainingResult:
    unknown = replace(result, validation_cosine=None)
    write_json(output / DESCRIPTION, write_settings(unknown))
    return unknown
