"""A loaded bundle -> the facts about it that the page shows."""

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
    worlds = sorted(map(_summarize_world, inverter.worlds), key=lambda world: world.draws_scenes)
    return BundleSummary(read_bundle(folder).name, tuple(worlds))


def has_pictures(index: PromptIndex) -> bool:
    """Whether the rows of an index stand for pictures; those of a bank are prompts alone."""
    return index.manifest.keys != PROMPT_KEYS


def _summarize_world(world: World) -> WorldSummary:
    manifest = world.index.manifest
    sample = world.index.read_rows(sample_rows(manifest.ntotal, SAMPLED_ROWS), "generator")
    return WorldSummary(
        name=name_world(world.name) if world.name else "",
        rows=manifest.ntotal,
        prompts=manifest.prompts,
        recall=manifest.recall,
        has_pictures=has_pictures(world.index),
        draws_scenes=bool(sample["generator"].str.starts_with(SCENES).all()),
    )
