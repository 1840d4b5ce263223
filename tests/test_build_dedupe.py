"""Normalization, and the exact cosine search against a naive O(n^2) loop."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.corpus.dedupe import DedupedByVectors, dedupe_by_vectors
from unprompt.build.corpus.duplicates import cosine
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.vectors import VectorArray
from unprompt.build.corpus.sources.prompt_files import read_prompts
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.tables import PROMPTS, check_schema
from unprompt.index.captions.normalize import normalize
from unprompt.index.encoders.protocols import to_unit_length

SD_PROMPTS = Path(__file__).parents[2] / "shared" / "data" / "prompts" / "sd_prompts.txt"


def prompts_table(n: int) -> pl.DataFrame:
    raw = {"prompt": [f"prompt {row}" for row in range(n)], "source": ["a.txt"] * n}
    return make_prompts_table(pl.DataFrame(raw, schema={"prompt": pl.String, "source": pl.String}))


def dedupe(table: pl.DataFrame, vectors: np.ndarray, threshold: float | None) -> DedupedByVectors:
    """The exact search, which writes nothing."""
    folder, config = Path("none"), DuplicatesConfig()
    return dedupe_by_vectors(folder, table, VectorArray(vectors), threshold, config)


def clustered(seed: int, n: int, d: int, spread: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(1, n // 3), d))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    noise = rng.normal(size=(n, d)) * spread / np.sqrt(d)
    vectors = centres[rng.integers(len(centres), size=n)] + noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def naive_keepers(vectors: np.ndarray, threshold: float) -> dict[int, tuple[int, float]]:
    """Dropped row -> the nearest kept row before it and the cosine, by a naive loop."""
    wide, kept, dropped = vectors.astype(np.float64), [], {}
    for row in range(len(wide)):
        cosines = wide[kept] @ wide[row] if kept else np.empty(0)
        if cosines.size and cosines.max() >= threshold:
            dropped[row] = (kept[int(cosines.argmax())], float(cosines.max()))
        else:
            kept.append(row)
    return dropped


@given(
    seed=st.integers(0, 2**32),
    n=st.integers(0, 60),
    block=st.integers(1, 20),
    threshold=st.floats(0.1, 0.99),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_equals_the_definition_at_any_block_size(
    seed: int, n: int, block: int, threshold: float
) -> None:
    vectors, table = clustered(seed, n, 6, 0.8), prompts_table(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cosine, "BLOCK", block)
        result = dedupe(table, vectors, threshold)
    expected = naive_keepers(vectors, threshold)
    ids = table["prompt_id"].to_list()
    kept = [row for row in range(n) if row not in expected]
    assert result.table["prompt_id"].to_list() == [ids[row] for row in kept]
    np.testing.assert_array_equal(result.vectors, to_unit_length(vectors)[kept])
    assert result.duplicates["prompt_id"].to_list() == [ids[row] for row in expected]
    assert result.duplicates["near_prompt_id"].to_list() == [ids[k] for k, _ in expected.values()]
    np.testing.assert_allclose(
        result.duplicates["similarity"].to_numpy(), [c for _, c in expected.values()], atol=1e-6
    )


def test_a_chain_keeps_its_third_link() -> None:
    # 0-1 and 1-2 are near (cosine 0.8), 0-2 is not (0.28): 0 drops 1, so that 2 stays.
    vectors = np.array([[1, 0], [0.8, 0.6], [0.28, 0.96]], np.float32)
    table = prompts_table(3)
    result = dedupe(table, vectors, 0.79)
    assert result.table["prompt"].to_list() == ["prompt 0", "prompt 2"]
    pairs = result.duplicates.select("prompt_id", "near_prompt_id", "similarity")
    assert pairs.rows() == [
        (table["prompt_id"][1], table["prompt_id"][0], pytest.approx(0.8, abs=1e-6))
    ]


def test_a_cosine_at_the_threshold_drops() -> None:
    vectors = np.array([[1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]], np.float32)
    for block in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cosine, "BLOCK", block)
            assert dedupe(prompts_table(2), vectors, 0.5).table.height == 1
            over = float(np.nextafter(0.5, 1))
            assert dedupe(prompts_table(2), vectors, over).table.height == 2


@pytest.mark.parametrize("threshold", [None, 1.0, 1.5])
def test_off_keeps_identical_vectors(threshold: float | None) -> None:
    vectors = np.ones((3, 1), np.float32)
    result = dedupe(prompts_table(3), vectors, threshold)
    assert (result.table.height, len(result.vectors), result.duplicates.height) == (3, 3, 0)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(CorpusError, match="3 prompts but 2 vectors"):
        dedupe(prompts_table(3), np.ones((2, 1), np.float32), 0.8)
    for threshold in (0.0, -0.5, float("nan")):
        with pytest.raises(ConfigError, match="over 0"):
            dedupe(prompts_table(1), np.ones((1, 1), np.float32), threshold)


def test_fifteen_thousand_rows_take_seconds() -> None:
    vectors, table = clustered(5, 15_000, 384, 0.4), prompts_table(15_000)
    result = dedupe(table, vectors, 0.8)
    assert 0 < result.duplicates.height < 15_000
    assert result.duplicates["similarity"].min() >= 0.8


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("  a\t cat \r\n on\u3000a  mat ", "a cat on a mat"),
        ("cafe\u0301", "caf\u00e9"),
        ("a\x00 \x07b\x9f", "a b"),
        ("a \x00 b", "a b"),
        ("\ufeffzero\u200b width\u2060", "zero width"),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
        ("\u200b \x01", ""),
    ],
)
def test_normalize(written: str, clean: str) -> None:
    assert normalize(pl.Series([written])).to_list() == [clean]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
@settings(deadline=None, derandomize=True)
def test_normalize_twice_is_once(prompts: list[str]) -> None:
    once = normalize(pl.Series(prompts, dtype=pl.String))
    assert normalize(once).to_list() == once.to_list()


def test_prompts_table_drops_blanks_and_identical_prompts() -> None:
    raw = pl.DataFrame(
        {
            "prompt": ["a  cat", " ", "A cat", "a cat ", None, "a dog"],
            "source": ["1.txt", "1.txt", "1.txt", "2.txt", "2.txt", "2.txt"],
        }
    )
    table = check_schema(make_prompts_table(raw), PROMPTS, "table")
    assert table["prompt"].to_list() == ["a cat", "A cat", "a dog"]
    assert table["source"].to_list() == ["1.txt", "1.txt", "2.txt"]
    assert table["prompt_id"].to_list() == [stable_id(p) for p in ("a cat", "A cat", "a dog")]
    assert table["group_id"].to_list() == table["prompt_id"].to_list()
    assert table["split"].to_list() == ["train"] * 3


def test_cleaning_wants_its_columns() -> None:
    with pytest.raises(CorpusError, match="source"):
        make_prompts_table(pl.DataFrame({"prompt": ["a"]}))


def test_real_prompts_come_out_clean() -> None:
    if not SD_PROMPTS.is_file():
        pytest.skip(f"no real prompts at {SD_PROMPTS}")
    table = make_prompts_table(read_prompts([SD_PROMPTS]).table)
    assert 10_000 < table.height <= 42_563
    assert table["prompt"].n_unique() == table["prompt_id"].n_unique() == table.height
    assert not table["prompt"].str.contains(r"^\s|\s$|\s\s|\p{Cc}").any()
