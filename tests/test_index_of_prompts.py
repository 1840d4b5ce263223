"""An index of prompts by their own vectors: one copy, decoded targets, changes, the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.keys.index_prompts import EncodedPrompts, index_prompts, prompt_rows
from unprompt.index.base.errors import ConfigError, SpaceMismatchError
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.rebuild import merge_indexes, read_content, rebuild_index
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.update import add_rows, remove_rows
from unprompt.index.store.write import write_index


def encoded(count: int = 300, seed: int = 0, dim: int = 32) -> EncodedPrompts:
    names = pl.DataFrame({"prompt": [f"prompt {seed}-{n}" for n in range(count)], "source": "x"})
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return EncodedPrompts(make_prompts_table(names), vectors, "words")


def content(made: EncodedPrompts) -> IndexContent:
    rows = prompt_rows(made.prompts)
    return IndexContent(rows, made.vectors, made.vectors, made.space, made.space, "prompt")


@pytest.mark.parametrize("factory,lowest", [("SQ8", 0.9995), ("SQ4", 0.98), ("Flat", 0.99999)])
def test_the_codes_are_the_targets(tmp_path: Path, factory: str, lowest: float) -> None:
    made = encoded()
    manifest = index_prompts(tmp_path / "index", made, factory)
    assert manifest.keys == "prompt" and manifest.space == manifest.target_space == "words"
    names = sorted(path.name for path in (tmp_path / "index").iterdir())
    assert names == ["index.faiss", "manifest.json", "rows.parquet"]
    index = PromptIndex.load(tmp_path / "index")
    assert index.targets.shape == made.vectors.shape and index.targets[7].shape == (32,)
    assert index.targets[np.array([[3, 4], [5, -1]])].shape == (2, 2, 32)
    np.testing.assert_array_equal(index.targets[-1], index.targets[299])
    assert index.targets[:0].shape == (0, 32)
    decoded = np.asarray(index.targets)
    assert np.einsum("nd,nd->n", decoded, made.vectors).min() > lowest
    np.testing.assert_allclose(np.linalg.norm(decoded, axis=1), 1.0, atol=1e-5)
    assert (index.search(made.vectors, 1).rows[:, 0] == np.arange(300)).all()
    assert index.read_values([2, 0], "prompt")["prompt"] == ["prompt 0-2", "prompt 0-0"]
    mean = made.vectors.mean(axis=0)
    assert float(index.mean_target @ mean) > 0.95 * float(np.linalg.norm(mean))
    index.verify()


def test_a_reversible_transform_and_lists_decode_too(tmp_path: Path) -> None:
    made = encoded(2000)
    index_prompts(tmp_path / "pca", made, "PCA32,SQ8")
    index_prompts(tmp_path / "lists", made, "IVF8,SQ8")
    for name in ("pca", "lists"):
        decoded = np.asarray(PromptIndex.load(tmp_path / name).targets)
        assert np.einsum("nd,nd->n", decoded, made.vectors).min() > 0.999, name


def test_codes_that_lose_the_vectors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not give the vectors of prompts back"):
        index_prompts(tmp_path / "index", encoded(), "PCAW16,L2norm,SQ8")
    assert not (tmp_path / "index").exists(), "nothing is left"
    other = content(encoded())._replace(space="pictures")
    with pytest.raises(SpaceMismatchError):
        write_index(tmp_path / "index", other, other.keys[:0], IndexConfig(factory="SQ8"))


def test_rows_come_and_go(tmp_path: Path) -> None:
    first, second = encoded(), encoded(40, seed=1)
    folder = tmp_path / "index"
    index_prompts(folder, first)
    assert add_rows(folder, content(second)).added == 40
    index = PromptIndex.load(folder)
    assert index.targets.shape == (340, 32)
    assert float(index.targets[310] @ second.vectors[10]) > 0.99
    remove_rows(folder, index.rows["row_id"][:300].to_list())
    index = PromptIndex.load(folder)
    assert len(index.targets) == 40 and index.rows["prompt"][0] == "prompt 1-0"
    assert np.einsum("nd,nd->n", np.asarray(index.targets), second.vectors).min() > 0.99
    assert read_content(folder).keys.shape == (40, 32), "the codes serve as keys"
    rebuild_index(folder, IndexConfig(factory="SQ8", keep_keys=False))
    assert PromptIndex.load(folder).manifest.stored == 40
    index_prompts(tmp_path / "other", first)
    assert merge_indexes([tmp_path / "other", folder], tmp_path / "both").manifest.ntotal == 340


def test_the_command_makes_a_folder_once(cli: Any, tmp_path: Path) -> None:
    prompts = [f"a {color} {thing} in the rain" for color in ("red", "blue", "green", "old")
               for thing in ("fox", "car", "castle", "robot")]  # fmt: skip
    file, folder = tmp_path / "prompts.txt", tmp_path / "bank"
    file.write_text("\n".join(prompts), encoding="utf-8")
    found = cli("index", "prompts", file, "-o", folder, "--json")
    assert found.code == 0 and json.loads(found.out)["rows"] == 16
    assert sorted(path.name for path in folder.iterdir()) == ["index", "made.json", "phrases"]
    listed = json.loads((folder / "phrases" / "phrases.json").read_text())
    assert ["in", "the rain", 16] in listed
    index = PromptIndex.load(folder / "index")
    targets = np.asarray(index.targets)
    assert (index.search(targets, 1).rows[:, 0] == np.arange(16)).all()
    from unprompt.index.prompt_encoders.target_encoder import load_query_prompt_encoder

    own = load_query_prompt_encoder().encode(index.rows["prompt"].to_list())
    assert np.einsum("nd,nd->n", own, targets).min() > 0.99
    again = cli("index", "prompts", file, "-o", folder)
    assert again.code == 0 and "made before" in again.err
    other = cli("index", "prompts", file, "-o", folder, "--factory", "SQ4")
    assert other.code == 1 and "choose another --output" in other.err
    assert cli("index", "info", folder).code == 0
