"""Mining: what is learnt of difficulty, how well, and which candidates are chosen."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.make.captions import PromptVectors
from unprompt.build.make.difficulty import (
    RidgeDifficulty,
    _knn_models,
    _ridge_models,
    check_enough,
    correlation,
    fit_difficulty,
    measure_difficulty,
    ranks,
)
from unprompt.build.make.mine import (
    MineConfig,
    ReferencePrompts,
    held_out_half,
    mine_prompts,
    read_cosines,
)
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.tables import COSINES
from unprompt.index.encoders.protocols import to_unit_length


def directions(count: int, seed: int, dim: int = 16) -> np.ndarray:
    return to_unit_length(np.random.default_rng(seed).normal(size=(count, dim)))


def linear(vectors: np.ndarray, noise: float = 0.02, seed: int = 9) -> np.ndarray:
    """Cosines that fall along the first direction: hard prompts point there."""
    random = np.random.default_rng(seed).normal(size=len(vectors))
    return 0.6 - 0.5 * vectors[:, 0] + noise * random


def grouped(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Prompts in 40 groups, every other of them hard: no plane divides them."""
    centres = directions(40, 1, 6)
    random = np.random.default_rng(seed)
    group = random.integers(0, 40, count)
    near = to_unit_length(centres[group] + 0.05 * random.normal(size=(count, 6)))
    return near, np.where(group % 2, 0.3, 0.8) + 0.02 * random.normal(size=count)


def test_ranks_and_correlations_are_the_usual_ones() -> None:
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0, 0.0])
    assert ranks(values).tolist() == (rankdata(values) - 1).tolist()
    left, right = directions(50, 1)[:, 0], directions(50, 2)[:, 0]
    assert correlation(left, right) == pytest.approx(pearsonr(left, right).statistic)
    assert correlation(ranks(left), ranks(right)) == pytest.approx(spearmanr(left, right).statistic)
    assert correlation(left, np.ones(50)) == 0.0


def test_leave_one_out_errors_are_those_of_leaving_one_out() -> None:
    vectors = directions(24, 3, 5)
    cosines = linear(vectors, 0.1)
    for kind, close in ((_knn_models, 1e-9), (_ridge_models, 0.05)):
        fitted = kind(vectors, cosines)
        misses = np.empty((24, len(fitted)))
        for row in range(24):
            others = np.arange(24) != row
            for place, (_, left) in enumerate(kind(vectors[others], cosines[others])):
                assert left.name == fitted[place][1].name
                misses[row, place] = left.predict(vectors[row : row + 1])[0] - cosines[row]
        # a ridge's penalty is relative to the variance, which moves a little with the row
        assert np.mean(misses**2, axis=0) == pytest.approx(
            [error for error, _ in fitted], rel=close
        )


def test_ridge_is_the_textbook_solution() -> None:
    vectors = directions(30, 4, 4)
    cosines = linear(vectors)
    _, model = _ridge_models(vectors, cosines)[3]
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    gram = centred.T @ centred
    penalty = 1.0 * np.trace(gram) / 4
    weights = np.linalg.solve(gram + penalty * np.eye(4), centred.T @ (cosines - cosines.mean()))
    wanted = (vectors - vectors.mean(axis=0, dtype=np.float64)) @ weights + cosines.mean()
    assert model.name == "ridge, penalty 1"
    assert np.allclose(model.predict(vectors), wanted, atol=1e-9)


def test_the_better_kind_is_kept() -> None:
    vectors = directions(400, 5)
    assert fit_difficulty(vectors, linear(vectors)).name.startswith("ridge")
    near, cosines = grouped(400, 6)
    assert "nearest prompts" in fit_difficulty(near, cosines).name


@pytest.mark.parametrize("kind", ["linear", "grouped"])
def test_difficulty_is_predicted_on_prompts_it_has_not_seen(kind: str) -> None:
    vectors = directions(600, 7)
    cosines = linear(vectors)
    if kind == "grouped":
        vectors, cosines = grouped(600, 7)
    quality = measure_difficulty(vectors, cosines, held_out_half(600))
    assert (quality.fitted_on, quality.measured_on) == (300, 300)
    assert quality.pearson > 0.9 and quality.spearman > 0.7
    assert quality.mean_error < 0.4 * quality.mean_error_of_constant
    assert quality.mean_cosine_of_hardest < quality.mean_cosine - 0.1
    shuffled = np.random.default_rng(0).permutation(cosines)
    chance = measure_difficulty(vectors, shuffled, held_out_half(600))
    assert abs(chance.pearson) < 0.25 and chance.mean_cosine_of_hardest > chance.mean_cosine - 0.1


