"""The bank of prompts: its grammar, drawing, choosing, and that no foreign text is in the tree."""

import re
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.make.bank.bank import BankConfig, draw_table, make_bank
from unprompt.build.make.bank.choose import choose_rows, count_votes, without_near
from unprompt.build.make.bank.expand import draw_prompts, finish_text, repeats_words
from unprompt.build.make.bank.grammar import named_rules, read_grammar, shipped_grammar
from unprompt.build.make.bank.held_texts import HeldTexts
from unprompt.index.base.errors import ConfigError

ROOT = Path(__file__).parents[1]
SMALL = """
# animals
[animal]
fox | 3 * owl
[place]
in {a} {animal} den
[prompt]
{plain}
[plain]
{a} {animal}< {place}>
"""


def test_a_small_grammar_gives_each_text() -> None:
    grammar = read_grammar(SMALL.splitlines())
    assert grammar.rules["animal"].texts == ("fox", "owl")
    assert grammar.rules["animal"].totals == (1, 4)
    assert grammar.kinds == ("plain",)
    found = dict(islice(draw_prompts(grammar, 0), 4))
    assert found.keys() == {"a fox", "an owl", "a fox in an owl den", "an owl in a fox den"}
    assert set(found.values()) == {"plain"}


def test_weights_count() -> None:
    lines = ["[prompt]", "{k}", "[k]", "{a1} {n} {n} {n}", "[a1]", "9 * often | rarely", "[n]"]
    numbers = " | ".join(map(str, range(100)))
    drawn = islice(draw_prompts(read_grammar([*lines, numbers]), 1), 2000)
    often = sum(text.startswith("often") for text, _ in drawn)
    assert 1740 < often < 1860


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("fox", "before the first rule"),
        ("[prompt]\n{nothing}", "unknown rule 'nothing'"),
        ("[prompt]\n{b}\n[b]\n{c}\n[c]\nx {b}", "lead back to themselves: b, c, prompt"),
        ("[prompt]\nx\n[prompt]\ny", "defined twice"),
        ("[prompt]\n[b]\nx", "[prompt] needs texts"),
        ("[b]\nx", "needs the rule [prompt]"),
        ("[prompt]\nx <y", "every < needs its >"),
    ],
)
def test_a_grammar_that_cannot_work_is_refused(lines: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_grammar(lines.splitlines())
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("\0 owl and \0 fox", "an owl and a fox"),
        ("\0 \0 8-bit  picture , red", "an an 8-bit picture, red"),
        ("\0 fox. an owl. f/1.4 lens.", "A fox. An owl. F/1.4 lens."),
    ],
)
def test_finishing(text: str, finished: str) -> None:
    assert finish_text(text) == finished


def test_repeated_words() -> None:
    assert repeats_words("a red fox and a red owl") and not repeats_words("a red fox and a fly")
    long = "one fox " + " ".join(f"w{n}" for n in range(12))
    assert not repeats_words(long + " fox") and repeats_words(long + " fox fox")


def test_the_shipped_grammar_uses_every_rule_and_every_form() -> None:
    grammar = shipped_grammar()
    texts = [text for rule in grammar.rules.values() for text in rule.texts]
    used = {name for text in texts for name in named_rules(text)}
    assert used == set(grammar.rules) - {"prompt"}, "no rule lies unused"
    assert len(texts) > 5000
    for name, rule in grammar.rules.items():
        twice = [text for text, count in Counter(rule.texts).items() if count > 1]
        assert not twice, f"[{name}] lists {twice} twice"


def test_the_shipped_grammar_draws_what_people_write() -> None:
    drawn = list(islice(draw_prompts(shipped_grammar(), 3), 3000))
    assert drawn == list(islice(draw_prompts(shipped_grammar(), 3), 3000)), "by its seed"
    other = {text for text, _ in islice(draw_prompts(shipped_grammar(), 4), 3000)}
    assert len(other & {text for text, _ in drawn}) < 60, "short ones can meet again"
    kinds = Counter(kind for _, kind in drawn)
    assert kinds.keys() == set(shipped_grammar().kinds) and min(kinds.values()) > 20
    lengths = sorted(len(text.split()) for text, _ in drawn)
    assert lengths[0] == 1 and 6 <= lengths[1500] <= 16 and 40 < lengths[-10] < 120
    for text, _ in drawn:
        assert not re.search(r"[{}<>\0]|  | ,|\.\.|,,", text), text


