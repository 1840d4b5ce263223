"""Groups of near prompts and their folds, alone and as the validation split of a corpus."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.build.corpus import groups as groups_module
from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.corpus.corpus import Corpus, make_corpus
from unprompt.build.corpus.duplicates.vectors import VectorArray
from unprompt.build.corpus.folds import FOLDS, FoldsConfig, assign_folds, report_folds
from unprompt.build.corpus.groups import group_rows
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import read_settings
from unprompt.index.base.tables import read_table
from unprompt.index.exported.export import trained_on
from unprompt.inversion.inverter import STARTER
from unprompt.ui.jobs.config import load_config


def chained(n: int, seed: int) -> np.ndarray:
    """Points along arcs of a sphere: neighbors are near, the ends of an arc are not."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 16))
    for row in range(1, n):
        if row % 6:
            vectors[row] = vectors[row - 1] + rng.normal(size=16) * 0.45
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[rng.permutation(n)].astype(np.float32)


def naive_groups(vectors: np.ndarray, threshold: float) -> list[int]:
    near = vectors.astype(np.float64) @ vectors.T.astype(np.float64) >= threshold
    lowest = list(range(len(vectors)))
    for start in range(len(vectors)):
        if lowest[start] != start:
            continue
        waiting, seen = [start], {start}
        while waiting:
            for other in np.flatnonzero(near[waiting.pop()]).tolist():
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        for row in seen:
            lowest[row] = start
    return lowest


@pytest.mark.parametrize("exact_rows", [1000, 0], ids=["all pairs", "proposed"])
def test_groups_are_the_connected_ones(
    tmp_path: Path, exact_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "ROWS_EACH", 100)
    monkeypatch.setattr(groups_module, "BLOCK", 64)
    monkeypatch.setattr(groups_module, "EDGES_AT_ONCE", 50)
    vectors = chained(400, 2)
    expected = naive_groups(vectors, 0.85)
    assert 60 < len(set(expected)) < 200, "chains of several links"
    found = group_rows(tmp_path / "g", VectorArray(vectors), 0.85, exact_rows, probe=400)
    assert found.tolist() == expected
    for path in sorted((tmp_path / "g").iterdir())[1:3]:  # a rerun makes what is missing
        path.unlink()
    again = group_rows(tmp_path / "g", VectorArray(vectors), 0.85, exact_rows, probe=400)
    assert again.tolist() == expected


def test_no_rows_are_no_groups(tmp_path: Path) -> None:
    assert len(group_rows(tmp_path, VectorArray(np.zeros((0, 4), np.float32)), 0.7, 10, 1)) == 0
    folds = assign_folds(np.empty(0, np.uint64), np.empty(0, int), FoldsConfig())
    assert folds.schema == FOLDS and report_folds(folds, FoldsConfig())["largest_group"] == 0


def test_groups_stay_whole_and_folds_are_of_like_size() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(300, size=1000)
    ids = rng.permutation(10_000)[:1000].astype(np.uint64)
    folds = assign_folds(ids, groups, FoldsConfig(count=7))
    assert folds.group_by("group_id").agg(pl.col("fold").n_unique())["fold"].unique().to_list() == [
        1
    ]
    sizes = Counter(folds["fold"].to_list())
    assert sorted(sizes) == list(range(7)) and max(sizes.values()) - min(sizes.values()) <= 1
    lowest = {int(g): int(ids[groups == g].min()) for g in np.unique(groups)}
    assert folds["group_id"].to_list() == [lowest[int(g)] for g in groups]
    report = report_folds(folds, FoldsConfig(count=7))
    assert report["groups"] == len(lowest) and sum(report["prompts"].values()) == 1000


def test_folds_know_ids_and_seed_and_no_order() -> None:
    rng = np.random.default_rng(1)
    groups, ids = rng.integers(90, size=300), np.arange(300, dtype=np.uint64) * 7
    folds = assign_folds(ids, groups, FoldsConfig(count=5))
    order = rng.permutation(300)
    shuffled = assign_folds(ids[order], groups[order] + 1000, FoldsConfig(count=5))
    assert shuffled.sort("prompt_id").equals(folds.sort("prompt_id"))
    other = assign_folds(ids, groups, FoldsConfig(count=5, seed=1))
    assert not other["fold"].equals(folds["fold"])


class WordEncoder:
    """A prompt -> the unit mean of its words' vectors, each drawn by a hash of the word."""

    space, dim = "words", 48

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        found = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                seed = int.from_bytes(word.encode()[:8], "big")
                found[row] += np.random.default_rng(seed).normal(size=self.dim)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


ANIMALS = "fox owl cat dog hen pig cow elk bee ant".split()
COLOURS = "red blue green white black pink gold grey brown violet".split()
PLACES = "snow rain desert forest city cave lake tower".split()
PROMPTS = [f"{c} {a} {p} {c}{p}" for c in COLOURS for a in ANIMALS for p in PLACES]
NOISE = [
    "RED fox, snow REDSNOW!",
    "red fox snow redsnow <lora:x:1>",
    "un perro en la playa con sol",
]


def corpus_of(folder: Path, **settings: Any) -> Corpus:
    folder.mkdir(parents=True)
    (folder / "prompts.txt").write_text("\n".join([*PROMPTS, *NOISE]) + "\n")
    base = {
        "source": "files", "paths": [str(folder / "prompts.txt")], "dedupe_threshold": 0.99,
        "leak_threshold": 0.95, "validation": 30, "test": 30,
    }  # fmt: skip
    config = read_settings(CorpusConfig, {**base, **settings}, "here")
    return make_corpus(folder / "corpus", config, WordEncoder())


