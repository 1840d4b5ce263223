"""Tuned worlds of groups of runs -> the bundle that holds them."""

import os
import shutil
from pathlib import Path

from unprompt.inversion.fit.ensemble import write_tuned
from unprompt.inversion.fit.joining.pool import Groups
from unprompt.inversion.fit.joining.ways import TunedWorlds
from unprompt.inversion.fit.worlds import join_worlds


def write_worlds(groups: Groups, tuned: TunedWorlds, bundle: Path, name: str) -> None:
    """Write a bundle of one world per group; the first group's lies at the root.

    A folder beside `bundle` holds the single worlds meanwhile.
    """
    parts = bundle.with_name(f"{bundle.name}.worlds.tmp")
    shutil.rmtree(parts, ignore_errors=True)
    try:
        for group, world in zip(groups, tuned.worlds, strict=True):
            own = group[0].name
            write_tuned(world, group, parts / own, own, _link)
        join_worlds(
            {group[0].name: parts / group[0].name for group in groups}, tuned.router, bundle, name
        )
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def _link(source: str, target: str) -> None:
    """A second name of a file, or a copy where the file system has none: it is only read."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
