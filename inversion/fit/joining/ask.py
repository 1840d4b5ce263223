"""Loaded worlds and labelled pictures -> what every world says of every picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import BulkEncoder
from unprompt.inversion.estimate.world import World
from unprompt.inversion.fit.joining.labelled_pictures import LabelledPictures
from unprompt.inversion.fit.joining.picture_keys import encode_rows
from unprompt.inversion.fit.joining.validation import Validation
from unprompt.inversion.fit.views import WorldView, view_world


class AskedPictures(NamedTuple):
    """The views of all worlds, in their order, of the pictures that could be read."""

    views: list[WorldView]
    pictures: LabelledPictures
    readable: np.ndarray  # (n,) which of the pictures that were asked for


def ask_about(
    worlds: Sequence[World],
    pictures: LabelledPictures,
    validations: Mapping[str, Validation],
    cache: Path,
    progress: Progress = SILENT,
) -> AskedPictures:
    """Encode n pictures with all towers, and ask every world.

    `validations` holds, by the name of a world, its answers to pictures of its own that it was
    fitted without; they stand in place of the world's. A tower that several worlds use runs once.
    """
    keys: dict[int, np.ndarray] = {}
    names = [*(world.name for world in worlds), *pictures.kinds]
    for world in worlds:
        for member in world.members:
            if id(member.encoder) not in keys:
                encoder = cast(BulkEncoder, member.encoder)  # of a bundle
                # class by class, so that other pairs of one world leave the keys of all others
                keys[id(encoder)] = np.concatenate(
                    [
                        encode_rows(encoder, own, cache, progress, f"{name} by {world.name}")
                        for name, own in zip(names, pictures.by_class, strict=True)
                    ]
                )
    readable = np.all([np.isfinite(own).all(axis=1) for own in keys.values()], axis=0)
    kept = pictures.take(readable)
    own_names = kept.rows["name"].to_list()
    views = []
    for place, world in enumerate(worlds):
        view = view_world(world, [keys[id(one.encoder)][readable] for one in world.members])
        told = validations.get(view.name)
        own = kept.world == place
        views.append(view if told is None else told.replace_in(view, own_names, own))
    return AskedPictures(views, kept, readable)