DEDUPED: dict[str, Any] = {
    "clean": {"preset": "light", "language": "english"},
    "duplicates": {"preset": "kaggle-5th", "cosine": 0.99},
    "folds": {"count": 4, "threshold": 0.9},
}


def test_a_fold_is_the_validation_split(tmp_path: Path) -> None:
    first = corpus_of(tmp_path / "a", **DEDUPED, fold=0)
    second = corpus_of(tmp_path / "b", **DEDUPED, fold=1)
    held = []
    for fold, corpus in ((0, first), (1, second)):
        folds = read_table(tmp_path / "ab"[fold] / "corpus" / "folds.parquet", FOLDS)
        table = corpus.prompts.join(folds, on="prompt_id")
        assert (table["group_id"] == table["group_id_right"]).all()
        assert folds["fold"].n_unique() == 4
        in_fold = table.filter(pl.col("fold") == fold)
        assert set(in_fold["split"]) <= {"validation", "test", "excluded"}
        assert set(table.filter(pl.col("fold") != fold)["split"]) <= {"train", "test", "excluded"}
        vectors = np.asarray(corpus.targets, np.float64)
        split = corpus.prompts["split"].to_numpy()
        across = vectors[split == "train"] @ vectors[split == "validation"].T
        assert across.max() < 0.9 + 1e-3, "groups are not cut in two"
        held.append(set(in_fold["prompt_id"]))
        assert corpus.report["split"]["wanted_validation"] > 100
    assert not held[0] & held[1]
    tests = [set(c.prompts.filter(split="test")["prompt_id"]) for c in (first, second)]
    assert tests[0] == tests[1], "fold-models share their test prompts"


def test_a_corpus_reports_what_cleaning_did(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "run", **DEDUPED)
    report = json.loads((tmp_path / "run" / "corpus" / "report.json").read_text())
    assert report["cleaned"]["drop"]["language"] == 1
    assert report["cleaned"]["rewrite"]["tags"] == 1
    assert report["duplicates"] == {"identical": 1, "exact": 1, "minhash": 0}
    assert report["kept"]["validation"] == 30, "without `fold` validation is drawn"
    dropped = pl.read_parquet(tmp_path / "run" / "corpus" / "duplicates.parquet")
    [first] = dropped.filter(stage="exact").rows(named=True)
    kept = corpus.prompts.filter(prompt_id=first["kept_prompt_id"])["prompt"].to_list()
    assert (first["prompt"], kept) == (NOISE[0], [PROMPTS[0]])
    assert not (tmp_path / "run" / "corpus" / "thinned").exists()


def test_large_corpora_come_out_like_small_ones(tmp_path: Path) -> None:
    """Above `exact_rows` an index gives candidates and vectors stay on disk."""
    settings = {**DEDUPED, "dedupe_threshold": 0.74, "folds": {"count": 4, "threshold": 0.72}}
    duplicates = {"exact": True, "minhash": 0.9, "probe": 1000}
    small = corpus_of(tmp_path / "small", **{**settings, "duplicates": duplicates}, fold=2)
    large = corpus_of(
        tmp_path / "large", **{**settings, "duplicates": {**duplicates, "exact_rows": 0}}, fold=2
    )
    assert small.report["near_duplicates"] > 20
    for name in ("prompts.parquet", "duplicates.parquet", "folds.parquet", "targets.npy"):
        a, b = (tmp_path / size / "corpus" / name for size in ("small", "large"))
        if name == "targets.npy":
            np.testing.assert_array_equal(np.load(a), np.load(b))
        else:
            exact = pl.exclude("similarity", "source")
            assert pl.read_parquet(a).select(exact).equals(pl.read_parquet(b).select(exact)), name
    assert large.report["split"] == pytest.approx(small.report["split"], abs=1e-6)


def test_unused_optional_settings_do_not_change_the_digest() -> None:
    """The shipped starter records the digest of the corpus that its tower was trained on."""
    starter = load_config("starter").build.corpus
    assert trained_on(STARTER / "encoder") == starter.held_out_digest
    assert not {"clean", "duplicates", "folds", "fold"} & set(starter.written)
    spelt_out = load_config("starter", ["corpus.clean=null", "corpus.duplicates={}"]).build.corpus
    assert spelt_out.held_out_digest == starter.held_out_digest
    changed = [
        load_config("starter", overrides).build.corpus.held_out_digest
        for overrides in (
            ["corpus.clean={}"],
            ["corpus.clean.preset=stable-diffusion"],
            ["corpus.duplicates.preset=kaggle-1st"],
            ["corpus.folds={}"],
            ["corpus.folds={}", "corpus.fold=0"],
            ["corpus.folds={}", "corpus.fold=1"],
        )
    ]
    assert len({starter.held_out_digest, *changed}) == 7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fold": 0}, "corpus.fold must be one of corpus.folds.count = 0 folds, got 0"),
        ({"folds": {"count": 3}, "fold": 3}, "one of corpus.folds.count = 3"),
        ({"folds": {"count": 1}}, "folds.count must be from 2 to 1000"),
        ({"folds": {"threshold": 1.0}}, "folds.threshold must be between 0 and 1"),
        ({"source": "shards", "paths": ["x"], "clean": {}}, "can only drop prompts"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings(CorpusConfig, settings, "here")
