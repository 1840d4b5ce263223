"""Phrases and composed prompts: words are kept, banned terms never come, limits hold."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.terms import read_terms
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.towers.clip_tokens import count_clip_tokens, fits_clip
from unprompt.inversion.compose.ban_list import BanList
from unprompt.inversion.compose.beam_search import Composer
from unprompt.inversion.compose.draft import SMALL_WORDS
from unprompt.inversion.compose.phrases import (
    Phrase,
    join_phrases,
    load_bank,
    make_bank,
    save_bank,
    split_phrases,
    words,
)
from unprompt.inversion.compose.settings import ComposeConfig
from unprompt.inversion.inverter import Inverter

PROMPTS = (
    "a red fox in the style of a comic book, at golden hour",
    "in the rain, a chess pawn next to two foxes",
    "portrait of a woman, by Greg Rutkowski, octane render, 8k",
    "",
    ",,  ,",
    "of",
)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_phrases_joined_give_the_words_back(prompt: str) -> None:
    assert words(join_phrases(split_phrases(prompt))) == words(prompt)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abof in,.th-'", max_size=40))
def test_no_word_is_lost(prompt: str) -> None:
    assert words(join_phrases(split_phrases(prompt))) == words(prompt)


def test_where_phrases_begin() -> None:
    assert [phrase.text for phrase in split_phrases(PROMPTS[0])] == [
        "a red fox", "in the style of a comic book", "at golden hour",
    ]  # fmt: skip
    assert split_phrases(PROMPTS[0])[2] == Phrase(", ", "at", "golden hour")


def test_sentences_are_phrases() -> None:
    prose = "A fox by J. M. W. Turner, at f/1.4. In the background burns a fire! Soft light."
    assert split_phrases(prose) == (
        Phrase("", "", "A fox"), Phrase(" ", "by", "J. M. W. Turner"), Phrase(", ", "at", "f/1.4"),
        Phrase(". ", "In", "the background burns a fire"), Phrase(". ", "", "Soft light"),
    )  # fmt: skip


class Letters:
    """A prompt encoder whose vectors count letters: close texts have close letters."""

    space, dim = "letters", 26

    def encode(self, texts: Any) -> np.ndarray:
        counts = [[text.lower().count(chr(97 + place)) for place in range(26)] for text in texts]
        return to_unit_length(np.array(counts, dtype=np.float32).reshape(-1, 26))


def test_bank_there_and_back(tmp_path: Path) -> None:
    prompts = ["a fox, at night", "a dog, at night", "a fox, by day"]
    bank = make_bank(prompts, Letters(), 10)
    assert [phrase.text for phrase in bank.phrases] == ["a fox", "at night"]
    assert bank.counts.tolist() == [2, 2]
    save_bank(tmp_path, bank)
    found = load_bank(tmp_path)
    assert found.phrases == bank.phrases
    np.testing.assert_allclose(found.vectors, bank.vectors, atol=1e-3)


def test_ban_list_takes_whole_words() -> None:
    banned = BanList(["Van Gogh", "cat"])
    assert banned.hits("a CAT.") and banned.hits("by van-gogh") and banned.hits("(van gogh:1.2)")
    assert not banned.hits("a category of vans") and not BanList([]).hits("anything")


def test_ban_from_file_list_and_term(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("# mine\nneon sign\n\n8k\n")
    found = read_terms([str(tmp_path / "own.txt"), "artists", "blurry"])
    assert {"neon sign", "8k", "blurry", "Greg Rutkowski"} <= set(found)
    assert "# mine" not in found
    with pytest.raises(ConfigError, match="no such file"):
        read_terms([str(tmp_path / "missing.txt")])


@pytest.fixture(scope="module")
def composer(tiny_run: Path) -> Composer:
    found = Inverter.load(tiny_run / "bundle").composer
    assert found is not None
    return found


@pytest.fixture(scope="module")
def vectors(tiny_run: Path) -> np.ndarray:
    index = Inverter.load(tiny_run / "bundle").index
    targets = np.asarray(index.targets, np.float32)
    mixed = targets[:40] + 0.7 * targets[40:80] + 0.5 * targets[80:120]
    return to_unit_length(mixed)


def test_composed_text_is_closer_than_any_known_prompt(
    composer: Composer, vectors: np.ndarray, tiny_run: Path
) -> None:
    """And its cosine is what the prompt encoder itself says of the text."""
    from unprompt.index.prompt_encoders.minilm import load_prompt_encoder

    index = Inverter.load(tiny_run / "bundle").index
    known = (np.asarray(index.targets, np.float32) @ vectors[:8].T).max(axis=0)
    made = [composer.compose(vector) for vector in vectors[:8]]
    own = load_prompt_encoder().encode([composition.text for composition in made])
    cosines = np.einsum("nd,nd->n", own, vectors[:8])
    for composition, cosine in zip(made, cosines, strict=True):
        assert composition.cosine == pytest.approx(float(cosine), abs=2e-3)
    assert cosines.mean() > known.mean() + 0.02
    assert composer.compose(vectors[0]) == made[0], "the same twice"


def test_every_phrase_says_where_it_comes_from(composer: Composer, vectors: np.ndarray) -> None:
    for vector in vectors[:4]:
        made = composer.compose(vector, config=ComposeConfig(prefix="best", suffix="8k"))
        assert "".join(origin.text for origin in made.phrases) == made.text
        assert made.text.startswith("best, ") and made.text.endswith(", 8k")
        for origin in made.phrases:
            if origin.source == "neighbor":
                assert origin.prompt and set(words(origin.text)) <= set(words(origin.prompt))


@settings(max_examples=12, deadline=None)
@given(place=st.integers(0, 39), data=st.data())
def test_banned_terms_never_come(
    composer: Composer, vectors: np.ndarray, place: int, data: Any
) -> None:
    """Ban words of the answer itself: they are gone, and no word comes twice."""
    free = composer.compose(vectors[place])
    own = sorted(set(words(free.text)) - SMALL_WORDS)
    ban = tuple(data.draw(st.lists(st.sampled_from(own), min_size=1, max_size=4, unique=True)))
    made = composer.compose(vectors[place], config=ComposeConfig(ban=ban, rounds=2, tried=6))
    found = words(made.text)
    for term in ban:
        assert term not in re.findall(r"[^\W_]+", made.text.lower())
    content = [word for word in found if word not in SMALL_WORDS]
    assert len(content) == len(set(content))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=90),
        st.text(alphabet="abcdefgh tno'&;ltg,.4", max_size=160),
        st.lists(st.sampled_from(["a", "glowing", "&amp;", "8k,", "Ünï", "fox"]), max_size=60).map(
            " ".join
        ),
    ),
    st.integers(3, 90),
)
def test_what_fits_is_what_the_tokens_say(text: str, most: int) -> None:
    count = count_clip_tokens(text)
    assert fits_clip(text, most) == (count <= most)
    assert fits_clip(text, count) and not fits_clip(text, count - 1)


@pytest.mark.parametrize("limit", [6, 9, 14])
def test_length_is_counted_in_clip_tokens(
    composer: Composer, vectors: np.ndarray, limit: int
) -> None:
    config = ComposeConfig(max_tokens=limit, rounds=1, tried=6)
    for vector in vectors[:6]:
        made = composer.compose(vector, config=config)
        assert not made.text or count_clip_tokens(made.text) <= limit


def test_token_counts_are_those_of_clip() -> None:
    import open_clip

    tokens = open_clip.get_tokenizer("ViT-B-32")(["a red fox, 8k"])[0]
    assert count_clip_tokens("a red fox, 8k") == int((tokens != 0).sum())


def test_when_everything_is_banned(composer: Composer, vectors: np.ndarray) -> None:
    every = tuple({word for phrase in composer._source.bank.phrases for word in words(phrase.text)})
    rows = composer._source.index.rows["prompt"]
    every += tuple({word for prompt in rows for word in words(prompt)})
    assert composer.compose(vectors[0], config=ComposeConfig(ban=every)).text == ""


def test_negative_prompt_points_away(composer: Composer, vectors: np.ndarray) -> None:
    from unprompt.index.prompt_encoders.minilm import load_prompt_encoder

    encoder = load_prompt_encoder()
    negative = composer.negative(vectors[0], ComposeConfig(ban=("neon",)))
    assert negative.count(",") >= 3 and "neon" not in negative
    own = composer.compose(vectors[0]).text
    away, towards = encoder.encode([negative, own]) @ vectors[0]
    assert away < towards - 0.3


def test_without_a_prompt_encoder_a_known_prompt_answers(
    composer: Composer, vectors: np.ndarray
) -> None:
    plain = Composer(composer._source.index, composer._source.bank, None, fits_clip)
    made = plain.compose(vectors[0])
    assert made.text.rstrip(".") in {p.rstrip(".") for p in composer._source.index.rows["prompt"]}
