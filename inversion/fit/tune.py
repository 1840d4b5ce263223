"""Validation keys and truth -> the blend with the best neighbors, alpha, prior and gate.

A grid decides k, weighting and alpha. Prior, gate and an alpha per dimension have more parameters:
they are fitted on one half of the prompts and used only if they gain on the other. Every prompt
counts the same, whatever its number of pictures. The result is deterministic.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass as settings_dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import (
    MAIN,
    Blend,
    MemberShare,
    Trial,
    combine,
    mean_cosine,
    mix,
)
from unprompt.inversion.estimate.confidence import Confidence
from unprompt.inversion.estimate.find_prompts import find_prompts
from unprompt.inversion.estimate.gate import measure_signals
from unprompt.inversion.estimate.head import HeadConfig, RegressionHead
from unprompt.inversion.estimate.knn import KnnConfig, KnnEstimate, estimate_from_neighbors
from unprompt.inversion.estimate.member import estimate_prompts, search_keys
from unprompt.inversion.fit.by_prompt import equal_weights, mean_by_group
from unprompt.inversion.fit.calibrate import fit_confidence
from unprompt.inversion.fit.search import (
    ValidationSet,
    alpha_per_dimension,
    choose_alpha,
    fit_gate,
    fit_prior,
    member_weights,
    two_folds,
)

UNTUNED = KnnConfig()  # the baseline in the list of trials, at alpha 0.5


@settings_dataclass(frozen=True, config=STRICT)
class FitConfig:
    """The settings to try on the validation split; the best by mean cosine are used."""

    head: HeadConfig = Field(default_factory=HeadConfig)
    neighbors: tuple[int, ...] = (10, 20, 50, 100, 200)
    temperatures: tuple[float, ...] = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15)
    powers: tuple[float, ...] = (6.0,)  # of the inverse-power weighting; empty: not tried
    penalties: tuple[float, ...] = (0.3, 1.0, 3.0)  # of the local ridge; empty: not tried
    gate: bool = True  # try an alpha that depends on the query
    per_dimension: bool = False  # try an alpha for every dimension
    phrases: int = 2000  # of the corpus, for composing prompts; 0: none
    carry_encoder: bool = False  # put the prompt encoder into the bundle: 23 MB, no torch needed
    smallest_gain: float = 1e-4  # that prior, gate and alphas must reach on unseen pictures

    def __post_init__(self) -> None:
        if not self.neighbors or not (self.temperatures or self.powers or self.penalties):
            raise ConfigError("fit needs at least one of neighbors and one weighting to try")
        for _ in _knn_candidates(self):  # each is checked: not only once the keys are there
            pass


@dataclass(frozen=True)
class MemberKeys:
    """The keys and head estimates of one member for the validation pictures."""

    name: str
    index: PromptIndex
    keys: np.ndarray  # (n, d_image)
    regressed: np.ndarray | None  # (n, d_prompt) unit length, of its head; None: it has no head

    @property
    def searched(self) -> np.ndarray:
        """What its index is searched with: the keys, or the head's estimates in a bank."""
        return search_keys(self.index, self.keys, self.regressed)


@dataclass(frozen=True)
class _Choice:
    """The best kNN settings of one member, with its head and without."""

    together: KnnConfig
    alone: KnnConfig
    alpha: float
    estimate: KnnEstimate  # of `together`
    trials: tuple[Trial, ...]


class TuningResult(NamedTuple):
    """A tuned blend with its calibration."""

    blend: Blend
    confidence: Confidence


