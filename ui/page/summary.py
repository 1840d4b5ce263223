"""A loaded bundle -> the facts about it that the page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unprompt.index.bundle.bundle import read_bundle
from unprompt.index.search.effort import Recall
from unprompt.index.store.manifest import PROMPT_KEYS
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.transforms import sample_rows
from unprompt.inversion.estimate.world import World
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.trust import name_world
from unprompt.ui.page.neighbor_pictures import SCENES

SAMPLED_ROWS = 1000  # evenly spaced; they show whether all pictures come from the scenes renderer


@dataclass(frozen=True)
class WorldSummary:
    """The facts about one world."""

    name: str  # in words; empty in a bundle of one world
    rows: int
    prompts: int
    recall: Recall | None
    has_pictures: bool  # False: its rows are prompts alone
    draws_scenes: bool  # all its pictures come from the scenes renderer


@dataclass(frozen=True)
class BundleSummary:
    """The name of a bundle and its worlds, those of other pictures than scenes first."""

    name: str
    worlds: tuple[WorldSummary, ...]

    @property
    def draws_scenes(self) -> bool:
        """Whether a world draws scenes."""
        return any(world.draws_scenes for world in self.worlds)

    @property
    def only_scenes(self) -> bool:
        """Whether the bundle knows no other pictures than scenes."""
        return all(world.draws_scenes for world in self.worlds)


def summarize(folder: Path, inverter: Inverter) -> BundleSummary:
    """The summary of the bundle in `folder`, which `inverter` has loaded."""
    worlds = tuple(_summarize_world(world) for world in real_first(inverter.worlds))
    return BundleSummary(read_bundle(folder, verify=False).name, worlds)


def real_first(worlds: Sequence[World]) -> list[World]:
    """Worlds in the order of the page: those that draw scenes come last."""
    return sorted(worlds, key=lambda world: draws_scenes(world.index))


def draws_scenes(index: PromptIndex) -> bool:
    """Whether all pictures of an index come from the scenes renderer, by a sample of its rows."""
    sample = index.read_rows(sample_rows(index.manifest.ntotal, SAMPLED_ROWS), "generator")
    return bool(sample["generator"].str.starts_with(SCENES).all())


def has_pictures(index: PromptIndex) -> bool:
    """Whether the rows of an index stand for pictures; those of a bank are prompts alone."""
    return index.manifest.keys != PROMPT_KEYS


def _summarize_world(world: World) -> WorldSummary:
    manifest = world.index.manifest
    return WorldSummary(
        name=name_world(world.name) if world.name else "",
        rows=manifest.ntotal,
        prompts=manifest.prompts,
        recall=manifest.recall,
        has_pictures=has_pictures(world.index),
        draws_scenes=draws_scenes(world.index),
    )
