"""`unprompt tune` of runs over several corpora -> one bundle, and a table of what was compared."""

from collections.abc import Sequence
from pathlib import Path

from unprompt.index.base.settings import write_settings
from unprompt.index.texts.json_text import json_text
from unprompt.inversion.estimate.router import RoutedClass, RouterSettings
from unprompt.inversion.fit.ensemble import write_tuned
from unprompt.inversion.fit.joining.pool import Groups, pool_pictures
from unprompt.inversion.fit.joining.ways import (
    Way,
    compare_ways,
    load_parts,
    tune_ensemble,
    tune_worlds,
)
from unprompt.inversion.fit.joining.write import write_worlds
from unprompt.inversion.fit.tune import FitConfig
from unprompt.ui.jobs.progress import choose_progress


def join_groups(groups: Groups, bundle: Path, config: FitConfig, as_json: bool) -> None:
    """Write worlds with a router, or one ensemble: what is better on pictures left out."""
    parts = load_parts(groups)
    pool = pool_pictures(groups, progress=choose_progress())
    ways = compare_ways(groups, parts, pool, config)
    worlds, ensemble = ways[:2]
    router = None
    if worlds.mean >= ensemble.mean:
        tuned = tune_worlds(groups, parts, pool, config)
        router = tuned.router.settings
        write_worlds(groups, tuned, bundle, bundle.name)
    else:
        runs = [run for group in groups for run in group]
        write_tuned(tune_ensemble(groups, parts, pool, config), runs, bundle, bundle.name)
    names = [group[0].name for group in groups]
    print(_as_json(bundle, names, ways, router) if as_json else _text(bundle, names, ways, router))


def _as_json(
    bundle: Path, names: Sequence[str], ways: Sequence[Way], router: RouterSettings | None
) -> str:
    report = {
        "bundle": str(bundle),
        "kept": (ways[1] if router is None else ways[0]).what,
        "held_out": [
            {"way": way.what, "mean": way.mean, **dict(zip(names, way.cosines, strict=True))}
            for way in ways
        ],
        "router": router and write_settings(router),
    }
    return json_text(report, indent=2)


def _text(
    bundle: Path, names: Sequence[str], ways: Sequence[Way], router: RouterSettings | None
) -> str:
    """The cosines of each way by corpus, and how the router does, as Markdown tables."""
    kept = (ways[1] if router is None else ways[0]).what
    lines = [f"| way, on pictures left out | {' | '.join(names)} | mean | kept |"]
    lines.append(f"| --- |{' ---: |' * (len(names) + 1)} --- |")
    for way in ways:
        cosines = " | ".join(f"{cosine:.4f}" for cosine in way.cosines)
        said = "yes" if way.what == kept else "no" if way in ways[:2] else ""
        lines.append(f"| {way.what} | {cosines} | {way.mean:.4f} | {said} |")
    if router is not None:
        lines += ["", *router_table(router.classes, "world")]
    return "\n".join([*lines, "", f"{bundle}: {kept}"])


def router_table(classes: Sequence[RoutedClass], title: str) -> list[str]:
    """The lines of a Markdown table of figures by class or group; `title` says of what."""
    lines = [
        f"| {title} | pictures | recognized | outside | cosine | promised | calibration error |"
    ]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for known in classes:
        cosine, promised, error = ("", "", "")
        if known.cosine is not None:
            cosine, error = f"{known.cosine:.4f}", f"{known.calibration_error or 0.0:.4f}"
            promised = f"{known.promised or 0.0:+.4f}"
        lines.append(
            f"| {known.name} | {known.pictures} | {known.routed:.1%} | {known.outside:.1%} "
            f"| {cosine} | {promised} | {error} |"
        )
    return lines