def tune_and_calibrate(
    members: Sequence[MemberKeys],
    heads: Sequence[RegressionHead | None],
    truth: np.ndarray,
    groups: np.ndarray,
    config: FitConfig,
) -> TuningResult:
    """Tune the blend on `truth` (n, d_prompt), and fit the cosine that its answers can expect.

    Pictures of one prompt have the same number in `groups` (n,).
    """
    blend = tune_blend(members, truth, groups, config)
    parts = [(member.index, head) for member, head in zip(members, heads, strict=True)]
    estimates = estimate_prompts(parts, [member.keys for member in members], blend)
    cosines = np.einsum("nd,nd->n", estimates.blend, truth).astype(np.float64)
    return TuningResult(blend, fit_confidence(estimates.signals, cosines, groups))


def tune_blend(
    members: Sequence[MemberKeys], truth: np.ndarray, groups: np.ndarray, config: FitConfig
) -> Blend:
    """The settings with the best mean cosine to `truth` (n, d_prompt), and all trials.

    The mean is over prompts: pictures of one prompt have the same number in `groups` (n,).

    kNN settings are chosen together with the head and also alone: beside a strong head fewer
    neighbors are best, because the head already knows what all of them share.
    """
    weights = equal_weights(groups)
    choices = [_choose_neighbors(member, truth, weights, config) for member in members]
    main = choices[0]
    shares, trials = _share_members(members, choices, truth, weights)
    knn = combine([c.estimate.vectors for c in choices], [s.knn_weight for s in shares])
    with_head = [place for place, member in enumerate(members) if member.regressed is not None]
    head = combine(_heads(members), [shares[place].head_weight for place in with_head])
    alpha, cosine = choose_alpha(knn, head, truth, weights)
    blend = Blend(
        alpha,
        main.together,
        cosine,
        len(truth),
        knn_alone=main.alone,
        members=shares if len(members) > 1 else (),
    )
    signals = measure_signals(main.estimate, head)
    mean = np.asarray(members[0].index.mean_target, dtype=np.float32)
    validation = ValidationSet(knn, head, truth, signals, mean, groups)
    blend, more = _refine(blend, validation, config)
    return replace(blend, tried=(*main.trials, *trials, *more))


def _heads(members: Sequence[MemberKeys]) -> list[np.ndarray]:
    """The head estimates of the members that have a head; the first must be among them."""
    if members[0].regressed is None:
        raise ConfigError(f"the first member needs a head, {members[0].name} has none")
    return [member.regressed for member in members if member.regressed is not None]


def _choose_neighbors(
    member: MemberKeys, truth: np.ndarray, weights: np.ndarray, config: FitConfig
) -> _Choice:
    neighbors = find_prompts(member.index, member.searched, max((*config.neighbors, UNTUNED.k)))
    ridge = bool(config.penalties)
    own = member.index.keys_of(neighbors.rows) if ridge else None

    def estimated(candidate: KnnConfig) -> KnnEstimate:
        return estimate_from_neighbors(neighbors, member.index.targets, candidate, own)

    def together_with_head(vectors: np.ndarray) -> tuple[float, float]:
        if member.regressed is None:
            return 1.0, mean_cosine(vectors, truth, weights)
        return choose_alpha(vectors, member.regressed, truth, weights)

    found = {}
    for candidate in _knn_candidates(config):
        vectors = estimated(candidate).vectors
        own_cosine = mean_cosine(vectors, truth, weights)
        found[candidate] = (own_cosine, *together_with_head(vectors))
    if not found:
        raise ConfigError("fit has no kNN setting to try")
    together = max(found, key=lambda candidate: found[candidate][2])
    alone = max(found, key=lambda candidate: found[candidate][0])
    first = estimated(UNTUNED).vectors
    first = first if member.regressed is None else mix(first, member.regressed, 0.5)
    untuned = mean_cosine(first, truth, weights)
    trials = [Trial("untuned: k 50, softmax 0.07, alpha 0.5", untuned, 0.0, False)]
    for weighting in dict.fromkeys(candidate.weighting for candidate in found):
        best = max(
            (c for c in found if c.weighting == weighting),
            key=lambda candidate: found[candidate][2],
        )
        cosine = found[best][2]
        trials.append(
            Trial(_describe(best, found[best][1]), cosine, cosine - untuned, best == together)
        )
    return _Choice(together, alone, found[together][1], estimated(together), tuple(trials))


