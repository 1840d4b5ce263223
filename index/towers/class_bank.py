"""The 1,000 ImageNet classes of an offline tower: "a photo of a ..." and classifier rows (1000, d).

A row of the classifier is the direction of the tower's features for its class. So the rows serve as
keys of a prompt index, and a search in it is a classification.
"""

import importlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.towers.offline_towers import OFFLINE_TOWERS, read_weights

if TYPE_CHECKING:
    import polars as pl

GENERATOR = "imagenet-1k"
PHOTO = "a photo of {article} {name}"
CLASSES = 1000


class ClassBank(NamedTuple):
    """One prompt and one key per class."""

    prompts: list[str]
    keys: np.ndarray  # (1000, d_features) float32 unit length


def read_class_bank(tower: str) -> ClassBank:
    """Read the classes of an offline tower. Raises ConfigError for a tower without a classifier."""
    if tower not in OFFLINE_TOWERS:
        raise ConfigError(
            f"fallback.model must be one of {', '.join(OFFLINE_TOWERS)}, got {tower!r}: it needs "
            "the tower's own ImageNet classifier"
        )
    weight = list(read_weights(tower).values())[-2]
    if weight.shape[0] != CLASSES:
        raise ConfigError(f"{tower}'s classifier has {weight.shape[0]} classes, expected {CLASSES}")
    info = importlib.import_module("timm.data").ImageNetInfo()
    names = [info.index_to_description(place).split(",")[0] for place in range(CLASSES)]
    return ClassBank([describe_photo(name) for name in names], to_unit_length(weight.numpy()))


def class_rows(prompts: list[str]) -> "pl.DataFrame":
    """The prompts of the classes as ROWS of an index, in order."""
    import polars as pl

    from unprompt.index.base.durable import stable_id
    from unprompt.index.base.tables import ROWS

    count = len(prompts)
    columns = {
        "row": range(count),
        "row_id": range(count),
        "image_id": range(count),
        "prompt_id": [stable_id(prompt) for prompt in prompts],
        "prompt": prompts,
        "key": [str(place) for place in range(count)],
        "seed": [0] * count,
        "generator": [GENERATOR] * count,
    }
    return pl.DataFrame(columns, schema=ROWS)


def describe_photo(name: str) -> str:
    """ "a photo of a tench", "a photo of an ostrich"."""
    article = "an" if name[:1].lower() in "aeiou" else "a"
    return PHOTO.format(article=article, name=name)
