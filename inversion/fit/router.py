"""What every world says of labelled pictures -> the router between the worlds.

The pictures of each world are foreign to all others. They show how likely a picture belongs to a
world, and what a world reaches with pictures that it does not know. All figures of the router are
of pictures that its parts were fitted without.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from unprompt.inversion.estimate.gate import standardize
from unprompt.inversion.estimate.router import (
    STORED,
    Regression,
    RoutedWorld,
    Router,
    RouterSettings,
    Routing,
)
from unprompt.inversion.fit.calibrate import fit_confidence
from unprompt.inversion.fit.logistic import (
    Examples,
    balanced,
    choose_penalty,
    each_fold,
    fit_logistic,
    make_folds,
)
from unprompt.inversion.fit.principal_axes import PrincipalAxes, find_axes
from unprompt.inversion.fit.routing_scores import (
    belonging_error,
    choose_temperature,
    report_classes,
    with_temperature,
)
from unprompt.inversion.fit.views import DEFAULT, Labels, RouterConfig, WorldView, check_views


class FittedRouter(NamedTuple):
    """A router, and how it does with pictures that its parts were fitted without."""

    router: Router
    held_out: Routing  # of the same n pictures


def fit_router(
    views: Sequence[WorldView], labels: Labels, config: RouterConfig = DEFAULT
) -> Router:
    """Fit the router between worlds on the same n pictures; see `fit_and_route`."""
    return fit_and_route(views, labels, config).router


def fit_and_route(
    views: Sequence[WorldView], labels: Labels, config: RouterConfig = DEFAULT
) -> FittedRouter:
    """Fit the router between worlds on the same n pictures; deterministic.

    All classes weigh the same, whatever their number of pictures. Raises ConfigError where a class
    has too few pictures or groups, or too few foreign ones have a known prompt.
    """
    check_views(views, labels)
    folds = make_folds(labels.groups, labels.world, config.folds)
    classes = labels.classes(len(views))
    plain = _without_weights(views, False)
    axes = find_axes(plain.features([v.keys for v in views], ()), config.components)
    tried = []
    for signals in (False, True) if config.signals else (False,):
        examples = _examples(_without_weights(views, signals), views, labels, classes, axes)
        tried.append((*choose_penalty(examples, folds, config.penalties), signals))
    penalty, _, signals = min(tried, key=lambda one: one[1])

    def fit(rows: np.ndarray) -> Router:
        own = [view.take(rows) for view in views]
        return _fit_once(own, labels.take(rows), classes, axes, penalty, signals)

    routing = _route_each_fold([fit(~held) for held in each_fold(folds)], views, folds)
    temperature = choose_temperature(views, labels, routing, config)
    routing = with_temperature(routing, temperature)
    whole = fit(np.ones(len(folds), bool))
    settings = replace(
        whole.settings,
        temperature=temperature,
        belonging_error=belonging_error(routing.belonging, labels),
        classes=report_classes(views, labels, routing),
    )
    return FittedRouter(Router(settings, whole.regression), routing)


def apply_router(router: Router, views: Sequence[WorldView]) -> Routing:
    """The routing of the pictures that the worlds were asked about."""
    return router.apply(
        [view.keys for view in views],
        [view.signals for view in views],
        [view.confidence for view in views],
    )


def _without_weights(views: Sequence[WorldView], signals: bool) -> Regression:
    """A regression that only standardizes the signals, where it reads them."""
    none = np.zeros(0, np.float32)
    if not signals:
        return Regression(none, none, none, none)
    scaled = standardize(np.concatenate([view.signals for view in views], axis=1))
    return Regression(none, none, scaled.mean.astype(np.float32), scaled.scale.astype(np.float32))


def _examples(
    regression: Regression,
    views: Sequence[WorldView],
    labels: Labels,
    classes: int,
    axes: PrincipalAxes,
) -> Examples:
    features = regression.features([v.keys for v in views], [v.signals for v in views])
    features = axes.shorten(features)
    return Examples(features, labels.world, balanced(labels.world, classes), classes)


def _fit_once(
    views: Sequence[WorldView],
    labels: Labels,
    classes: int,
    axes: PrincipalAxes,
    penalty: float,
    signals: bool,
) -> Router:
    regression = _without_weights(views, signals)
    examples = _examples(regression, views, labels, classes, axes)
    weights, bias = axes.lengthen(fit_logistic(examples, penalty))
    count = len(views)
    worlds = []
    for place, view in enumerate(views):
        foreign = labels.foreign(place, count)
        truth = labels.truth[foreign]
        cosines = np.einsum("nd,nd->n", view.answers[foreign], truth).astype(np.float64)
        confidence = fit_confidence(view.signals[foreign], cosines, labels.groups[foreign])
        kinds = tuple(_mean_cosine(view, labels, kind) for kind in range(count, classes))
        constants = _constants(view, labels, classes)
        dim = view.keys.shape[1]
        worlds.append(RoutedWorld(view.name, view.space, dim, confidence, constants, kinds))
    names = labels.kinds[: classes - count]
    settings = RouterSettings(tuple(worlds), names, signals, penalty=penalty)
    stored = weights.astype(STORED["weights"]).astype(np.float32)  # as it is read back
    return Router(settings, regression._replace(weights=stored, bias=bias.astype(np.float32)))


def _constants(view: WorldView, labels: Labels, classes: int) -> tuple[float, ...]:
    """Mean cosine of a world's mean target to the prompts of every class.

    A class without known prompts takes the mean of the others.
    """
    cosines = labels.truth @ view.mean
    known = [labels.known & (labels.world == one) for one in range(classes)]
    means = [float(cosines[rows].mean()) if rows.any() else None for rows in known]
    usual = float(np.mean([mean for mean in means if mean is not None]))
    return tuple(usual if mean is None else mean for mean in means)


def _mean_cosine(view: WorldView, labels: Labels, kind: int) -> float:
    """Mean cosine of a world's answers to the pictures of a kind; 0 where no prompt is known."""
    rows = labels.known & (labels.world == kind)
    cosines = np.einsum("nd,nd->n", view.answers[rows], labels.truth[rows])
    return float(cosines.mean()) if rows.any() else 0.0


def _route_each_fold(
    routers: Sequence[Router], views: Sequence[WorldView], folds: np.ndarray
) -> Routing:
    """The routing of every picture by the router that was fitted on the other folds."""
    masks = list(each_fold(folds))
    parts = [
        apply_router(router, [view.take(held) for view in views])
        for router, held in zip(routers, masks, strict=True)
    ]
    order = np.argsort(np.concatenate([np.flatnonzero(held) for held in masks]))
    return Routing(*(np.concatenate(column)[order] for column in zip(*parts, strict=True)))
