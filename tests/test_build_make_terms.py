"""Combinations of terms, word lists out of prompts, modifiers behind captions."""

import json
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.build.corpus.sources.prompt_files import read_prompts
from unprompt.build.make.combine import CombineConfig, combine_terms, draw_combinations
from unprompt.build.make.extract_terms import MIN_PROMPTS, extract_terms
from unprompt.build.make.modify import ModifyConfig, find_modifiers, modify_captions
from unprompt.build.make.prompt_file import MADE_PROMPTS, MadePrompts, PromptFile
from unprompt.build.make.terms import TermLists, read_term_lists, shipped_term_lists, slots_of
from unprompt.build.make.wording import content_words
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.towers.clip_tokens import count_clip_tokens

SLOTS = {"subject": ("fox", "owl", "unicorn"), "adjective": ("old", "red"), "setting": ("at dawn",)}


def terms(*templates: str) -> TermLists:
    return TermLists(SLOTS, templates)


def test_every_combination_once_and_then_it_ends() -> None:
    made = combine_terms(terms("{a} {adjective} {subject} {setting}"), CombineConfig(count=99))
    assert sorted(made.table["prompt"]) == [
        "a red fox at dawn", "a red owl at dawn", "a red unicorn at dawn",
        "an old fox at dawn", "an old owl at dawn", "an old unicorn at dawn",
    ]  # fmt: skip
    assert made.report["combinations"] == 6
    row = made.table.row(0, named=True)
    assert row["parents"][2] == "at dawn" and all(term in row["prompt"] for term in row["parents"])


def test_templates_take_turns_until_they_run_out() -> None:
    chosen = terms("{subject}", "{adjective} {subject}", "{setting}")
    found = [made.template for made in draw_combinations(chosen, 0)]
    assert Counter(found) == {"{subject}": 3, "{adjective} {subject}": 6, "{setting}": 1}
    assert len(set(found[:3])) == 3 and set(found[-3:]) == {"{adjective} {subject}"}


def test_no_word_comes_twice_and_no_prompt_is_too_long() -> None:
    made = combine_terms(terms("{a} {subject} and {a} {subject}"), CombineConfig(count=99))
    assert made.table.height == 6 and made.report["a_word_twice"] == 3
    assert "an owl and a unicorn" in made.table["prompt"].to_list()
    short = combine_terms(terms("{subject} {setting}"), CombineConfig(max_tokens=4))
    assert short.table.is_empty() and short.report["too_long"] == 3


def test_the_shipped_lists_give_a_long_supply() -> None:
    shipped = shipped_term_lists()
    wanted = {"subject", "medium", "adjective", "verb", "action", "setting", "style"}
    assert wanted <= set(shipped.slots)
    used = {slot for template in shipped.templates for slot in slots_of(template)}
    assert used == set(shipped.slots), "no list lies unused"
    config = CombineConfig(count=2000, seed=4)
    made = combine_terms(shipped, config)
    prompts = made.table["prompt"].to_list()
    assert len(set(prompts)) == 2000 and made.report["repeated"] == 0
    assert all("{" not in prompt and "  " not in prompt for prompt in prompts)
    assert max(map(count_clip_tokens, prompts)) <= 77
    assert combine_terms(shipped, config).table.equals(made.table)
    assert combine_terms(shipped, CombineConfig(100, 4)).table.equals(made.table.head(100))
    shared = set(prompts) & set(combine_terms(shipped, CombineConfig(2000, 5)).table["prompt"])
    assert len(shared) < 20, "short templates alone can meet again"
    possible = sum(
        prod(len(shipped.slots[slot]) for slot in slots_of(template))
        for template in shipped.templates
    )
    assert made.report["combinations"] == possible > 10**12


def test_lists_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no term lists"):
        read_term_lists(tmp_path)
    (tmp_path / "subject.txt").write_text("# mine\nyak\n\n yak  \nsnow  goose\n")
    over = read_term_lists(tmp_path, shipped_term_lists())
    assert over.slots["subject"] == ("yak", "snow goose")
    assert over.slots["verb"] == shipped_term_lists().slots["verb"]
    with pytest.raises(ConfigError, match="no templates"):
        read_term_lists(tmp_path)
    (tmp_path / "template.txt").write_text("{a} {subject} on {planet}\n")
    with pytest.raises(ConfigError, match="needs terms for planet"):
        read_term_lists(tmp_path, shipped_term_lists())
    (tmp_path / "planet.txt").write_text("Mars\n")
    assert read_term_lists(tmp_path).slots.keys() == {"subject", "planet"}
    (tmp_path / "planet.txt").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot read the terms"):
        read_term_lists(tmp_path)


