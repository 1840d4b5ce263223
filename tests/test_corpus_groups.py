"""Prompts with groups and ready vectors: whole groups are held out, known prompts not encoded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from found_shards import jpeg, write_members

from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.corpus.corpus import make_corpus
from unprompt.build.corpus.known_targets import KnownTargets, TargetsConfig
from unprompt.index.base.errors import CorpusError, SpaceMismatchError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.images.picture_splits import one_split_each

N = 60


class Hashed:
    """A prompt encoder whose vectors are random numbers of the text; counts what it encodes."""

    space, dim = "hashed", 384

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: list[str]) -> np.ndarray:
        self.seen += texts
        seeds = [sum(text.encode()) * 1000 + len(text) + int(text[-2:]) for text in texts]
        return to_unit_length(
            np.stack([np.random.default_rng(seed).normal(size=384) for seed in seeds])
        )


PROMPTS = [f"a prompt with the number {number:02d}" for number in range(N)]


def corpus_config(folder: Path, **settings: Any) -> CorpusConfig:
    """Tars with a cluster of six prompts in each json, and a table with their vectors."""
    members = []
    for number, prompt in enumerate(PROMPTS):
        facts = json.dumps({"ntokens": 5, "cluster": number // 6}).encode()
        key = f"{number:06d}"
        members += [
            (f"{key}.webp", jpeg(number)),
            (f"{key}.txt", prompt.encode()),
            (f"{key}.json", facts),
        ]
    write_members(folder / "tars" / "00000.tar", members)
    collection = {"kind": "webdataset", "path": str(folder / "tars"), "group": "cluster"}
    return CorpusConfig(
        source="pairs", collections=(collection,), validation=6, test=7, dedupe_threshold=None,
        **settings,
    )  # fmt: skip


def ready(folder: Path, encoder: Hashed) -> TargetsConfig:
    """The prompts in another order, one of them in other white space, with fp16 vectors."""
    shown = [f" {PROMPTS[0]}\n", *reversed(PROMPTS[1:50])]
    pl.DataFrame({"prompt": shown}).write_parquet(folder / "metadata.parquet")
    vectors = encoder.encode([text.strip() for text in shown])
    np.save(folder / "embs.npy", vectors.astype(np.float16))
    return TargetsConfig(str(folder / "metadata.parquet"), str(folder / "embs.npy"))


def test_groups_are_held_out_whole_and_known_vectors_are_taken(tmp_path: Path) -> None:
    targets = ready(tmp_path, Hashed())
    encoder = Hashed()
    corpus = make_corpus(tmp_path / "corpus", corpus_config(tmp_path, targets=(targets,)), encoder)
    rows = corpus.prompts.with_columns(
        (pl.col("prompt").str.slice(-2).cast(pl.Int64) // 6).alias("cluster")
    )
    counts = dict(rows["split"].value_counts().iter_rows())
    assert (counts["test"], counts["validation"]) == (7, 6)
    used = rows.filter(pl.col("split") != "excluded")
    assert used.group_by("cluster").agg(pl.col("split").n_unique())["split"].max() == 1
    assert counts["train"] == 6 * 7 and corpus.report["split"]["group"] == counts["excluded"] == 5
    assert set(encoder.seen) >= set(PROMPTS[50:]) and len(set(encoder.seen)) <= 10 + 20
    wanted = Hashed().encode(corpus.prompts["prompt"].to_list())
    np.testing.assert_allclose(corpus.targets, wanted, atol=2e-3)


def test_vectors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    targets = ready(tmp_path, Hashed())
    vectors = np.load(tmp_path / "embs.npy")
    np.save(tmp_path / "embs.npy", vectors[::-1])
    with pytest.raises(SpaceMismatchError, match=r"lowest cosine .* leave corpus.targets out"):
        KnownTargets([targets], Hashed())
    np.save(tmp_path / "embs.npy", vectors[:-1])
    with pytest.raises(CorpusError, match="49 vectors, .* 50 rows"):
        KnownTargets([targets], Hashed())
    np.save(tmp_path / "embs.npy", vectors[:, :100])
    with pytest.raises(SpaceMismatchError, match=r"wanted floating point \(n, 384\)"):
        KnownTargets([targets], Hashed())
    vectors[3] = np.nan
    vectors[4] = 0
    np.save(tmp_path / "embs.npy", vectors)
    found = KnownTargets([targets], Hashed()).encode(PROMPTS)
    np.testing.assert_allclose(found, Hashed().encode(PROMPTS), atol=2e-3)


def test_a_picture_is_in_one_split() -> None:
    rows = pl.DataFrame(
        {
            "key": ["a", "a", "b", "b", "b", "c", "c"],
            "split": ["train", "test", "validation", "train", "excluded", "train", "train"],
        }
    )
    found = one_split_each(rows, "key")["split"].to_list()
    assert found == ["excluded", "test", "validation", "excluded", "excluded", "train", "train"]
    both = pl.DataFrame({"key": ["a", "a"], "split": ["validation", "test"]})
    assert one_split_each(both, "key")["split"].to_list() == ["excluded", "test"]
