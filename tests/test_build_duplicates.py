"""Near-duplicates by words and by vectors, against naive loops."""

from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.build.corpus.duplicates import cosine, lexical
from unprompt.build.corpus.duplicates.candidates import candidate_pairs, count_hashes, rarest
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.cosine import drop_by_index
from unprompt.build.corpus.duplicates.duplicate_rows import (
    DUPLICATES,
    duplicates_table,
    resolve_duplicates,
)
from unprompt.build.corpus.duplicates.growing_index import cell_count
from unprompt.build.corpus.duplicates.keys import drop_equal, exact_keys
from unprompt.build.corpus.duplicates.lexical import LexicalStep
from unprompt.build.corpus.duplicates.minhash import Bands, band_keys, choose_bands
from unprompt.build.corpus.duplicates.shingles import jaccards, shingle
from unprompt.build.corpus.duplicates.vectors import VectorArray, VectorFiles, write_vectors
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.row_shards import RowShards, write_shard
from unprompt.index.base.settings import read_settings

SUBJECTS = ("fox", "owl", "red car", "old man", "castle", "tiny robot", "whale", "monk", "rose")
TAIL = "highly detailed, digital painting, concept art, smooth, sharp focus, by someone famous"
Keepers = dict[int, tuple[int, float]]


@cache
def word_set(prompt: str) -> frozenset[str]:
    """The set of words and pairs of words."""
    words = "".join(c if c.isalnum() else " " for c in prompt.lower()).split()
    return frozenset(words) | {" ".join(pair) for pair in zip(words, words[1:], strict=False)}


def jaccard(left: str, right: str) -> float:
    a, b = word_set(left), word_set(right)
    return len(a & b) / len(a | b)


def naive_keepers(n: int, similarity: Callable[[int, int], float], threshold: float) -> Keepers:
    """Dropped row -> the most similar kept row before it and their similarity."""
    kept: list[int] = []
    dropped: Keepers = {}
    for row in range(n):
        best = max(((similarity(other, row), -other) for other in kept), default=(-1.0, 0))
        if best[0] >= threshold:
            dropped[row] = (-best[1], best[0])
        else:
            kept.append(row)
    return dropped


def some_prompts(count: int, seed: int) -> list[str]:
    """Many subjects with one tail, and copies of earlier prompts with one word more or less."""
    rng = np.random.default_rng(seed)
    prompts: list[str] = []
    for n in range(count):
        if n > 5 and rng.random() < 0.3:
            words = prompts[rng.integers(n)].split(" ")
            place = int(rng.integers(len(words)))
            words[place : place + int(rng.integers(2))] = ["new"] * int(rng.integers(2))
            prompts.append(" ".join(words))
        else:
            who = " and ".join(rng.choice(SUBJECTS, 3))
            prompts.append(f"portrait of {who} number {rng.integers(99)}, {TAIL}")
    return prompts


def write_rows(folder: Path, prompts: list[str], rows_each: int) -> RowShards:
    for shard, start in enumerate(range(0, len(prompts), rows_each)):
        part = pl.Series("prompt", prompts[start : start + rows_each])
        ids = pl.int_range(start, start + part.len(), dtype=pl.UInt64, eager=True)
        table = pl.DataFrame([ids.alias("prompt_id"), exact_keys(part), part])
        write_shard(folder, shard, table.with_columns(source=pl.lit("a.txt")), {})
    return RowShards(folder)


def test_exact_keys_know_letters_and_digits_only() -> None:
    same = ["A red fox, 8k!", "a  RED fox 8K", "(a red-fox) 8k"]
    keys = exact_keys(pl.Series([*same, "a redfox 8k", "!!!", "???", "\u0928\u0940"]))
    assert keys.n_unique() == 5 and keys[:3].n_unique() == 1
    drops = drop_equal(keys.to_numpy())
    assert (drops.rows.tolist(), drops.kept.tolist()) == ([1, 2], [0, 0])


