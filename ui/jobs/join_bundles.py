"""`unprompt join`: finished bundles and labelled pairs -> one bundle of several worlds."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.owner import owned
from unprompt.index.base.progress import Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.protocols import check_same_space
from unprompt.index.texts.json_text import json_text
from unprompt.inversion.estimate.member import Encoders
from unprompt.inversion.estimate.router import RoutedClass, RouterSettings
from unprompt.inversion.estimate.world import World, load_world
from unprompt.inversion.fit.joining.ask import AskedPictures, ask_about
from unprompt.inversion.fit.joining.labelled_pictures import gather_pictures
from unprompt.inversion.fit.joining.validation import Validation, read_validation
from unprompt.inversion.fit.router import FittedRouter, fit_and_route
from unprompt.inversion.fit.routing_scores import report_groups
from unprompt.inversion.fit.views import DEFAULT, Labels, RouterConfig
from unprompt.inversion.fit.worlds import check_joinable, join_worlds
from unprompt.ui.jobs.evaluation.pairs import encode_truth, load_truth_encoder
from unprompt.ui.jobs.join import router_table
from unprompt.ui.jobs.progress import choose_progress

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a world: that of its folder


class JoinRequest(NamedTuple):
    """What to join, and on what to calibrate it."""

    bundles: Mapping[str, Path]  # by world; the first lies at the root
    pairs: Mapping[str, Path]  # labelled pairs of each world
    kinds: Sequence[Path]  # labelled pairs that belong to no world
    limit: int | None  # pictures of a class


class Joined(NamedTuple):
    """What the fit saw and found."""

    router: RouterSettings
    groups: dict[str, tuple[RoutedClass, ...]]  # by label: held-out figures of every value
    unreadable: int  # pictures
    validated: dict[str, int]  # pictures of a world whose answers come from its validation


def run_join(
    request: JoinRequest,
    out: Path,
    cache: Path | None,
    as_json: bool,
    config: RouterConfig = DEFAULT,
) -> None:
    """Fit the router, write the bundle into `out`, and print the held-out figures.

    `cache` keeps the keys of the pictures; without it they lie beside `out` until it is finished.
    """
    keys = cache or out.with_name(f"{out.name}.keys")
    with owned(out, keys):
        joined = join_bundles(request, out, keys, choose_progress(), config)
        if cache is None:
            shutil.rmtree(keys, ignore_errors=True)
    print(_as_json(out, joined) if as_json else _as_text(out, joined))


def join_bundles(
    request: JoinRequest, out: Path, cache: Path, progress: Progress, config: RouterConfig = DEFAULT
) -> Joined:
    """Calibrate the worlds against each other and write them as one bundle into `out`.

    Raises ConfigError where a world has no pairs, a class has too few pictures, or `out` is full.
    """
    if list(request.pairs) != list(request.bundles):
        raise ConfigError(
            f"every world needs pairs: got the worlds {', '.join(request.bundles)} and pairs of "
            f"{', '.join(request.pairs) or 'none'}; add --pairs NAME=FOLDER for each --world"
        )
    check_joinable(request.bundles, out)
    encoders = Encoders()
    worlds = [load_world(folder, name, encoders) for name, folder in request.bundles.items()]
    space = _target_space(worlds)
    validations = _read_validations(request.bundles, worlds)
    known = {name: told.names for name, told in validations.items()}
    pictures = gather_pictures(request.pairs, request.kinds, request.limit, known)
    encoder = load_truth_encoder(space, next(iter(request.bundles.values())))
    truth = encode_truth(pictures.rows, encoder)
    asked = ask_about(worlds, pictures, validations, cache, progress)
    kept = asked.pictures
    labels = Labels(kept.world, truth[asked.readable], kept.group, kept.kinds)
    progress.note(f"fit the router on {len(kept.world)} pictures")
    fitted = fit_and_route(asked.views, labels, config)
    join_worlds(request.bundles, fitted.router, out)
    return Joined(
        fitted.router.settings,
        _by_label(asked, labels, fitted),
        int((~asked.readable).sum()),
        {
            world.name: int((kept.world == place).sum())
            for place, world in enumerate(worlds)
            if world.name is not None and world.name in validations
        },
    )


def read_named(values: Sequence[str], option: str) -> dict[str, Path]:
    """NAME=PATH texts -> paths by name. Raises ConfigError for another form, or a name twice."""
    found: dict[str, Path] = {}
    for value in values:
        name, separator, path = value.partition("=")
        if not separator or not path or not NAME.fullmatch(name):
            raise ConfigError(
                f"{option} needs NAME=FOLDER, such as {option} real=FOLDER; got {value}"
            )
        if name in found:
            raise ConfigError(f"{option} names {name} twice; give every world once")
        found[name] = Path(path)
    return found


def _target_space(worlds: Sequence[World]) -> str:
    spaces = [world.index.manifest.target_space for world in worlds]
    for world, space in zip(worlds, spaces, strict=True):
        what = f"the world {world.name}"
        check_same_space(spaces[0], space, what, "Build all worlds with the same prompt encoder.")
    return spaces[0]


def _read_validations(
    bundles: Mapping[str, Path], worlds: Sequence[World]
) -> dict[str, Validation]:
    found = {
        name: read_validation(folder, world.index.manifest.target_dim)
        for (name, folder), world in zip(bundles.items(), worlds, strict=True)
    }
    return {name: told for name, told in found.items() if told is not None}


def _by_label(
    asked: AskedPictures, labels: Labels, fitted: FittedRouter
) -> dict[str, tuple[RoutedClass, ...]]:
    """Held-out figures by source and by kind, where these say more than the classes."""
    classes = np.array([*(view.name for view in asked.views), *labels.kinds])
    own = classes[labels.world]
    found = {}
    for label in ("source", "kind"):
        values = asked.pictures.rows[label].to_list()
        groups = np.array([value or name for value, name in zip(values, own, strict=True)])
        names, counts = np.unique(groups, return_counts=True)
        if set(names) != set(own):
            largest = names[np.argsort(-counts, kind="stable")].tolist()
            found[label] = report_groups(asked.views, labels, fitted.held_out, groups, largest)
    return found


def _as_json(out: Path, joined: Joined) -> str:
    report: dict[str, Any] = {
        "bundle": str(out),
        "router": write_settings(joined.router),
        "groups": {name: [asdict(one) for one in own] for name, own in joined.groups.items()},
        "unreadable": joined.unreadable,
        "validated": joined.validated,
    }
    return json_text(report, indent=2)


def _as_text(out: Path, joined: Joined) -> str:
    """Tables of pictures left out: by class, then by source and by kind."""
    lines = router_table(joined.router.classes, "class, on pictures left out")
    for label, groups in joined.groups.items():
        lines += ["", *router_table(groups, label)]
    lines.append("")
    for name, count in joined.validated.items():
        lines.append(f"{name}: answers to {count} pictures by its validation.npz")
    if joined.unreadable:
        lines.append(f"{joined.unreadable} pictures cannot be read and are left out")
    router = joined.router
    way = "takes the best world" if router.temperature is None else "mixes the worlds' answers"
    lines.append(
        f"{out}: the router {way}; its probabilities are off by {router.belonging_error:.4f}"
    )
    return "\n".join(lines)
