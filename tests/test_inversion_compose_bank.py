"""Composing from an index of prompts by their own vectors: known, short and vague vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.keys.index_prompts import EncodedPrompts, index_prompts
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.compose.beam_search import Composer
from unprompt.inversion.compose.phrases import make_bank
from unprompt.inversion.compose.settings import ComposeConfig

PROMPTS = [
    f"{thing} {place}, {medium}"
    for thing in ("a red fox", "an old castle", "a blue sports car", "a portrait of a queen")
    for place in ("in the snow", "by the sea", "at night")
    for medium in ("oil painting", "pixel art", "polaroid")
]


@pytest.fixture(scope="module")
def encoder() -> Any:
    from unprompt.index.prompt_encoders.target_encoder import load_query_prompt_encoder

    return load_query_prompt_encoder()


@pytest.fixture(scope="module")
def composer(encoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Composer:
    table = make_prompts_table(pl.DataFrame({"prompt": PROMPTS, "source": "x"}))
    folder: Path = tmp_path_factory.mktemp("bank") / "index"
    index_prompts(folder, EncodedPrompts(table, encoder.encode(PROMPTS), encoder.space))
    bank = make_bank(PROMPTS, encoder, 50)
    return Composer(PromptIndex.load(folder), bank, encoder, lambda text, most: True)


def test_a_known_prompt_comes_back(composer: Composer, encoder: Any) -> None:
    (vector,) = encoder.encode([PROMPTS[7]])
    made = composer.compose(vector)
    assert made.text == PROMPTS[7] and made.cosine is not None and made.cosine > 0.999
    assert {origin.prompt for origin in made.phrases} == {PROMPTS[7]}


def test_a_single_phrase_is_enough(composer: Composer, encoder: Any) -> None:
    (vector,) = encoder.encode(["a red fox"])
    made = composer.compose(vector)
    assert made.text == "a red fox" and made.phrases[0].source == "corpus"
    banned = composer.compose(vector, config=ComposeConfig(ban=("fox",)))
    assert banned.text and "fox" not in banned.text


def test_a_vague_vector_gets_a_nearer_text(composer: Composer, encoder: Any) -> None:
    known = encoder.encode(PROMPTS)
    vague = known[[2, 5, 20]].mean(axis=0)
    vague /= np.linalg.norm(vague)
    made = composer.compose(vague)
    assert made.cosine is not None and made.cosine > (known @ vague).max()
