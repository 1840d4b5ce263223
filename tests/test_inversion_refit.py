"""A refit bundle: the head is fitted on every indexed picture, and nothing else changes."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.vectors.embeddings import (
    METADATA,
    EmbeddingsInfo,
    start_embeddings,
    write_part,
)
from unprompt.inversion.estimate.head import LinearHead, load_head
from unprompt.inversion.estimate.ridge import RidgeProblem, fit_ridge
from unprompt.inversion.fit import fit
from unprompt.inversion.fit.refit import refit_bundle
from unprompt.inversion.fit.tune import FitConfig

SPLITS = ["train"] * 12 + ["validation"] * 4 + ["test"] * 3 + ["excluded"] * 2
RANDOM = np.random.default_rng(0)
KEYS = to_unit_length(RANDOM.normal(size=(len(SPLITS), 5))).astype(np.float16)
TARGETS = to_unit_length(RANDOM.normal(size=(len(SPLITS), 3)))


class Known:
    """Targets by prompt id; two prompts make a group."""

    def targets_of(self, prompt_ids: pl.Series) -> np.ndarray:
        return TARGETS[prompt_ids.to_numpy()]

    def groups_of(self, prompt_ids: pl.Series) -> np.ndarray:
        return prompt_ids.to_numpy() // 2


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    """Two parts; the rows of the hand-made index have the image ids 100, 101, ..."""
    count = len(SPLITS)
    rows = pl.DataFrame(
        {
            "image_path": [f"{place:09d}" for place in range(count)],
            "caption": [f"prompt {place}" for place in range(count)],
            "image_id": range(100, 100 + count),
            "prompt_id": range(count),
            "split": SPLITS,
            "seed": [0] * count,
            "generator": [None] * count,
            "status": ["success"] * count,
            "error_message": [None] * count,
        },
        schema=METADATA,
    )
    folder = tmp_path / "embeddings"
    start_embeddings(folder, EmbeddingsInfo("colours", 5))
    write_part(folder, 0, rows[:10], KEYS[:10], "image")
    write_part(folder, 1, rows[10:], KEYS[10:], "image")
    return folder


def test_the_head_is_fitted_on_every_indexed_picture(
    embeddings: Path, tmp_path: Path, content: Any, make_index: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(fit, "BLOCK", 4)
    bundle, final = tmp_path / "bundle", tmp_path / "final"
    wide, train = KEYS.astype(np.float32), slice(0, 12)
    held = (wide[12:16], TARGETS[12:16])
    tuned = fit_ridge([(wide[train], TARGETS[train])], held, ("colours", "words"), (0.1, 1.0))
    tuned.save(bundle / "head")
    (bundle / "blend.json").write_text("{}")
    make_index(final / "index", content(wide, TARGETS))
    refit_bundle(bundle, final, embeddings, Known(), FitConfig(phrases=0))
    head = load_head(final / "head", "colours")
    assert isinstance(head, LinearHead) and head.description.rows == len(SPLITS)
    assert head.description.penalty == tuned.description.penalty
    assert head.description.validation_cosine == tuned.description.validation_cosine
    weight, bias = RidgeProblem([(to_unit_length(wide), TARGETS)]).solve(tuned.description.penalty)
    np.testing.assert_allclose(head.predict(wide), to_unit_length(wide @ weight + bias), atol=5e-3)
    assert (final / "blend.json").read_text() == "{}"
    assert load_head(bundle / "head", "colours").description == tuned.description


def test_only_the_asked_split_is_read(embeddings: Path, monkeypatch: Any) -> None:
    """Blocks of the train rows, one after the other, are all of them at unit length."""
    monkeypatch.setattr(fit, "BLOCK", 5)
    stored = fit.stored_keys(embeddings, "train", Known())
    blocks = list(stored.blocks())
    assert [len(keys) for keys, _ in blocks] == [5, 5, 2]
    whole = fit.labelled_keys(embeddings, "train", Known())
    np.testing.assert_array_equal(np.concatenate([keys for keys, _ in blocks]), whole.keys)
    np.testing.assert_array_equal(np.concatenate([own for _, own in blocks]), whole.truth)
    np.testing.assert_allclose(np.linalg.norm(whole.keys, axis=1), 1.0, atol=1e-5)
    assert whole.groups.tolist() == [place // 2 for place in range(12)]