def test_halves_are_halves() -> None:
    half = held_out_half(401, 3)
    assert half.sum() == 200 and not (half == held_out_half(401, 4)).all()
    with pytest.raises(CorpusError, match="12 prompts are too few.*--split test"):
        check_enough(12)


def candidates(count: int) -> tuple[pl.DataFrame, PromptVectors, np.ndarray]:
    vectors = directions(count, 11)
    table = make_prompts_table(
        pl.DataFrame({"prompt": [f"candidate {n}" for n in range(count)], "source": "c.txt"})
    )
    half = count // 2
    parts = [part.astype(np.float16) for part in (vectors[:half], vectors[half:])]
    return table, PromptVectors(parts), vectors


def numbers(table: pl.DataFrame) -> list[int]:
    return [int(prompt.split()[1]) for prompt in table["prompt"]]


def test_planted_hard_prompts_are_found_hardest_first() -> None:
    known = directions(500, 10)
    model = fit_difficulty(known, linear(known))
    table, vectors, exact = candidates(300)
    made = mine_prompts(table, vectors, model, MineConfig(below=0.45))
    hard = np.flatnonzero(0.6 - 0.5 * exact[:, 0] < 0.45)
    found = numbers(made.table)
    assert len(hard) > 20 and len(set(found) ^ set(hard)) <= 0.1 * len(hard)
    expected = made.table["expected_cosine"].to_list()
    assert expected == sorted(expected) and max(expected) < 0.45
    assert made.table["reference_cosine"].null_count() == made.table.height
    assert made.table["method"].unique().to_list() == ["mine"]
    assert made.table["source"].unique().to_list() == ["c.txt"]


def test_limits_share_count_and_reference() -> None:
    model = RidgeDifficulty(-np.eye(16)[0], 0.5, 1.0)
    table, vectors, exact = candidates(200)
    order = np.argsort(-exact[:, 0], kind="stable")
    share = mine_prompts(table, vectors, model, MineConfig(below=None, share=0.1))
    assert numbers(share.table) == order[:20].tolist()
    few = mine_prompts(table, vectors, model, MineConfig(below=0.4, share=0.5, count=7))
    assert numbers(few.table) == order[:7].tolist()
    reference = ReferencePrompts(pl.DataFrame({"prompt": ["north", "east"]}), np.eye(16)[[1, 2]])
    near = mine_prompts(
        table, vectors, model, MineConfig(below=None, share=1.0, near=0.4), reference
    )
    wanted = np.flatnonzero((exact[:, 1] > 0.4) | (exact[:, 2] > 0.4))
    assert set(numbers(near.table)) == set(wanted.tolist())
    for row in near.table.iter_rows(named=True):
        place = int(row["prompt"].split()[1])
        assert row["reference_prompt"] == ("north" if exact[place, 1] > exact[place, 2] else "east")
        assert row["reference_cosine"] == pytest.approx(exact[place, 1:3].max(), abs=1e-3)
    with pytest.raises(CorpusError, match="no candidate has a cosine over 0.99"):
        mine_prompts(table, vectors, model, MineConfig(near=0.99), reference)
    with pytest.raises(
        CorpusError, match="no candidate has an expected cosine under -1.0.*--share"
    ):
        mine_prompts(table, vectors, model, MineConfig(below=-1.0))