@given(st.lists(st.text("ab ,!\u00e9", max_size=12), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_word_sets_are_those_of_the_definition(prompts: list[str]) -> None:
    sets = shingle(pl.Series(prompts))
    expected = [max(len(word_set(prompt)), 1) for prompt in prompts]
    assert sets.sizes().tolist() == expected
    rows = list(combinations(range(len(prompts)), 2))
    pairs = [(a, b) for a, b in rows if word_set(prompts[a]) and word_set(prompts[b])]
    left, right = (np.array(side, int) for side in zip(*pairs, strict=True)) if pairs else ([], [])
    found = jaccards(sets.take(np.array(left, int)), sets.take(np.array(right, int)))
    np.testing.assert_allclose(found, [jaccard(prompts[a], prompts[b]) for a, b in pairs])


def test_minhash_collides_as_often_as_the_jaccard_similarity() -> None:
    """Bands of one function each; datasketch estimates the same."""
    from datasketch import MinHash

    prompts = ["a red fox in the snow by monet", "a red fox in the rain by monet"]
    keys = band_keys(shingle(pl.Series(prompts)), Bands(2048, 1))
    estimated = float((keys[:, 0] == keys[:, 1]).mean())
    sketches = [MinHash(num_perm=2048) for _ in prompts]
    for sketch, prompt in zip(sketches, prompts, strict=True):
        sketch.update_batch([word.encode() for word in word_set(prompt)])
    truth = jaccard(*prompts)
    assert estimated == pytest.approx(truth, abs=0.04)
    assert estimated == pytest.approx(sketches[0].jaccard(sketches[1]), abs=0.06)


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.9, 0.95, 1.0])
def test_bands_miss_few_at_the_threshold(threshold: float) -> None:
    bands = choose_bands(threshold, 128)
    assert bands.number * bands.size <= 128
    assert (1 - threshold**bands.size) ** bands.number <= 0.005
    wider = Bands(128 // (bands.size + 1), bands.size + 1)
    assert bands.size == 128 or (1 - threshold**wider.size) ** wider.number > 0.005


def test_a_large_bucket_misses_no_similar_pair() -> None:
    prompts = some_prompts(300, 4)
    sets = shingle(pl.Series(prompts))
    counts = count_hashes(sets.hashes)
    one_bucket = np.zeros(len(prompts), np.uint64)
    pairs = candidate_pairs(one_bucket, lambda rows: rarest(sets.take(rows), counts, 0.8), 150)
    found = {(int(pair) & 0xFFFFFFFF, int(pair) >> 32) for pair in pairs}
    similar = {
        (a, b)
        for a, b in combinations(range(len(prompts)), 2)
        if jaccard(prompts[a], prompts[b]) >= 0.8
    }
    assert len(similar) > 50 and similar <= found
    assert len(found) < 300 * 299 / 2, "a large bucket is not compared pair by pair"


def test_small_buckets_give_all_their_pairs() -> None:
    keys = np.array([7, 3, 7, 5, 3, 7], np.uint64)
    pairs = candidate_pairs(keys, lambda rows: pytest.fail("no bucket is large"), 3)
    found = [(int(pair) & 0xFFFFFFFF, int(pair) >> 32) for pair in pairs]
    assert found == [(0, 2), (1, 4), (0, 5), (2, 5)]


@pytest.mark.parametrize("rows_each", [400, 90])
def test_by_words_equals_the_definition(tmp_path: Path, rows_each: int) -> None:
    prompts = some_prompts(400, 1)
    shards = write_rows(tmp_path / "rows", prompts, rows_each)
    rows = np.arange(len(prompts), dtype=np.uint32)
    drops = LexicalStep(tmp_path / "minhash", shards, rows, 0.8, 256).run()
    expected = naive_keepers(len(prompts), lambda a, b: jaccard(prompts[a], prompts[b]), 0.8)
    assert len(expected) > 40
    assert drops.rows.tolist() == sorted(expected)
    assert drops.kept.tolist() == [expected[row][0] for row in sorted(expected)]
    np.testing.assert_allclose(drops.similarity, [expected[row][1] for row in sorted(expected)])


def test_by_words_over_some_of_the_rows(tmp_path: Path) -> None:
    prompts = some_prompts(200, 2)
    shards = write_rows(tmp_path / "rows", prompts, 60)
    rows = np.flatnonzero(np.arange(200) % 3).astype(np.uint32)
    drops = LexicalStep(tmp_path / "minhash", shards, rows, 0.8, 256).run().of(rows)
    chosen = [prompts[row] for row in rows]
    expected = naive_keepers(len(chosen), lambda a, b: jaccard(chosen[a], chosen[b]), 0.8)
    assert drops.rows.tolist() == [int(rows[row]) for row in sorted(expected)]


class Stop(Exception):
    pass


class StopAfter:
    """A progress that raises after some items, as a killed run stops."""

    def __init__(self, items: int):
        self.left = items

    def track(self, items, label, total, done=0):  # type: ignore[no-untyped-def]
        for item in items:
            if not self.left:
                raise Stop
            self.left -= 1
            yield item

    def note(self, message: str) -> None:
        pass

    def detail(self, text: str) -> None:
        pass


def files_under(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*.*")}


@pytest.mark.parametrize("stop", [2, 7, 21])
def test_by_words_continues_after_a_stop(tmp_path: Path, stop: int) -> None:
    shards = write_rows(tmp_path / "rows", some_prompts(200, 3), 50)
    rows = np.arange(200, dtype=np.uint32)
    whole = LexicalStep(tmp_path / "whole", shards, rows, 0.8, 128).run()
    work = tmp_path / "work"
    with pytest.raises(Stop):
        LexicalStep(work, shards, rows, 0.8, 128, StopAfter(stop)).run()
    before = files_under(work)
    assert before
    again = LexicalStep(work, shards, rows, 0.8, 128).run()
    assert {name: files_under(work)[name] for name in before} == before
    assert [column.tolist() for column in again] == [column.tolist() for column in whole]


def clustered(seed: int, n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 4, d))
    vectors = centres[rng.integers(len(centres), size=n)] + rng.normal(size=(n, d)) * 0.45
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def write_parts(folder: Path, vectors: np.ndarray, rows_each: int) -> VectorFiles:
    folder.mkdir()
    for part, start in enumerate(range(0, len(vectors), rows_each)):
        rows = vectors[start : start + rows_each].astype(np.float16)
        np.save(folder / f"{part:05d}.npy", rows)
    return VectorFiles(sorted(folder.iterdir()))


def test_vectors_of_several_files_are_one_array(tmp_path: Path) -> None:
    vectors = clustered(0, 100, 8)
    files = write_parts(tmp_path / "parts", vectors, 30)
    assert (len(files), files.dim) == (100, 8)
    rows = np.array([99, 0, 31, 31, 29])
    np.testing.assert_allclose(files.take(rows), vectors[rows], atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(files.take(rows), axis=1), 1.0, atol=1e-6)
    assert files.take(np.empty(0, int)).shape == (0, 8)
    write_vectors(tmp_path / "some.npy", np.float16, files, rows)
    np.testing.assert_array_equal(np.load(tmp_path / "some.npy"), files.take(rows).astype("f2"))
    write_vectors(tmp_path / "none.npy", np.float16, VectorArray(vectors[:0]))
    assert np.load(tmp_path / "none.npy").shape == (0, 8)
    np.save(tmp_path / "flat.npy", np.ones(3))
    with pytest.raises(CorpusError, match=r"wanted vectors \(n, d\)"):
        VectorFiles([tmp_path / "flat.npy"])


def test_by_vectors_equals_the_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosine, "ROWS_EACH", 300)
    monkeypatch.setattr(cosine, "BLOCK", 128)
    files = write_parts(tmp_path / "parts", clustered(1, 1000, 32), 250)
    rows = files.take(np.arange(1000)).astype(np.float64)
    similar = rows @ rows.T
    drops = drop_by_index(tmp_path / "drops", files, 0.85, probe=200)
    expected = naive_keepers(1000, lambda a, b: float(similar[a, b]), 0.85)
    assert len(expected) > 50
    assert drops.rows.tolist() == sorted(expected)
    assert drops.kept.tolist() == [expected[row][0] for row in sorted(expected)]
    np.testing.assert_allclose(
        drops.similarity, [expected[row][1] for row in sorted(expected)], atol=1e-6
    )