PEOPLE = [
    "an oil painting of a red fox riding a bicycle in the snow, in the style of cubism",
    "a red barn, smiling",
    "a red house in the snow, fox",
    "an oil painting of a barn in the style of cubism",
    "an oil painting of a house, a fox riding the bicycle",
    "a fox sitting on a bicycle in the snow, a man smiling",
    "a fox sitting on the barn, in the style of cubism, a woman smiling",
    "a house sitting on a bicycle, a cat riding a man, a fox smiling",
    "a barn and a string, in a painting of a thing",
    "a barn, a bicycle",
    "an oil painting, a house",
    *["a photo of a house, a photo"] * 3,
]


def test_terms_are_what_stands_in_their_place_in_several_prompts() -> None:
    found = extract_terms(PEOPLE)
    assert found["subject"] == ("house", "fox", "bicycle", "barn")
    assert found["medium"] == ("oil painting", "photo"), "and none of them is a subject"
    assert found["adjective"] == ("red",)
    assert found["verb"] == ("riding", "sitting on")
    assert found["action"] == ("smiling",)
    assert found["setting"] == ("in the snow",)
    assert found["style"] == ("cubism",)
    assert extract_terms(reversed(PEOPLE)) == found
    with pytest.raises(CorpusError, match=f"in {MIN_PROMPTS} prompts or more"):
        extract_terms(["a fox", "an owl"])


CORPUS = [
    *["a fox, oil on canvas, Dramatic Lighting, 8k"] * 6,
    *["an owl, ((dramatic lighting:1.2)), red fox."] * 5,
    *["one owl, seen once"] * 2,
    *["owl, of the, https://x.y/z, " + "very " * 6 + "long"] * 9,
]


def test_modifiers_are_counted_by_prompts() -> None:
    found = find_modifiers(CORPUS, ModifyConfig())
    assert found.texts == ("dramatic lighting", "8k", "oil on canvas", "red fox")
    assert found.uses.tolist() == [11, 6, 6, 5]
    assert find_modifiers(CORPUS, ModifyConfig(size=1)).texts == ("dramatic lighting",)
    banned = find_modifiers(CORPUS, ModifyConfig(), lambda text: "canvas" in text)
    assert "oil on canvas" not in banned.texts
    with pytest.raises(CorpusError, match="--min-uses"):
        find_modifiers(["a, b"], ModifyConfig())


def test_modifiers_are_drawn_as_often_as_they_are_used() -> None:
    modifiers = find_modifiers(CORPUS, ModifyConfig())
    captions = [f"thing{number}" for number in range(2000)]
    made = modify_captions(captions, modifiers, ModifyConfig(most=1))
    drawn = Counter(parents[1] for parents in made.table["parents"])
    shares = {text: drawn[text] / 2000 for text in modifiers.texts}
    for text, uses in zip(modifiers.texts, modifiers.uses / 28, strict=True):
        assert abs(shares[text] - uses) < 0.05  # over 4 standard deviations


def test_no_word_comes_twice_and_the_numbers_are_kept() -> None:
    modifiers = find_modifiers(CORPUS, ModifyConfig())
    captions = ["A fox.", "light on a canvas", "a red dramatic owl", "a boat"]
    made = modify_captions(captions, modifiers, ModifyConfig(count=60, least=1, most=3))
    assert made.table.schema == MADE_PROMPTS
    lengths = set()
    for prompt, _, parents in made.table.rows():
        words = content_words(prompt)
        assert len(words) == len(set(words)), prompt
        assert prompt == ", ".join([parents[0].removesuffix(".").replace("A ", "a "), *parents[1:]])
        lengths.add(len(parents) - 1)
    assert lengths == {1, 2, 3}
    assert made.table["prompt"].n_unique() == made.table.height < 60, "there are no more"
    assert made.report["repeated"] > 0
    again = modify_captions(captions, modifiers, ModifyConfig(count=60, least=1, most=3))
    assert again.table.equals(made.table)


def test_every_caption_once_before_one_comes_again() -> None:
    modifiers = find_modifiers(CORPUS, ModifyConfig())
    captions = [f"thing{number}" for number in range(30)]
    one = modify_captions(captions, modifiers, ModifyConfig())
    assert sorted(parents[0] for parents in one.table["parents"]) == sorted(captions)
    two = modify_captions(captions, modifiers, ModifyConfig(count=45))
    uses = Counter(parents[0] for parents in two.table["parents"][:30])
    assert set(uses.values()) == {1}
    assert two.table.height == 45 and two.table.head(30).equals(one.table)


