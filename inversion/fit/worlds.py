"""Finished bundles of one world each, and a router -> one bundle that holds all of them."""

from collections.abc import Mapping
from pathlib import Path

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.bundle import (
    BLEND,
    CARD,
    CONFIDENCE,
    ENCODER,
    HEAD,
    INDEX,
    MEMBERS,
    PHRASES,
    PROMPT_ENCODER,
    ROUTER,
    read_bundle,
    seal_bundle,
)
from unprompt.index.bundle.copies import copy_parts
from unprompt.index.sealed.seal import BundleManifest
from unprompt.inversion.estimate.router import Router
from unprompt.inversion.estimate.world import world_folder

PARTS = (ENCODER, INDEX, HEAD, BLEND, CONFIDENCE, PHRASES, MEMBERS)  # of a world


def join_worlds(
    bundles: Mapping[str, Path], router: Router, out: Path, name: str | None = None
) -> BundleManifest:
    """Write a bundle of several worlds into `out`; `bundles` holds the folder of each by its name.

    The order is that of the router; the first world lies at the root. The bundle takes the first
    prompt encoder that it finds, and the cards of all. What a bundle says of pictures outside its
    corpus stays behind, since the router says it. `name` is that of the new bundle, by default
    that of its folder.

    Raises ConfigError if the names are not those of the router, a bundle already has several
    worlds or no calibration, or `out` is not empty.
    """
    names = [world.name for world in router.settings.worlds]
    if list(bundles) != names:
        raise ConfigError(f"the router chooses between {names}, got bundles of {list(bundles)}")
    check_joinable(bundles, out)
    manifests = {world: read_bundle(folder) for world, folder in bundles.items()}
    for world, folder in bundles.items():
        copy_parts(folder, PARTS, world_folder(out, names, world))
    holder = next((one for one in bundles.values() if (one / PROMPT_ENCODER).exists()), None)
    if holder is not None:
        copy_parts(holder, (PROMPT_ENCODER,), out)
    _join_cards(bundles, out / CARD)
    router.save(out)
    first = manifests[names[0]]
    return seal_bundle(out, name or out.name, first.space, first.target_space)


def check_joinable(bundles: Mapping[str, Path], out: Path) -> None:
    """Raise ConfigError where a bundle has several worlds or no calibration, or `out` is full."""
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty; name another --output")
    for world, folder in bundles.items():
        read_bundle(folder)
        if (folder / ROUTER).exists():
            raise ConfigError(f"{folder} has several worlds; join the bundles that it was made of")
        if not (folder / CONFIDENCE).is_file():
            raise ConfigError(
                f"{folder} has no {CONFIDENCE}, so nothing says when to trust the world {world}; "
                "run `unprompt tune` on its run"
            )


def _join_cards(bundles: Mapping[str, Path], path: Path) -> None:
    """Write the cards of all worlds, each under the name of its world."""
    parts = []
    for world, folder in bundles.items():
        if (folder / CARD).is_file():
            _, _, body = (folder / CARD).read_text(encoding="utf-8").partition("\n")
            parts.append(f"# {world}\n{body}")
    if parts:
        with write_atomically(path) as temporary:
            temporary.write_text("\n".join(parts), encoding="utf-8")