def test_by_vectors_continues_after_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosine, "ROWS_EACH", 150)
    files = write_parts(tmp_path / "parts", clustered(2, 600, 16), 600)
    whole = drop_by_index(tmp_path / "whole", files, 0.85, 32)
    with pytest.raises(Stop):
        drop_by_index(tmp_path / "work", files, 0.85, 32, StopAfter(2))
    before = files_under(tmp_path / "work")
    assert len(before) == 2
    again = drop_by_index(tmp_path / "work", files, 0.85, 32)
    assert {name: files_under(tmp_path / "work")[name] for name in before} == before
    assert [column.tolist() for column in again] == [column.tolist() for column in whole]


def test_cells_grow_with_the_root_of_the_rows() -> None:
    assert [cell_count(rows) for rows in (0, 1, 1000, 1_000_000, 8_600_000)] == [
        4, 4, 128, 4096, 16384
    ]  # fmt: skip


def named(stage: str, **kept_by: int) -> pl.DataFrame:
    ids = [int(name[1:]) for name in kept_by]
    dropped = pl.DataFrame(
        {"prompt_id": ids, "prompt": [f"prompt {id}" for id in ids]},
        schema={"prompt_id": pl.UInt64, "prompt": pl.String},
    )
    return duplicates_table(stage, dropped, np.array(list(kept_by.values())), np.ones(len(ids)))