def test_votes_and_choice_by_hand() -> None:
    vectors = np.eye(4, dtype=np.float32)
    examples = np.array([[0, 0, 0.8, 0.6], [0, 0.6, 0.8, 0]], dtype=np.float32)
    votes = count_votes(vectors, examples)
    assert np.argmax(votes) == 2 and votes.sum() == pytest.approx(2 * (1 + 0.7 + 0.49 + 0.343))
    assert choose_rows(vectors, 0.8, 2).tolist() == [0, 1]
    assert choose_rows(vectors, 0.8, 1, examples).tolist() == [2]
    near = np.array([[1, 0], [0.9, 0.436], [0, 1]], dtype=np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    assert choose_rows(near, 0.8, 3).tolist() == [0, 2]
    like = np.array([[0.9, 0.436]], dtype=np.float32) / np.float32(1.00004)
    assert choose_rows(near, 0.8, 3, like).tolist() == [1, 2]
    assert without_near(near, 0.8).shape == (2, 2)


def test_a_bank_without_near_duplicates() -> None:
    minilm = pytest.importorskip("unprompt.index.prompt_encoders.target_encoder")
    encoder = minilm.load_bulk_prompt_encoder()
    config = BankConfig(count=150, drawn=260)
    grammar = shipped_grammar()

    def encode(prompts: pl.DataFrame) -> np.ndarray:
        found: np.ndarray = encoder.encode(prompts["prompt"].to_list())
        return found

    made = make_bank(grammar, config, encode)
    prompts = made.table["prompt"].to_list()
    assert len(prompts) == 150 and sum(made.report["kinds"].values()) == 150
    cosines = (vectors := encoder.encode(prompts)) @ vectors.T
    assert (cosines - np.eye(150)).max() < 0.8 + 1e-4
    assert make_bank(grammar, config, encode).table.equals(made.table)
    examples = make_prompts_table(
        pl.DataFrame({"prompt": ["a red car", "a logo of a fox"], "source": "x"})
    )
    long = next(text for text in prompts if len(text.split()) > 5)
    known = make_prompts_table(pl.DataFrame({"prompt": [long], "source": "x"}))
    assert long not in make_bank(grammar, config, encode, known).table["prompt"].to_list()
    near = make_bank(grammar, config, encode, examples).table["prompt"].to_list()
    asked = encode(examples)
    reached = (asked @ encoder.encode(near).T).max(axis=1)
    assert (reached >= (asked @ vectors.T).max(axis=1) - 1e-3).all()


def test_settings_and_the_table() -> None:
    with pytest.raises(ConfigError, match="--drawn at least as many, got 10 and 5"):
        BankConfig(count=10, drawn=5)
    with pytest.raises(ConfigError, match="--threshold"):
        BankConfig(threshold=1.5)
    table = draw_table(shipped_grammar(), BankConfig(count=400), False)
    assert table.height == 500 == table["prompt"].n_unique()
    clean = make_prompts_table(table.with_columns(source=pl.lit("bank")))
    assert clean["prompt"].equals(table["prompt"]), "already normalized"


def test_a_text_within_another_by_hand() -> None:
    held = HeldTexts(["A red fox, sleeping!", "two words", "a red fox sleeping in snow"])
    assert held.within("Photo of a RED fox sleeping in the sun") == "a red fox sleeping"
    assert held.within("a red fox") is None and held.within("two words") is None
    assert held.within("a red foxes sleeping") is None


@pytest.fixture(scope="module")
def real_prompts(shared_data: Path) -> HeldTexts:
    """The prompts of real pictures and the captions of photographs."""
    if not (shared_data / "real").is_dir():
        pytest.skip(f"no {shared_data / 'real'}: real prompts are not part of this repository")
    columns = [pl.read_parquet(path)["prompt"] for path in (shared_data / "real").glob("*.parquet")]
    lists = [column.explode() if column.dtype == pl.List else column for column in columns]
    return HeldTexts(text for column in lists for text in column)


def test_no_file_holds_a_real_prompt(real_prompts: HeldTexts) -> None:
    kinds = {".py", ".md", ".txt", ".yaml", ".yml", ".json", ".toml", ".css", ".js"}
    tree = [path for path in ROOT.rglob("*") if path.suffix in kinds and path.is_file()]
    kept = [p for p in tree if not any(part.startswith(".") for part in p.relative_to(ROOT).parts)]
    found = {
        f"{path.relative_to(ROOT)}: {held}"
        for path in kept
        for line in path.read_text("utf-8", "ignore").splitlines()
        if (held := real_prompts.within(line))
    }
    assert len(kept) > 300 and not found, found


def test_no_drawn_prompt_holds_a_real_one(real_prompts: HeldTexts) -> None:
    drawn = [text for text, _ in islice(draw_prompts(shipped_grammar(), 0), 25_000)]
    found = {held for text in drawn if (held := real_prompts.within(text))}
    assert not found, found
