"""A bundle -> its worlds: members, blend, confidence and phrases; keys -> the answers of a world.

The first world lies at the root of the bundle, any other in `worlds/NAME`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.bundle.bundle import BLEND, CONFIDENCE, PHRASES, ROUTER, WORLDS
from unprompt.index.encoders.protocols import check_same_space
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import Blend, load_blend
from unprompt.inversion.estimate.confidence import Confidence, load_confidence
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.inversion.estimate.member import (
    Encoders,
    Estimates,
    Member,
    estimate_prompts,
    load_members,
)
from unprompt.inversion.estimate.router import REMEDY, Router, load_router


@dataclass(frozen=True)
class World:
    """One kind of picture: what answers for it, and how well the answer is calibrated."""

    name: str | None  # None: the bundle knows one world only
    members: tuple[Member, ...]  # `main` first
    blend: Blend
    confidence: Confidence | None = None
    phrases: Path | None = None  # folder of the phrases to compose prompts of

    @property
    def index(self) -> PromptIndex:
        """The index that candidates and neighbors come from."""
        return self.members[0].index

    def estimate(self, keys: Sequence[np.ndarray], blend: Blend | None = None) -> Estimates:
        """Keys (q, d_image) of every member, in order -> prompt vectors by every method."""
        parts = [(member.index, member.head) for member in self.members]
        return estimate_prompts(parts, keys, blend or self.blend)


class Asked(NamedTuple):
    """The answers of every world to q pictures, and the choice between them."""

    estimates: tuple[Estimates, ...]  # by world; `blend` is the answer where that world is chosen
    world: np.ndarray  # (q,) position of the world that answers
    expected: np.ndarray | None  # (q,) cosine to expect of the answer; None: not calibrated
    outside: np.ndarray  # (q,) bool, by the router


def ask_worlds(
    worlds: Sequence[World],
    router: Router | None,
    keys: Sequence[Sequence[np.ndarray]],
    blend: Blend | None = None,
) -> Asked:
    """Keys (q, d_image) of every member of every world -> all answers, and the router's choice.

    `blend` replaces that of the first world; the others follow its changes.
    """
    first = worlds[0].blend
    estimates = tuple(
        world.estimate(own, blend and (blend if not place else follow(world.blend, first, blend)))
        for place, (world, own) in enumerate(zip(worlds, keys, strict=True))
    )
    count = len(keys[0][0])
    confidences = [world.confidence for world in worlds]
    if router is None:
        expected = None if confidences[0] is None else confidences[0](estimates[0].signals)
        return Asked(estimates, np.zeros(count, np.int64), expected, np.zeros(count, bool))
    routing = router.apply(
        [own[0] for own in keys],
        [found.signals for found in estimates],
        [confidence for confidence in confidences if confidence is not None],
    )
    if router.settings.temperature is not None:
        mixed = routing.mix([found.blend for found in estimates])
        estimates = tuple(found._replace(blend=mixed) for found in estimates)
    return Asked(estimates, routing.world, routing.best, routing.outside)


def load_world(folder: Path, name: str | None, encoders: Encoders) -> World:
    """Load the world in `folder`. Raises DamagedFileError where a part of it is missing."""
    blend = load_blend(folder / BLEND)
    members = load_members(folder, blend, encoders)
    _check_alphas(blend, members[0].index.manifest.target_dim, folder / BLEND)
    confidence, phrases = folder / CONFIDENCE, folder / PHRASES
    return World(
        name,
        members,
        blend,
        load_confidence(confidence) if confidence.is_file() else None,
        phrases if phrases.is_dir() else None,
    )


def _check_alphas(blend: Blend, dim: int, path: Path) -> None:
    """Refuse a blend with one alpha per dimension for vectors of another length."""
    alphas = blend.alpha_per_dimension
    if alphas is not None and len(alphas) != dim:
        raise DamagedFileError(f"{path} has {len(alphas)} alphas, wanted {dim}. {REMEDY}")


def load_worlds(bundle: Path, encoders: Encoders) -> tuple[tuple[World, ...], Router | None]:
    """Load all worlds of a bundle, and the router between them; None for a bundle of one world.

    Raises DamagedFileError where the router does not name the worlds that are there, or a world is
    not calibrated, and SpaceMismatchError for worlds of other encoders than those of the router.
    """
    there = {path.name for path in (bundle / WORLDS).glob("*") if path.is_dir()}
    if not (bundle / ROUTER).is_file():
        if there:
            raise DamagedFileError(f"{bundle} has worlds but no {ROUTER}. {REMEDY}")
        return (load_world(bundle, None, encoders),), None
    router = load_router(bundle)
    names = [world.name for world in router.settings.worlds]
    if set(names[1:]) != there:
        raise DamagedFileError(
            f"{bundle / ROUTER} names the worlds {', '.join(names[1:]) or 'of the root alone'}, "
            f"found {', '.join(sorted(there)) or 'none'} in {bundle / WORLDS}. {REMEDY}"
        )
    worlds = tuple(load_world(world_folder(bundle, names, name), name, encoders) for name in names)
    check_worlds(worlds, router)
    return worlds, router


def world_folder(bundle: Path, names: Sequence[str], name: str) -> Path:
    """The folder of the world `name` among `names`, the first of which lies at the root."""
    return bundle if name == names[0] else bundle / WORLDS / name


def check_worlds(worlds: Sequence[World], router: Router) -> None:
    """Refuse worlds that the router cannot choose between; see `load_worlds`."""
    router.check_spaces([world.members[0].encoder.space for world in worlds])
    for world in worlds:
        check_same_space(
            worlds[0].index.manifest.target_space,
            world.index.manifest.target_space,
            f"the world {world.name}",
            "Build all worlds with the same prompt encoder.",
        )
        if world.confidence is None:
            raise DamagedFileError(f"the world {world.name} has no {CONFIDENCE}. {REMEDY}")


def follow(own: Blend, first: Blend, asked: Blend) -> Blend:
    """The blend of a world with the changes that a query asks of the first world's blend.

    These are other kNN settings of main, and one alpha for all queries.
    """
    changed = {
        field.name: getattr(asked.knn, field.name)
        for field in fields(KnnConfig)
        if getattr(asked.knn, field.name) != getattr(first.knn, field.name)
    }
    if changed:
        own = own.with_knn(replace(own.knn, **changed))
    kinds = [(blend.alpha, blend.gate, blend.alpha_per_dimension) for blend in (asked, first)]
    return own if kinds[0] == kinds[1] else own.with_alpha(asked.alpha)