@pytest.mark.parametrize(
    "settings",
    [{"below": None}, {"share": 0.0}, {"share": 1.2}, {"count": 0}, {"splits": ()}],
)
def test_limits_that_cannot_work(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        MineConfig(**settings)


def test_cosines_come_from_a_file_by_split(tmp_path: Path) -> None:
    rows = {
        "prompt": ["a", "b", "a", "c"],
        "cosine": [0.2, 0.5, 0.4, 0.9],
        "split": ["validation", "validation", "validation", "test"],
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "x.parquet")
    found = read_cosines(tmp_path / "x.parquet", ("validation",))
    assert found["prompt"].to_list() == ["a", "b"]
    assert found["cosine"].to_list() == pytest.approx([0.3, 0.5])
    assert read_cosines(tmp_path / "x.parquet", ("validation", "test")).height == 3
    pl.DataFrame(rows).drop("split").write_csv(tmp_path / "x.csv")
    assert read_cosines(tmp_path / "x.csv", ("validation",)).height == 3
    for content, said in (("prompt,score\na,1\n", "it has prompt, score"), ("", "cannot read"),
                          ("prompt,cosine\na,7\n", "between -1 and 1"),
                          ("prompt,cosine\na,much\n", "between -1 and 1")):  # fmt: skip
        (tmp_path / "bad.csv").write_text(content)
        with pytest.raises(CorpusError, match=said):
            read_cosines(tmp_path / "bad.csv", ("validation",))


def test_a_finished_run_chooses_what_to_render_next(
    cli: Any, tiny_run: Path, tmp_path: Path
) -> None:
    from unprompt.build.scenes.grammar import sample_prompts

    run, output = tmp_path / "run", tmp_path / "hard.parquet"
    shutil.copytree(tiny_run, run)
    prompts = sample_prompts(200, 99)
    known = pl.read_parquet(run / "corpus" / "prompts.parquet")["prompt"].to_list()
    (tmp_path / "candidates.txt").write_text("\n".join([*prompts, *known[:30]]))
    (tmp_path / "real.txt").write_text("\n".join(known[:50]))
    call = (
        "make", "mine", tmp_path / "candidates.txt", "--run", run, "--split", "validation",
        "--split", "test", "-o", output, "--share", 0.2, "--reference", tmp_path / "real.txt",
        "--near", 0.3, "--json",
    )  # fmt: skip
    found = cli(*call)
    assert found.code == 0, found.err
    report = json.loads(found.out)["report"]
    assert report["known"] >= 30 and report["candidates"] <= 200
    assert report["model"]["fitted_on"] == 40 == report["model"]["measured_on"]
    assert -1 <= report["model"]["spearman"] <= 1 and "correlation" in found.err
    table = pl.read_parquet(output)
    assert table.height == round(0.2 * report["near_enough"])
    assert not set(table["prompt"]) & set(known)
    assert table["expected_cosine"].is_sorted() and (table["reference_cosine"] > 0.3).all()
    cosines = pl.read_parquet(run / "report" / "cosines.parquet")
    assert cosines.schema == COSINES
    assert dict(cosines["split"].value_counts().iter_rows()) == {"validation": 40, "test": 40}
    # `eval --report` writes the same file, and its score is the mean of it
    (run / "report" / "cosines.parquet").unlink()
    scored = json.loads(cli("eval", "scenes-tiny", "-o", run, "--json", "--report").out)
    assert pl.read_parquet(run / "report" / "cosines.parquet").equals(cosines)
    blend = next(score for score in scored["methods"] if score["method"] == "blend")
    mean = cosines.filter(pl.col("split") == "test")["cosine"].mean()
    assert blend["mean_cosine"] == pytest.approx(mean, abs=1e-9)
    again = cli(*call)
    assert again.code == 0 and "made before" in again.err
    from_file = cli(
        "make", "mine", tmp_path / "candidates.txt", "--cosines", run / "report/cosines.parquet",
        "--split", "test", "-o", tmp_path / "x.txt", "--count", 5, "--below", 2,
    )  # fmt: skip
    assert from_file.code == 0, from_file.err
    assert len((tmp_path / "x.txt").read_text().splitlines()) == 5
    for wrong, said in (
        (("--split", "train", "--run", run), "unknown split 'train'"),
        ((), "one of --run and --cosines"),
        (("--run", tmp_path), "not a finished run"),
        (("--cosines", tmp_path / "none.csv"), "no file of cosines"),
    ):
        refused = cli("make", "mine", tmp_path / "candidates.txt", "-o", tmp_path / "y.txt", *wrong)
        assert refused.code == 1 and said in refused.err
