"""A routing of labelled pictures -> cosines, the temperature that gains, and figures per class."""

from collections.abc import Sequence

import numpy as np

from unprompt.inversion.estimate.confidence import calibration_error, measure_reliability
from unprompt.inversion.estimate.router import RoutedClass, Routing, softmax
from unprompt.inversion.fit.logistic import balanced, make_folds
from unprompt.inversion.fit.views import Labels, RouterConfig, WorldView

BINS = 10


def with_temperature(routing: Routing, temperature: float | None) -> Routing:
    """The same choice with the shares of a mix of that temperature; None: of the best alone."""
    if temperature is None:
        return routing._replace(shares=np.eye(routing.expected.shape[1])[routing.world])
    return routing._replace(shares=softmax(routing.expected.astype(np.float64) / temperature))


def routed_cosines(views: Sequence[WorldView], labels: Labels, routing: Routing) -> np.ndarray:
    """Cosines (n,) of the answers to the truth; zero where no prompt is known."""
    answers = routing.mix([view.answers for view in views])
    return np.einsum("nd,nd->n", answers, labels.truth).astype(np.float64)


def choose_temperature(
    views: Sequence[WorldView], labels: Labels, routing: Routing, config: RouterConfig
) -> float | None:
    """The temperature of the mix, if it gains on groups that did not choose it; else None."""
    weights = np.where(labels.known, balanced(labels.world, labels.classes(len(views))), 0.0)
    alone = routed_cosines(views, labels, routing)
    gains = {
        temperature: routed_cosines(views, labels, with_temperature(routing, temperature)) - alone
        for temperature in config.temperatures
    }
    if not gains:
        return None

    def best(rows: np.ndarray) -> float:
        return max(gains, key=lambda one: float(weights[rows] @ gains[one][rows]))

    first = make_folds(labels.groups, labels.world, 2) == 0
    found = np.where(first, gains[best(~first)], gains[best(first)])
    mean = float(weights @ found / weights.sum())
    _, places = np.unique(labels.groups, return_inverse=True)
    apart = np.bincount(places, weights=weights * (found - mean))  # pictures of a group vary alike
    error = float(np.linalg.norm(apart) / weights.sum())
    kept = mean > max(error, config.smallest_gain)
    return best(np.ones(len(weights), bool)) if kept else None


def belonging_error(belonging: np.ndarray, labels: Labels) -> float:
    """Mean difference between the probability of a class and its share, over bins of pictures.

    `belonging` (n, c) holds the probabilities; all classes weigh the same.
    """
    classes = belonging.shape[1]
    weights = balanced(labels.world, classes)
    wrong = 0.0
    for one in range(classes):
        order = np.argsort(belonging[:, one], kind="stable")
        for part in np.array_split(order, BINS):
            hits = labels.world[part] == one
            wrong += abs(float(weights[part] @ (belonging[part, one] - hits)))
    return wrong / classes


def report_classes(
    views: Sequence[WorldView], labels: Labels, routing: Routing
) -> tuple[RoutedClass, ...]:
    """How the pictures of each class fared."""
    names = [*(view.name for view in views), *labels.kinds][: routing.belonging.shape[1]]
    return report_groups(views, labels, routing, np.array(names)[labels.world], names)


def report_groups(
    views: Sequence[WorldView],
    labels: Labels,
    routing: Routing,
    groups: np.ndarray,
    names: Sequence[str],
) -> tuple[RoutedClass, ...]:
    """How the pictures of each group fared; `groups` (n,) holds one of `names` a picture."""
    cosines = routed_cosines(views, labels, routing)
    right = np.argmax(routing.belonging, axis=1) == labels.world
    found = []
    for name in names:
        own = groups == name
        known = own & labels.known
        figures: tuple[float | None, ...] = (None, None, None)
        if known.any():
            error = calibration_error(measure_reliability(routing.best[known], cosines[known]))
            promised = float(routing.best[known].mean() - cosines[known].mean())
            figures = (float(cosines[known].mean()), error, promised)
        outside = float(routing.outside[own].mean())
        found.append(RoutedClass(name, int(own.sum()), float(right[own].mean()), outside, *figures))
    return tuple(found)