def _share_members(
    members: Sequence[MemberKeys],
    choices: Sequence[_Choice],
    truth: np.ndarray,
    pictures: np.ndarray,
) -> tuple[tuple[MemberShare, ...], list[Trial]]:
    """The weights of all members' estimates, searched together; `pictures` (n,) weighs pictures."""
    if len(members) == 1:
        return (MemberShare(MAIN, choices[0].together, 1.0, 1.0),), []
    estimates, heads = [choice.estimate.vectors for choice in choices], _heads(members)
    first = mix(estimates[0], heads[0], choices[0].alpha)
    weights, cosine = member_weights([*estimates, *heads], truth, pictures)
    knn, own = (
        part / part.sum() if part.sum() > 0 else np.ones(len(part))
        for part in (weights[: len(members)], weights[len(members) :])
    )
    head = np.zeros(len(members))
    head[[member.regressed is not None for member in members]] = own
    shares = tuple(
        MemberShare(member.name, choice.together, float(a), float(b))
        for member, choice, a, b in zip(members, choices, knn, head, strict=True)
    )
    names = ", ".join(member.name for member in members)
    gain = cosine - mean_cosine(first, truth, pictures)
    return shares, [Trial(f"members {names} together", cosine, gain, True)]


def _refine(
    blend: Blend, validation: ValidationSet, config: FitConfig
) -> tuple[Blend, list[Trial]]:
    """Add prior, gate and alpha per dimension where they gain on prompts unseen by their fit."""
    trials: list[Trial] = []
    options: list[tuple[str, Callable[[ValidationSet, Blend], Blend]]] = [
        ("prior: shrink towards the corpus' mean", fit_prior)
    ]
    if config.gate:
        options.append(("gate: alpha by query", fit_gate))
    if config.per_dimension:
        options.append(("alpha per dimension (Adam)", alpha_per_dimension))
    for what, fit in options:
        gain, error = _held_out_gain(validation, blend, fit)
        changed = fit(validation, blend)
        kept = gain > max(error, config.smallest_gain)
        trials.append(Trial(what, validation.score(changed), gain, kept))
        if kept:
            blend = changed
    return replace(blend, validation_cosine=validation.score(blend)), trials


def _held_out_gain(
    validation: ValidationSet, blend: Blend, fit: Callable[[ValidationSet, Blend], Blend]
) -> tuple[float, float]:
    """Mean gain over prompts that `fit` has not seen, and its standard error.

    With fewer than two prompts nothing can be measured: the gain is 0.
    """
    if len(np.unique(validation.groups)) < 2:
        return 0.0, 0.0
    gains = []
    for one, other in two_folds(validation):
        gained = other.cosines(fit(one, blend)) - other.cosines(blend)
        gains.append(mean_by_group(gained, other.groups))
    joined = np.concatenate(gains)
    return float(joined.mean()), float(joined.std() / len(joined) ** 0.5)


def _describe(config: KnnConfig, alpha: float) -> str:
    setting = {
        "softmax": f"{config.temperature:g}",
        "inverse_power": f"1/(d^{config.power:g} + 1e-4)",
        "local_ridge": f"penalty {config.penalty:g}",
    }[config.weighting]
    return f"k {config.k}, {config.weighting.replace('_', ' ')} {setting}, alpha {alpha:.2f}"


def _knn_candidates(config: FitConfig) -> Iterator[KnnConfig]:
    for k in config.neighbors:
        for temperature in config.temperatures:
            yield KnnConfig(k=k, temperature=temperature)
        for power in config.powers:
            yield KnnConfig(k=k, weighting="inverse_power", power=power)
        for penalty in config.penalties:
            yield KnnConfig(k=k, weighting="local_ridge", penalty=penalty)