def test_a_caption_without_room_stays_out() -> None:
    modifiers = find_modifiers(CORPUS, ModifyConfig())
    captions = ["word " * 74, "a boat"]
    made = modify_captions(captions, modifiers, ModifyConfig(seed=1))
    assert made.table.height == 1 and made.report["no_room"] == 1
    filled = modify_captions(["word " * 70] * 1, modifiers, ModifyConfig(least=1, most=5))
    assert all(count_clip_tokens(prompt) <= 77 for prompt in filled.table["prompt"])


@pytest.mark.parametrize(
    "settings", [{"least": 0}, {"least": 3, "most": 2}, {"min_uses": 0}, {"count": 0}]
)
def test_modify_settings_that_cannot_work(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        ModifyConfig(**settings)


def made_table() -> MadePrompts:
    rows = {"prompt": ["a fox, \u00e9", 'a "cat"'], "method": ["m"] * 2, "parents": [["a"], []]}
    table = pl.DataFrame(rows, schema=MADE_PROMPTS)
    return MadePrompts(table.with_columns(pl.lit(3).alias("own")), {"n": np.int64(2).item()})


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl", "x.txt", "x.TXT"])
def test_every_kind_of_file_is_read_back_with_its_parents(tmp_path: Path, name: str) -> None:
    file = PromptFile(tmp_path / name)
    assert file.finished({"a": 1}) is None
    written = file.write(made_table(), {"a": 1})
    assert read_prompts([tmp_path / name]).table["prompt"].to_list() == ["a fox, \u00e9", 'a "cat"']
    assert PromptFile(tmp_path / name).finished({"a": 1}) == written
    assert written["prompts"] == 2 and written["report"] == {"n": 2}
    if name.lower().endswith("txt"):
        record = pl.read_parquet(tmp_path / "x.record.parquet")
    elif name.endswith("jsonl"):
        record = pl.read_ndjson(tmp_path / name)
    else:
        record = pl.read_parquet(tmp_path / name)
    assert record["parents"].to_list() == [["a"], []] and record["own"].to_list() == [3, 3]
    assert not list(tmp_path.glob("*.tmp"))


def test_a_file_of_other_settings_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    PromptFile(path).write(made_table(), {"a": 1})
    for settings in ({"a": 2}, {}):
        with pytest.raises(ConfigError, match="other settings.*--overwrite"):
            PromptFile(path).finished(settings)
    assert PromptFile(path, overwrite=True).finished({"a": 2}) is None
    foreign = tmp_path / "mine.txt"
    foreign.write_text("what the user wrote")
    with pytest.raises(ConfigError, match="--overwrite"):
        PromptFile(foreign).finished({"a": 1})
    path.unlink()
    assert PromptFile(path).finished({"a": 1}) is None, "a marker alone is no file"
    with pytest.raises(ConfigError, match="must end in one of"):
        PromptFile(tmp_path / "x.csv")


def test_the_commands_combine_and_modify(cli: Any, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join([*CORPUS, *[f"{text} {n}" for n in range(4) for text in PEOPLE]]))
    made = cli("make", "terms", corpus, "-o", tmp_path / "terms", "--json")
    assert made.code == 0 and json.loads(made.out)["terms"]["medium"] == 2, made.err
    assert cli("make", "terms", corpus, "-o", tmp_path / "terms").code == 1, "lists are kept"
    found = cli(
        "make", "combine", "-o", tmp_path / "c.txt", "-n", 50, "--terms", tmp_path / "terms"
    )  # fmt: skip
    assert found.code == 0 and len((tmp_path / "c.txt").read_text().splitlines()) == 50
    output = tmp_path / "m.jsonl"
    modify = ("make", "modify", tmp_path / "c.txt", "--corpus", tmp_path / "more.txt", "-o", output)
    (tmp_path / "more.txt").write_text("\n".join(f"thing {n}, oil on canvas" for n in range(6)))
    found = cli(*modify, "--ban", "canvas")
    assert found.code == 1 and "behind a comma" in found.err
    assert cli(*modify).code == 0
    prompts = pl.read_ndjson(output)["prompt"].to_list()
    assert prompts and all(prompt.endswith(", oil on canvas") for prompt in prompts)
    missing = cli("make", "modify", tmp_path / "no.txt", "--corpus", corpus, "-o", output)
    assert missing.code == 1 and "no prompt file" in missing.err
