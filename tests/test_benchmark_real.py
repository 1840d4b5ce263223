"""benchmarks/real.py: folds by source, weights, predictors and scores on hand-made rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unprompt.index.pairs.pair_tables import labelled_frame

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import real

    return real


def made_rows(real: Any, sources: list[str], prompts: list[str], kinds: list[str]) -> Any:
    """Rows whose target is an axis by the first letter of the prompt, and whose feature is it."""
    count = len(sources)
    table = labelled_frame(
        {
            "name": [str(row) for row in range(count)],
            "prompts": [[prompt] for prompt in prompts],
            "source": sources,
            "kind": kinds,
            "path": [""] * count,
        }
    )
    targets = np.zeros((count, 6), np.float32)
    targets[np.arange(count), ["abcdef".index(prompt[0]) for prompt in prompts]] = 1.0
    return real.RealRows(table, targets, {"tower": targets[:, ::-1].copy()})


@pytest.fixture
def rows(real: Any) -> Any:
    return made_rows(
        real,
        ["one", "one", "two", "two", "three", "photo", "one"],
        ["a1", "a1", "b1", "c1", "a2", "d1", "e1"],
        ["generated"] * 5 + ["photos", "generated"],
    )


def test_a_fold_leaves_the_source_and_near_prompts_out(real: Any, rows: Any) -> None:
    found = {fold.source: fold for fold in real.folds(rows, smallest=2)}
    assert set(found) == {"one", "two"}, "three is too small and photographs are no test"
    fold = found["one"]
    assert fold.test.table["name"].to_list() == ["0", "1", "6"]
    assert fold.train.table["name"].to_list() == ["2", "3", "5"], "row 4 has the target of row 0"
    assert found["two"].train.table["name"].to_list() == ["0", "1", "4", "5", "6"]


def test_weights_count_prompts_and_style_sheets(real: Any) -> None:
    rows = made_rows(
        real,
        ["one", "one", "SupaGruen/x", "two"],
        ["a", "a", "b", "c"],
        ["generated"] * 4,
    )
    np.testing.assert_allclose(rows.weights, [0.5**0.5, 0.5**0.5, 0.15, 1.0])


def test_measure_averages_by_prompt_then_by_source(real: Any, rows: Any) -> None:
    def first_axis(train: Any, test: Any) -> np.ndarray:
        assert not set(train.table["name"]) & set(test.table["name"])
        return np.tile(np.eye(6, dtype=np.float32)[0], (len(test.targets), 1))

    scores = real.measure(rows, {"first axis": first_axis}, smallest=2)["first axis"]
    assert [score.name for score in scores] == ["one", "two", "mean"]
    # source one: prompt a1 has 1.0 in both pictures, e1 has 0.0; source two has 0.0
    assert [score.mean_cosine for score in scores] == [0.5, 0.0, 0.25]
    assert scores[0].prompts == 2 and scores[0].pictures == 3
    assert scores[2].prompts == 4 and scores[2].pictures == 5


@pytest.mark.parametrize("name", ["ridge", "kernel"])
def test_regressions_learn_a_linear_map(real: Any, name: str) -> None:
    from real_predictors import KernelRidge, Ridge

    generator = np.random.default_rng(0)
    features = generator.standard_normal((80, 6)).astype(np.float32)
    targets = features[:, ::-1] / np.linalg.norm(features, axis=1, keepdims=True)
    whole = made_rows(real, ["one"] * 80, [f"a{row}" for row in range(80)], ["generated"] * 80)
    rows = real.RealRows(whole.table, targets, {"tower": features})
    predictor = Ridge(("tower",)) if name == "ridge" else KernelRidge(("tower",), penalty=0.01)
    found = predictor(rows.take(np.arange(60)), rows.take(np.arange(60, 80)))
    cosines = (found * targets[60:]).sum(axis=1)
    assert cosines.mean() > 0.9


def test_largest_eigenvalue(real: Any) -> None:
    from real_predictors import largest_eigenvalue

    assert largest_eigenvalue(np.diag([1.0, 5.0, 2.0])) == pytest.approx(5.0)


def test_report_writes_json(real: Any, rows: Any, tmp_path: Path, capsys: Any) -> None:
    from real_predictors import constant

    real.report(real.measure(rows, {"constant": constant}, smallest=2), tmp_path)
    assert "| mean |" in capsys.readouterr().out
    assert (tmp_path / "real.json").is_file()


def test_without_pairs_it_says_so(real: Any, monkeypatch: Any, tmp_path: Path, capsys: Any) -> None:
    monkeypatch.setattr("sys.argv", ["real.py", "--folder", str(tmp_path / "none")])
    real.main()
    assert "no real pairs in" in capsys.readouterr().err


def test_take_selects_rows_by_mask(rows: Any) -> None:
    taken = rows.take(np.array([True, False, True, False, False, False, False]))
    assert taken.table["name"].to_list() == ["0", "2"]


def test_a_predictor_of_another_file_and_one_source(real: Any, rows: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def answer(train, test):\n    return test.targets\n", encoding="utf-8")
    name, predict = real.load_predictor(f"mine={path}:answer")
    scores = real.measure(rows, {name: predict}, only=("tw",), smallest=2)["mine"]
    assert [(score.name, score.mean_cosine) for score in scores] == [("two", 1.0), ("mean", 1.0)]
    with pytest.raises(SystemExit, match="--add wants"):
        real.load_predictor("mine=none.py:answer")
