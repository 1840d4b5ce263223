"""Leave one source out -> what the regression says of pictures of collections it never saw."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.estimate.kernel_head import KernelWeights
from unprompt.inversion.fit.pairs.config import PairsConfig
from unprompt.inversion.fit.pairs.kernel_regression import TrainingRows, find_basis, fit_kernel
from unprompt.inversion.fit.pairs.rows import PairRows

SMALLEST_TRAINING = 8  # pairs


class Fold(NamedTuple):
    """One source as the test set, and the rows that may train for it."""

    source: str
    train: np.ndarray  # positions
    test: np.ndarray  # positions


class HeldOut(NamedTuple):
    """Predictions for pictures whose source was left out."""

    rows: np.ndarray  # (h,) positions of the pictures
    predictions: Mapping[str, np.ndarray]  # by tower: (h, d_prompt) unit length


def leave_sources_out(
    rows: PairRows, smallest: int, near: float, photographs: bool = False
) -> Iterator[Fold]:
    """Leave each source with at least `smallest` pictures out.

    Pairs with a cosine of at least `near` to a left-out prompt do not train. Photographs train in
    every fold; with `photographs` a last fold leaves all of them out.
    """
    sources, taken = rows.sources, rows.photographs
    names, counts = np.unique(sources[~taken], return_counts=True)
    tested = [(name, (sources == name) & ~taken) for name in names[counts >= smallest].tolist()]
    if photographs and taken.any():
        tested.append(("photographs", taken))
    for name, own in tested:
        prompts = np.unique(rows.targets[own], axis=0)
        close = (rows.targets @ prompts.T).max(axis=1) >= near
        yield Fold(name, np.flatnonzero(~own & ~close), np.flatnonzero(own))


def fit_tower(
    rows: PairRows, tower: str, weights: np.ndarray, config: PairsConfig, extra: PairRows | None
) -> KernelWeights:
    """The regression on the features of one tower; `extra` rows weigh `weights.auxiliary` each.

    Extra rows share no source with the others, so every fold may train on them.
    """
    features, targets, shares = rows.features[tower], rows.targets, weights
    basis = find_basis(features, weights, config.kernel.components)
    if extra is not None and len(extra):
        features = np.concatenate([features, extra.features[tower]])
        targets = np.concatenate([targets, extra.targets])
        shares = np.concatenate([shares, np.full(len(extra), config.weights.auxiliary)])
    return fit_kernel(TrainingRows(features, targets, shares), basis, config.kernel, config.seed)


def predict_held_out(
    rows: PairRows,
    config: PairsConfig,
    extra: PairRows | None = None,
    progress: Progress = SILENT,
) -> HeldOut:
    """Fit every fold and predict its left-out pictures.

    Raises ConfigError where too few sources can be left out, or too few pairs remain to train on.
    """
    weights = rows.weigh(config.weights)
    folds = list(leave_sources_out(rows, config.smallest_source, config.near, True))
    check_folds(folds, config)
    found: dict[str, list[np.ndarray]] = {tower: [] for tower in config.towers}
    for fold in progress.track(folds, "leave one source out", len(folds)):
        train = rows.take(fold.train)
        allowed = None if extra is None else _apart(extra, rows.targets[fold.test], config.near)
        for tower in config.towers:
            fitted = fit_tower(train, tower, weights[fold.train], config, allowed)
            queries = rows.features[tower][fold.test]
            found[tower].append(to_unit_length(fitted.predict(queries)))
    places = np.concatenate([fold.test for fold in folds])
    return HeldOut(places, {tower: np.concatenate(parts) for tower, parts in found.items()})


def check_folds(folds: Sequence[Fold], config: PairsConfig) -> None:
    """Raise ConfigError where there is nothing to leave out, or nothing left to train on."""
    if not folds:
        raise ConfigError(
            f"no source has {config.smallest_source} pictures, so none can be left out to measure "
            "the fit; add a column `source` to the table of the pairs, or lower it: "
            "`--set smallest_source=10`"
        )
    for fold in folds:
        if len(fold.train) < SMALLEST_TRAINING:
            raise ConfigError(
                f"without {fold.source} and prompts within {config.near} of its own, "
                f"{len(fold.train)} pairs remain to train on, wanted {SMALLEST_TRAINING}; add "
                "pairs of other sources, or raise `--set near=0.95`"
            )


def _apart(extra: PairRows, targets: np.ndarray, near: float) -> PairRows:
    return extra.take((extra.targets @ targets.T).max(axis=1) < near)
