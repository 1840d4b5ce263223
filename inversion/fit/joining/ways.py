"""Groups of runs over different corpora -> worlds with a router, or one ensemble of all members.

Both ways are fitted on one half of the pictures and measured on the other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unprompt.index.bundle.bundle import ENCODER
from unprompt.index.encoders.protocols import check_same_space
from unprompt.index.exported.export import read_identity
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import MAIN
from unprompt.inversion.estimate.head import RegressionHead
from unprompt.inversion.estimate.member import estimate_prompts, load_main
from unprompt.inversion.estimate.router import Router
from unprompt.inversion.fit.by_prompt import mean_by_group
from unprompt.inversion.fit.joining.pool import Groups, Pool
from unprompt.inversion.fit.logistic import make_folds
from unprompt.inversion.fit.router import apply_router, fit_router
from unprompt.inversion.fit.routing_scores import routed_cosines
from unprompt.inversion.fit.runs import FinishedRun
from unprompt.inversion.fit.tune import FitConfig, MemberKeys, TuningResult, tune_and_calibrate
from unprompt.inversion.fit.views import DEFAULT, Labels, RouterConfig, WorldView

Parts = dict[str, tuple[PromptIndex, RegressionHead]]  # by name of a run
WORLDS, ENSEMBLE = "worlds with a router", "one ensemble"


class Way(NamedTuple):
    """The mean cosine of the held-out half by one way, for the prompts of each group."""

    what: str
    cosines: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the groups, whatever their number of pictures."""
        return float(np.mean(self.cosines))


class TunedWorlds(NamedTuple):
    """One tuned world per group, and the router between them."""

    worlds: tuple[TuningResult, ...]
    router: Router


def load_parts(groups: Groups) -> Parts:
    """Index and head of every run; raises SpaceMismatchError for different target vectors."""
    runs = [run for group in groups for run in group]
    parts = {run.name: load_main(run.bundle) for run in runs}
    spaces = {name: index.manifest.target_space for name, (index, _) in parts.items()}
    for name, space in spaces.items():
        check_same_space(
            spaces[runs[0].name], space, f"{name}'s targets", "Build all with one prompt encoder."
        )
    return parts


def tune_worlds(
    groups: Groups,
    parts: Parts,
    pool: Pool,
    config: FitConfig,
    router: RouterConfig = DEFAULT,
) -> TunedWorlds:
    """Tune each group on its own pictures of the pool, and the router on all."""
    worlds = []
    for place, group in enumerate(groups):
        own = pool.take(pool.labels.world == place)
        worlds.append(_tune(group, parts, own, config))
    views = _views(groups, parts, pool, worlds)
    return TunedWorlds(tuple(worlds), fit_router(views, pool.labels, router))


def tune_ensemble(groups: Groups, parts: Parts, pool: Pool, config: FitConfig) -> TuningResult:
    """Tune all runs as the members of one ensemble, on all pictures of the pool."""
    return _tune([run for group in groups for run in group], parts, pool, config)


def compare_ways(
    groups: Groups,
    parts: Parts,
    pool: Pool,
    config: FitConfig,
    router: RouterConfig = DEFAULT,
) -> tuple[Way, Way, Way]:
    """Worlds, ensemble, and each group's own world as if somebody knew it, on the second half."""
    folds = make_folds(pool.labels.groups, pool.labels.world, 2)
    half, held = pool.take(folds == 0), pool.take(folds == 1)
    tuned = tune_worlds(groups, parts, half, config, router)
    views = _views(groups, parts, held, tuned.worlds)
    routing = apply_router(tuned.router, views)
    known = routing._replace(shares=np.eye(len(groups))[held.labels.world])
    runs = [run for group in groups for run in group]
    together = tune_ensemble(groups, parts, half, config)
    joined = estimate_prompts(
        [parts[run.name] for run in runs], [held.keys[run.name] for run in runs], together.blend
    )
    cosines = {
        WORLDS: routed_cosines(views, held.labels, routing),
        ENSEMBLE: np.einsum("nd,nd->n", joined.blend, held.labels.truth),
        "the own world of each": routed_cosines(views, held.labels, known),
    }
    first, second, third = (
        Way(what, mean_cosines(found, held.labels, len(groups))) for what, found in cosines.items()
    )
    return first, second, third


def mean_cosines(cosines: np.ndarray, labels: Labels, groups: int) -> tuple[float, ...]:
    """The mean of the cosines (n,) of each group's pictures, over prompts."""
    own = [labels.world == place for place in range(groups)]
    return tuple(float(mean_by_group(cosines[one], labels.groups[one]).mean()) for one in own)


def _tune(runs: Sequence[FinishedRun], parts: Parts, pool: Pool, config: FitConfig) -> TuningResult:
    members = []
    for number, run in enumerate(runs):
        (index, head), keys = parts[run.name], pool.keys[run.name]
        members.append(MemberKeys(run.name if number else MAIN, index, keys, head.predict(keys)))
    heads = [parts[run.name][1] for run in runs]
    return tune_and_calibrate(members, heads, pool.labels.truth, pool.labels.groups, config)


def _views(
    groups: Groups, parts: Parts, pool: Pool, tuned: Sequence[TuningResult]
) -> list[WorldView]:
    views = []
    for group, result in zip(groups, tuned, strict=True):
        own = [parts[run.name] for run in group]
        keys = [pool.keys[run.name] for run in group]
        found = estimate_prompts(own, keys, result.blend)
        views.append(
            WorldView(
                group[0].name,
                read_identity(group[0].bundle / ENCODER)[0],
                keys[0],
                found.signals,
                found.blend,
                result.confidence,
                own[0][0].mean_target,
            )
        )
    return views
