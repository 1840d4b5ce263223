"""The split without leaks: fixed cases, random cases against numpy, and its independent check."""

import json
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.corpus.leaks import LOWEST_COSINE, check_leaks
from unprompt.build.corpus.split import MOVES, SplitConfig, split_prompts
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError, CorpusError

SPLIT_NAMES = ("train", "validation", "test", "excluded")


def prompts_table(n: int) -> pl.DataFrame:
    raw = {"prompt": [f"prompt {row}" for row in range(n)], "source": ["a.txt"] * n}
    return make_prompts_table(pl.DataFrame(raw, schema={"prompt": pl.String, "source": pl.String}))


def drawn_order(table: pl.DataFrame, seed: int) -> list[int]:
    ids = table["prompt_id"].to_list()
    return sorted(range(len(ids)), key=lambda row: stable_id(seed, ids[row]))


def clustered(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 2 + 1, 8))
    vectors = centres[rng.integers(len(centres), size=n)] + rng.normal(size=(n, 8)) * 0.3
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_leaks_by_hand() -> None:
    table = prompts_table(7)
    test, drawn, top_up, near_test, near_validation, far, farther = drawn_order(table, 0)
    vectors = np.zeros((7, 5), np.float32)
    vectors[test] = [1, 0, 0, 0, 0]
    vectors[drawn] = [0.8, 0.6, 0, 0, 0]
    vectors[top_up] = [0, 0, 1, 0, 0]
    vectors[near_test] = [0.96, 0.28, 0, 0, 0]
    vectors[near_validation] = [0, 0, 0.8, 0.6, 0]
    vectors[far] = [0, 0, 0, 1, 0]
    vectors[farther] = [0.28, 0, 0, 0, 0.96]
    split = split_prompts(table, vectors, SplitConfig(validation=1, test=1, leak_threshold=0.8))

    names = split.table["split"].to_list()
    assert [names[row] for row in (test, top_up, far, farther)] == [
        "test",
        "validation",
        "train",
        "train",
    ]
    assert [names[row] for row in (drawn, near_test, near_validation)] == ["excluded"] * 3
    ids = table["prompt_id"].to_list()
    moves = {row["prompt_id"]: row for row in split.moves.iter_rows(named=True)}
    assert split.moves.schema == MOVES
    expected = {
        drawn: ("validation", "excluded", ids[test], 0.8, "near_test"),
        near_test: ("train", "excluded", ids[test], 0.96, "near_test"),
        near_validation: ("train", "excluded", ids[top_up], 0.8, "near_validation"),
        top_up: ("train", "validation", None, None, "top_up"),
    }
    assert moves.keys() == {ids[row] for row in expected}
    for row, (left, right, near, cosine, reason) in expected.items():
        move = moves[ids[row]]
        assert (move["from_split"], move["to_split"], move["reason"]) == (left, right, reason)
        assert move["nearest_prompt_id"] == near
        assert move["cosine"] == (cosine if cosine is None else pytest.approx(cosine, abs=1e-6))
    assert json.loads(json.dumps(split.report)) == {
        "train": 2,
        "validation": 1,
        "test": 1,
        "excluded": 3,
        "near_test": 2,
        "near_validation": 1,
        "top_up": 1,
        "wanted_validation": 1,
        "wanted_test": 1,
        "leak_threshold": 0.8,
        "seed": 0,
        "max_cosine": pytest.approx(0.28, abs=1e-6),
    }


