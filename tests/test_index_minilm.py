"""The prompt encoder reproduces the competition host's own vectors."""

import csv
from pathlib import Path

import numpy as np
import pytest

from unprompt.index.base.durable import digest_file, read_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.prompt_encoders import target_encoder as prompt_runtime
from unprompt.index.prompt_encoders.minilm import load_prompt_encoder, minilm_folder, prompt_space
from unprompt.index.prompt_encoders.target_encoder import (
    DESCRIPTION,
    is_accurate_in_bf16,
    load_bulk_prompt_encoder,
    load_query_prompt_encoder,
)
from unprompt.index.runtime.self_check import compare
from unprompt.inversion.batch.submission import write_submission


def test_the_hosts_vectors_come_back(shared_data: Path, tmp_path: Path) -> None:
    with (shared_data / "host" / "prompts.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    wanted: dict[str, float] = {}
    for line in (shared_data / "host" / "sample_submission.csv").read_text().splitlines()[1:]:
        name, value = line.split(",")
        wanted[name] = float(value)
    vectors = load_prompt_encoder().encode([row["prompt"] for row in rows])
    path = tmp_path / "submission.csv"
    write_submission(path, zip([row["imgId"] for row in rows], vectors, strict=True))
    found = dict(line.split(",") for line in path.read_text().splitlines()[1:])
    assert found.keys() == wanted.keys()
    worst = max(abs(float(found[name]) - value) for name, value in wanted.items())
    assert worst < 1e-5


def test_vectors_are_unit_length_and_do_not_depend_on_the_batch() -> None:
    encoder = load_prompt_encoder()
    texts = ["a red fox in the snow", "an owl", "a very long prompt, " * 60, ""]
    together = encoder.encode(texts)
    assert together.shape == (4, encoder.dim) and together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_near_prompts_are_nearer() -> None:
    fox, red_fox, castle = load_prompt_encoder().encode(
        ["a fox in the snow", "a red fox in snow", "a castle on a hill, oil painting"]
    )
    assert fox @ red_fox > 0.8 > 0.4 > fox @ castle


def test_space_is_the_weights() -> None:
    digest = digest_file(minilm_folder() / "model.safetensors")
    assert load_prompt_encoder().space == digest[:16] == prompt_space(str(minilm_folder()))
    assert load_prompt_encoder() is load_prompt_encoder(), "loaded once"
    assert prompt_space("org/another-model") == "hub:org/another-model"


def test_a_hub_model_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="(?s)cannot load the prompt encoder.*all-MiniLM-L6-v2"):
        load_prompt_encoder("no-such-org/no-such-model")


def test_a_corpus_encoded_a_batch_a_core_is_the_same() -> None:
    """The fast way gives sentence-transformers' vectors, whatever stands beside a prompt."""
    words = "a red fox in the snow at dawn, oil painting by an old master".split()
    texts = [" ".join(words[: 1 + n % len(words)] * (1 + n % 5)) for n in range(75)] + ["", "🦊"]
    wanted = load_prompt_encoder().encode(texts)
    encoder = load_bulk_prompt_encoder(2)
    found = encoder.encode(texts)
    assert encoder.space == load_prompt_encoder().space
    assert found.shape == (77, 384) and found.dtype == np.float32
    assert compare(wanted, found).lowest >= 0.9999
    np.testing.assert_array_equal(found, load_bulk_prompt_encoder(1).encode(texts))
    assert encoder.encode([]).shape == (0, 384)


def test_a_query_encodes_as_a_corpus_does() -> None:
    """Its texts are filled up to few lengths, which changes nothing."""
    texts = ["an owl", "a red fox in the snow at dawn, oil painting", "moon " * 30, ""]
    query = load_query_prompt_encoder()
    assert compare(load_bulk_prompt_encoder(1).encode(texts), query.encode(texts)).lowest >= 0.9999
    assert compare(load_prompt_encoder().encode(texts), query.encode(texts)).lowest >= 0.9999


def test_bf16_is_chosen_where_it_keeps_the_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = prompt_runtime._prepare()
    kept = is_accurate_in_bf16(folder)
    assert read_json(folder / DESCRIPTION)["precision"] == ("bf16" if kept else "f32")
    monkeypatch.setattr(prompt_runtime, "FLOOR", 1.01)
    assert not is_accurate_in_bf16(folder)
