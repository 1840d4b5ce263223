"""Drawn orders and numbered choices: each exactly once, the same by the same seed."""

from collections import Counter
from itertools import combinations, permutations, product
from math import comb, factorial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unprompt.build.make.permutations import (
    RandomPermutation,
    unrank_combination,
    unrank_permutation,
    unrank_product,
)
from unprompt.build.make.wording import article, as_clause, content_words
from unprompt.index.towers.clip_tokens import count_clip_tokens, fits_clip


@given(st.integers(0, 700), st.integers(0, 10))
def test_an_order_holds_every_place_once(size: int, seed: int) -> None:
    order = RandomPermutation(size, "test", seed)
    assert sorted(order) == list(range(size))
    assert list(order) == list(RandomPermutation(size, "test", seed))


def test_seeds_draw_other_orders_and_none_is_favoured() -> None:
    found = Counter(tuple(RandomPermutation(3, seed)) for seed in range(1200))
    assert set(found) == set(permutations(range(3)))
    assert min(found.values()) > 140  # 200 each is even; 4.5 standard deviations below


def test_an_order_of_any_size_needs_no_memory() -> None:
    size = 10**30
    order = RandomPermutation(size, 1)
    first = [order[place] for place in range(1000)]
    assert len(set(first)) == 1000 and all(0 <= place < size for place in first)
    assert 0.4 < sum(place < size // 2 for place in first) / 1000 < 0.6
    with pytest.raises(IndexError):
        order[size]


@pytest.mark.parametrize(("things", "size"), [(5, 1), (6, 2), (7, 3), (4, 4)])
def test_every_subset_has_its_number(things: int, size: int) -> None:
    found = [unrank_combination(rank, things, size) for rank in range(comb(things, size))]
    assert sorted(found) == list(combinations(range(things), size))


def test_a_number_of_a_large_choice() -> None:
    total = comb(1000, 3)
    assert unrank_combination(0, 1000, 3) == (0, 1, 2)
    assert unrank_combination(total - 1, 1000, 3) == (997, 998, 999)


def test_every_digit_and_every_sequence_has_its_number() -> None:
    sizes = (2, 3, 2)
    digits = {unrank_product(rank, sizes) for rank in range(12)}
    assert digits == set(product(*map(range, sizes)))
    orders = {unrank_permutation(rank, (7, 8, 9)) for rank in range(factorial(3))}
    assert orders == set(permutations((7, 8, 9)))


@pytest.mark.parametrize(
    ("caption", "plain"),
    [
        ("A cat sits on a mat. ", "a cat sits on a mat"),
        ("The Eiffel Tower", "the Eiffel Tower"),
        ("Paris in May", "Paris in May"),
        ("A", "A"),
    ],
)
def test_a_caption_becomes_part_of_a_text(caption: str, plain: str) -> None:
    assert as_clause(caption) == plain


def test_articles_follow_the_sound() -> None:
    an = ("apple", "owl", "hour", "honest man", "umbrella", "unfinished house", "Ibis", "8k photo")
    a = ("fox", "unicorn", "uniform", "European", "one-eyed cat", "utensil", "hero", "4k photo")
    assert {article(word) for word in an} == {"an"}
    assert {article(word) for word in a} == {"a"}


def test_words_that_may_stand_twice_are_no_content() -> None:
    words = content_words("The fox and THE hen, in a well-lit barn of oak; a 35mm photo")
    assert words == ["fox", "hen", "well-lit", "barn", "oak", "35mm", "photo"]


@pytest.mark.parametrize("text", ["a fox", "word " * 74, "word " * 75, "word " * 76, "\u3042" * 40])
def test_the_limit_is_that_of_the_tokenizer(text: str) -> None:
    assert fits_clip(text, 77) == (count_clip_tokens(text) <= 77)


def test_tokens_are_counted_as_open_clip_does(shared_data: Path) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    reference = SimpleTokenizer()
    texts = [
        *(shared_data / "prompts" / "sd_prompts.txt").read_text().splitlines()[::20],
        "don't you'll I'M", "a<start_of_text>b", "&amp;amp; x", "\u0130stanbul \uff11 \ufb01ne",
        "\U0001f642 \u3042", "",
    ]  # fmt: skip
    assert len(texts) > 2000
    for text in texts:
        assert count_clip_tokens(text) == len(reference.encode(text)) + 2, text