@given(
    seed=st.integers(0, 2**32),
    n=st.integers(20, 120),
    validation=st.integers(0, 5),
    test=st.integers(0, 5),
    threshold=st.floats(0.6, 0.99),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_nothing_leaks_and_nothing_far_is_lost(
    seed: int, n: int, validation: int, test: int, threshold: float
) -> None:
    table, vectors = prompts_table(n), clustered(seed, n)
    config = SplitConfig(validation, test, threshold, seed)
    split = split_prompts(table, vectors, config)
    names = split.table["split"].to_numpy()
    full = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    rows = {name: np.flatnonzero(names == name) for name in SPLIT_NAMES}
    pairs = (("train", "test"), ("train", "validation"), ("validation", "test"))
    across = [full[np.ix_(rows[a], rows[b])].max(initial=-1.0) for a, b in pairs]
    assert max(across) < threshold
    assert check_leaks(split.table, vectors, threshold) == pytest.approx(max(across), abs=1e-6)
    held = np.concatenate([rows["validation"], rows["test"]])
    if len(held):
        assert (full[np.ix_(rows["excluded"], held)].max(axis=1) >= threshold).all()
    else:
        assert not len(rows["excluded"])
    assert len(rows["test"]) == test
    assert len(rows["validation"]) == validation or not len(rows["train"])
    assert split.table.drop("split").equals(table.drop("split"))

    shuffled = np.random.default_rng(seed).permutation(n)
    again = split_prompts(table[shuffled], vectors[shuffled], config)
    assert again.table["split"].to_list() == names[shuffled].tolist()
    assert again.report == {**split.report, "max_cosine": pytest.approx(max(across), abs=1e-6)}


def test_the_seed_decides_the_draw() -> None:
    table, vectors = prompts_table(60), np.eye(60, dtype=np.float32)
    draws = [
        split_prompts(table, vectors, SplitConfig(5, 5, seed=seed)).table["split"].to_list()
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert split_prompts(table, vectors, SplitConfig(5, 5)).report["max_cosine"] == 0.0


def test_excluded_rows_take_no_part() -> None:
    table, vectors = prompts_table(6), np.eye(6, dtype=np.float32)
    first = drawn_order(table, 0)[0]
    names = ["excluded" if row == first else "train" for row in range(6)]
    split = split_prompts(table.with_columns(split=pl.Series(names)), vectors, SplitConfig(1, 1))
    assert split.table["split"][first] == "excluded"
    assert split.moves.height == 0
    assert (split.report["excluded"], split.report["train"]) == (1, 3)


def test_no_threshold_moves_nothing_and_still_measures() -> None:
    vectors = np.ones((4, 1), np.float32)
    split = split_prompts(prompts_table(4), vectors, SplitConfig(1, 1, leak_threshold=None))
    assert split.moves.height == 0
    assert split.report["max_cosine"] == 1.0


def test_too_many_held_out_prompts_say_the_numbers() -> None:
    table, vectors = prompts_table(5), np.eye(5, dtype=np.float32)
    with pytest.raises(CorpusError, match="3 validation and 2 test prompts of 5"):
        split_prompts(table, vectors, SplitConfig(3, 2))
    assert split_prompts(table, vectors, SplitConfig(2, 2)).report["train"] == 1


def test_a_corpus_of_one_cluster_leaves_nothing_to_train_on() -> None:
    with pytest.raises(CorpusError, match="none is left to train on"):
        split_prompts(prompts_table(5), np.ones((5, 1), np.float32), SplitConfig(0, 1))


def test_the_check_names_the_two_prompts() -> None:
    table = prompts_table(4).with_columns(
        split=pl.Series(["train", "test", "validation", "excluded"])
    )
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6], [1, 0]], np.float32)
    assert check_leaks(table, vectors, 0.9) == pytest.approx(0.8, abs=1e-6)
    said = "'prompt 2' (validation) and 'prompt 0' (train) have a cosine of 0.800000"
    with pytest.raises(CorpusError, match=re.escape(said)):
        check_leaks(table, vectors, 0.8)
    near_test = vectors[[1, 0, 2, 3]] * np.array([-1, 1], np.float32)
    assert check_leaks(table, near_test, 0.9) == pytest.approx(0.8, abs=1e-6)


def test_the_check_sees_a_cosine_at_the_threshold() -> None:
    table = prompts_table(2).with_columns(split=pl.Series(["train", "test"]))
    vectors = np.array([[1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]], np.float32)
    with pytest.raises(CorpusError, match="leaks"):
        check_leaks(table, vectors, 0.5)
    assert check_leaks(table, vectors, float(np.nextafter(0.5, 1))) == 0.5


def test_the_check_without_pairs() -> None:
    assert check_leaks(prompts_table(2), np.ones((2, 1), np.float32), 0.8) == LOWEST_COSINE
    empty = split_prompts(prompts_table(0), np.empty((0, 3), np.float32), SplitConfig(0, 0))
    assert empty.report["max_cosine"] == LOWEST_COSINE


def test_wrong_input_is_refused() -> None:
    table, vectors = prompts_table(3), np.eye(3, dtype=np.float32)
    with pytest.raises(CorpusError, match="3 prompts but 2 vectors"):
        split_prompts(table, vectors[:2], SplitConfig(1, 1))
    with pytest.raises(CorpusError, match="twice"):
        split_prompts(pl.concat([table, table]), np.eye(6, dtype=np.float32), SplitConfig(1, 1))
    with pytest.raises(CorpusError, match="unknown splits"):
        check_leaks(table.with_columns(split=pl.lit("dev")), vectors, 0.8)
    for wrong in ({"validation": -1}, {"leak_threshold": 0.0}, {"leak_threshold": 1.0}):
        with pytest.raises(ConfigError):
            SplitConfig(**{"validation": 1, "test": 1, **wrong})
