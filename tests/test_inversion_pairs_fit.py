"""A fit on labelled pairs: weights of rows, folds by source, the regression, held-out answers."""

import numpy as np
import polars as pl
import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.pairs.pair_tables import labelled_frame
from unprompt.inversion.fit.pairs.config import KernelConfig, PairsConfig, RowWeights
from unprompt.inversion.fit.pairs.held_out import leave_sources_out, predict_held_out
from unprompt.inversion.fit.pairs.kernel_regression import TrainingRows, find_basis, fit_kernel
from unprompt.inversion.fit.pairs.rows import PairRows, join_rows
from unprompt.inversion.fit.pairs.tuning import spread


def table(sources: list[str], prompts: list[str], kind: str = "generated") -> pl.DataFrame:
    return labelled_frame(
        {
            "name": [f"{source}/{place}" for place, source in enumerate(sources)],
            "prompts": [[prompt] for prompt in prompts],
            "source": sources,
            "kind": [kind] * len(sources),
        }
    )


def rows_of(sources: list[str], prompts: list[str], kind: str = "generated") -> PairRows:
    """Rows whose target depends on the prompt, and whose features are the target and noise."""
    generator = np.random.default_rng(0)
    codes = {prompt: generator.standard_normal(8) for prompt in sorted(set(prompts))}
    targets = to_unit_length(np.stack([codes[prompt] for prompt in prompts])).astype(np.float32)
    noise = 0.05 * np.random.default_rng(1).standard_normal((len(prompts), 4))
    features = to_unit_length(np.concatenate([targets, noise], axis=1)).astype(np.float32)
    return PairRows(table(sources, prompts, kind), targets, {"tower": features})


def test_weights_follow_prompt_counts_source_factors_and_balance() -> None:
    rows = rows_of(["big/a"] * 4 + ["small"], ["one", "one", "one", "one", "two"])
    plain = rows.weigh(RowWeights(balance=0.0))
    np.testing.assert_allclose(plain, [0.5, 0.5, 0.5, 0.5, 1.0])  # 1 / sqrt(4), 1
    halved = rows.weigh(RowWeights(balance=0.0, sources={"big/": 0.5}))
    np.testing.assert_allclose(halved[0] / halved[4], 0.25)
    even = rows.weigh(RowWeights(balance=1.0))
    np.testing.assert_allclose(even[:4].sum(), even[4])
    np.testing.assert_allclose(even.sum(), plain.sum())


def test_weights_of_an_unknown_source_count_as_one_source() -> None:
    rows = rows_of(["a", "a"], ["one", "two"])
    nameless = PairRows(
        rows.table.with_columns(pl.lit(None, pl.String).alias("source")),
        rows.targets,
        rows.features,
    )
    np.testing.assert_allclose(nameless.weigh(RowWeights()), rows.weigh(RowWeights()))


def test_a_fold_leaves_its_source_and_near_prompts_out() -> None:
    rows = rows_of(["a", "a", "b", "b", "tiny"], ["x", "y", "x", "z", "w"])
    folds = {fold.source: fold for fold in leave_sources_out(rows, smallest=2, near=0.95)}
    assert list(folds) == ["a", "b"]  # `tiny` always trains
    assert folds["a"].test.tolist() == [0, 1]
    assert folds["a"].train.tolist() == [3, 4]  # row 2 has the prompt x of source a


def test_photographs_train_in_every_fold_and_may_have_one_of_their_own() -> None:
    whole = rows_of(["a", "a", "p", "p"], ["x", "y", "dog", "cat"])
    photographs = whole.take(np.array([2, 3]))
    as_photos = table(["p", "p"], ["dog", "cat"], "photos")
    photographs = PairRows(as_photos, photographs.targets, photographs.features)
    rows = join_rows([whole.take(np.array([0, 1])), photographs])
    assert [f.train.tolist() for f in leave_sources_out(rows, 2, 0.999)] == [[2, 3]]
    last = list(leave_sources_out(rows, 2, 0.999, photographs=True))[-1]
    assert (last.source, last.test.tolist()) == ("photographs", [2, 3])


def test_the_regression_finds_a_curved_function_and_the_same_one_each_time() -> None:
    generator = np.random.default_rng(3)
    features = generator.standard_normal((600, 6))
    angle = 2.0 * features[:, 0]  # all other features are noise
    targets = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    weights = np.ones(600)
    config = KernelConfig(components=6, landmarks=300, gamma=8.0, penalty=0.1, gradients=200)
    basis = find_basis(features[:500], weights[:500], 6)
    train = TrainingRows(features[:500], targets[:500], weights[:500])

    def cosine(rounds: int) -> float:
        changed = KernelConfig(**{**config.__dict__, "rounds": rounds})
        found = to_unit_length(fit_kernel(train, basis, changed).predict(features[500:]))
        return float((found * targets[500:]).sum(axis=1).mean())

    assert cosine(1) > max(0.8, cosine(0))  # the learned metric leaves the noise out
    again = fit_kernel(train, basis, config)
    for one, other in zip(fit_kernel(train, basis, config), again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_of_no_weight_teach_nothing() -> None:
    generator = np.random.default_rng(5)
    features = generator.standard_normal((80, 3))
    targets = np.tile([1.0, 0.0], (80, 1)).astype(np.float32)
    targets[40:] = [0.0, 1.0]
    weights = np.r_[np.ones(40), np.full(40, 1e-9)]
    basis = find_basis(features, weights, 3)
    config = KernelConfig(components=3, landmarks=40, gamma=1.0, penalty=1e-3, rounds=0)
    fitted = fit_kernel(TrainingRows(features, targets, weights), basis, config)
    np.testing.assert_allclose(fitted.predict(features[40:])[:, 0], 1.0, atol=0.01)


def test_held_out_predictions_come_from_the_other_sources() -> None:
    # source b contradicts source a: its features are those of a, its targets are opposite
    rows = rows_of(["a"] * 30 + ["b"] * 30, [f"p{place}" for place in range(30)] * 2)
    targets = rows.targets.copy()
    targets[30:] *= -1.0
    features = {"tower": np.concatenate([rows.features["tower"][:30]] * 2)}
    config = PairsConfig(
        towers=("tower",),
        classes=None,
        kernel=KernelConfig(components=8, landmarks=30, gamma=1.0, penalty=0.01, rounds=0),
        smallest_source=10,
    )
    rows = PairRows(rows.table, targets, features)
    held = predict_held_out(rows, config)
    assert held.rows.tolist() == list(range(60))
    cosines = (held.predictions["tower"] * targets).sum(axis=1)
    assert cosines.mean() < -0.3  # each source is answered by the other one


def test_spread_takes_a_few_of_every_source_whatever_their_order() -> None:
    rows = rows_of(["a"] * 10 + ["b"] * 2, [f"p{place}" for place in range(12)])
    chosen = spread(rows, 3)
    assert [rows.sources[place] for place in chosen] == ["a"] * 3 + ["b"] * 2
    turned = rows.take(np.arange(12)[::-1])
    names = {turned.table["name"][int(place)] for place in spread(turned, 3)}
    assert names == {rows.table["name"][int(place)] for place in chosen}


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="classes must be one of the towers"):
        PairsConfig(towers=("efficientnet-lite2",), classes="efficientnet-lite0")
    with pytest.raises(ConfigError, match="positive factors"):
        RowWeights(sources={"a": 0.0})