def test_a_chain_of_drops_resolves_to_the_kept_prompt() -> None:
    steps = [named("exact", p5=4, p9=8), named("minhash", p4=3), named("cosine", p3=1)]
    whole = resolve_duplicates(steps)
    assert whole.schema == DUPLICATES
    assert whole.select("prompt_id", "stage", "near_prompt_id", "kept_prompt_id").rows() == [
        (5, "exact", 4, 1), (9, "exact", 8, 8), (4, "minhash", 3, 1), (3, "cosine", 1, 1)
    ]  # fmt: skip
    assert resolve_duplicates([]).schema == DUPLICATES


def test_presets_and_faults() -> None:
    strict = read_settings(DuplicatesConfig, {"preset": "kaggle-1st"}, "here")
    loose = read_settings(DuplicatesConfig, {"preset": "kaggle-5th", "minhash": None}, "here")
    assert (strict.cosine, strict.exact, loose.cosine, loose.minhash) == (0.8, True, 0.9, None)
    assert not DuplicatesConfig().by_words and strict.by_words
    for fault, message in (
        ({"preset": "kaggle-2nd"}, "kaggle-1st, kaggle-5th"),
        ({"minhash": 0.2}, "minhash must be from 0.5 to 1"),
        ({"cosine": 0.0}, "cosine must be over 0"),
        ({"permutations": 3}, "permutations must be >= 16"),
        ({"probe": 0}, "probe must be >= 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_settings(DuplicatesConfig, fault, "here")


def test_the_stage_is_bounded_by_its_chunks(tmp_path: Path) -> None:
    """The number of pairs per comparison does not change the result."""
    prompts = some_prompts(200, 6)
    shards = write_rows(tmp_path / "rows", prompts, 200)
    rows = np.arange(200, dtype=np.uint32)
    whole = LexicalStep(tmp_path / "whole", shards, rows, 0.8, 128).run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical, "PAIRS_AT_ONCE", 7)
        pieces = LexicalStep(tmp_path / "pieces", shards, rows, 0.8, 128).run()
    assert [column.tolist() for column in pieces] == [column.tolist() for column in whole]
