"""Each rule on sample prompts, all rules on random text, and shards after a kill."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from unprompt.build.corpus.cleaning import clean_shards as shards_module
from unprompt.build.corpus.cleaning import syntax
from unprompt.build.corpus.cleaning.clean_rows import Cleaned, Cleaner, merge_examples
from unprompt.build.corpus.cleaning.clean_shards import clean_shards, read_examples, sum_counts
from unprompt.build.corpus.cleaning.clip_length import over_clip_tokens
from unprompt.build.corpus.cleaning.config import CleanConfig
from unprompt.build.corpus.cleaning.language import is_foreign, letter_shares
from unprompt.build.corpus.cleaning.repeats import repeated_share
from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.corpus.sources.prompt_files import PromptFiles, read_nsfw
from unprompt.index.base.durable import digest_file
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.row_shards import RowShards
from unprompt.index.base.settings import read_settings
from unprompt.index.towers.clip_tokens import count_clip_tokens

SD_PROMPTS = Path(__file__).parents[2] / "shared" / "data" / "prompts" / "sd_prompts.txt"
ORDINARY = [
    "a fox in the snow, oil painting",
    "Rick and Morty (2013), film still, well-lit",
    "a man - half machine - at 16:9 o'clock",
    "two cats & a dog; trending on artstation, 8k",
    "the sign says <3, i love etsy.com",
    "Matthew (3:16) -- the verse",
    "a 3 d render of a spider-man, f / 1. 4",
]
RULES_OFF: dict[str, object] = {
    "tags": False, "flags": False, "weights": False, "urls": "keep", "repeated_phrases": False
}  # fmt: skip


def table_of(*prompts: str | None) -> pl.DataFrame:
    raw = {"prompt": prompts, "source": ["a.txt"] * len(prompts)}
    return pl.DataFrame(raw, schema={"prompt": pl.String, "source": pl.String})


def clean(config: CleanConfig, *prompts: str | None) -> Cleaned:
    return Cleaner(config)(table_of(*prompts))


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("a cat <lora:add_detail:0.8>, 8k", "a cat, 8k"),
        ("<hitokomoru-style> a cat", "a cat"),
        ("<@151454530947514369> a knight in armour", "a knight in armour"),
        ("embedding:bad-hands-5:1.2, a hand", "a hand"),
        ("a deer head, --ar 3:2-- v 4 -- q 2", "a deer head"),
        ("portrait photography--beta --ar 2:3  --upbeta", "portrait photography"),
        ("a garden --no trees, well-lit cars --v 5", "a garden"),
        ("landscape \u2014ar 16:9 \u2014q 2", "landscape"),
        ("a bee, --ar 3:2 by josephine wall", "a bee, by josephine wall"),
        ("a cat --v 4 -", "a cat"),
        ("gold::1 direct sunlight::1 defocus::-0.5 --quality 2", "gold, direct sunlight"),
        ("a boy :: side profile :: 8k", "a boy, side profile, 8k"),
        ('!dream "a cat on a mat" -s 50 -W 512 -C 7.5 -A k_lms', "a cat on a mat"),
        ("/imagine prompt: a cat --style 4b", "a cat"),
        ("(8k photograph:1.2), a cat", "8k photograph, a cat"),
        ("((a cat)), (solo), [[mat]]", "a cat, solo, mat"),
        ("( ( ( easter ) ) ) bunny", "easter bunny"),
        ("{{{ink}}}, (masterpiece))),(((best", "ink, masterpiece, best"),
        ("(a (red:1.1) cat:1.2) on a mat", "a red cat on a mat"),
        ("saber \\(fate\\), ((blonde))", "saber (fate), blonde"),
        ("[a cat:a dog:0.5] runs", "a cat a dog runs"),
        ("a thumb.[1]", "a thumb."),
        ("(blurry: -0.5) a cat", "a cat"),
        ("a cat https://example.com/cat.png?w=3 on a mat", "a cat on a mat"),
        ("in the style of instagram.com/someone , forest", "forest"),
        ("see www.example.com", "see"),
        ("an oak, Detailed, 8k, detailed ,  8K", "an oak, Detailed, 8k"),
    ],
)
def test_syntax_of_programs_goes(written: str, cleaned: str) -> None:
    found = clean(CleanConfig(), written)
    assert found.table["prompt"].to_list() == [cleaned]
    assert found.counts["rewritten"] == 1


@pytest.mark.parametrize("prompt", ORDINARY)
def test_the_defaults_leave_ordinary_prompts_alone(prompt: str) -> None:
    found = clean(CleanConfig(), prompt)
    assert found.table["prompt"].to_list() == [prompt]
    assert set(found.counts.values()) == {0} and found.examples.height == 0


def test_switched_off_a_rule_changes_nothing() -> None:
    marked = "(cat:1.2) <lora:x:1>, 8k, 8k https://example.com/x --v 5"
    config = read_settings(CleanConfig, RULES_OFF, "here")
    assert clean(config, marked).table["prompt"].to_list() == [marked]
    assert not config.rewrites and CleanConfig().rewrites


PIECES = ["(", ")", "[", "]", "{", "}", ":", "::", "1.2", "-", "--", "ar", "16:9", "v", "4", " ",
          ", ", "a cat", "8k", "<", ">", "lora", "\\(", "\\)", "\u2014", "!dream ", '"', "no",
          "https://x.y", "\u00e9", "\u4e00"]  # fmt: skip


def test_what_is_clean_stays_as_it_is() -> None:
    draw = random.Random(5)
    prompts = ["".join(draw.choices(PIECES, k=draw.randrange(15))) for _ in range(3000)]
    once = clean(CleanConfig(), *prompts)
    twice = Cleaner(CleanConfig())(once.table)
    assert twice.table.equals(once.table)
    assert once.table.height + once.counts["blank"] + once.counts["drop.min_words"] == 3000


def test_artists_are_stripped_or_their_prompts_dropped() -> None:
    prompts = (
        "a fox, digital painting, art by Greg Rutkowski and alphonse mucha, 8k",
        "magical scenery painted by makoto shinkai",
        "a fox by my aunt",
    )
    stripped = clean(CleanConfig(artists="strip"), *prompts)
    assert stripped.table["prompt"].to_list() == [
        "a fox, digital painting, 8k", "magical scenery", "a fox by my aunt"
    ]  # fmt: skip
    assert clean(CleanConfig(artists="drop"), *prompts).table["prompt"].to_list() == [prompts[2]]
    own = CleanConfig(artists="drop", artist_names=("my aunt",))
    assert clean(own, *prompts).counts["drop.artists"] == 1
    with pytest.raises(ConfigError, match="no such file"):
        Cleaner(CleanConfig(artists="drop", artist_names=("missing.txt",)))


@pytest.mark.parametrize(
    ("settings", "kept", "dropped"),
    [
        ({"min_words": 3}, "a red fox", "red fox"),
        ({"max_words": 3}, "a red fox", "a red fox runs"),
        ({"max_dashes": 2}, "a well-lit - fox", "a - well-lit - fox"),
        ({"max_by": 1}, "a fox by monet, standby", "a fox by monet By manet"),
        ({"max_repeated_words": 0.5}, "a fox, a fox", "a fox, a fox. A Fox"),
        ({"max_tokens": 6}, "a red fox runs", "a red fox runs away"),
        ({"urls": "drop"}, "a fox of example.com", "a fox http://example.com"),
        ({"min_ascii_letters": 0.9}, "a fox, caf\u00e9 noir", "\u043b\u0438\u0441\u0430 fox"),
        ({"language": "english"}, "El Greco, Guillermo del Toro", "un zorro en la nieve con sol"),
    ],
    ids=str,
)
def test_limits_drop(settings: dict[str, object], kept: str, dropped: str) -> None:
    config = read_settings(CleanConfig, {"repeated_phrases": False, **settings}, "here")
    found = clean(config, kept, dropped)
    assert found.table["prompt"].to_list() == [kept]
    [rule] = set(settings)
    assert found.counts[f"drop.{rule}"] == 1
    [example] = found.examples.rows()
    assert example == (rule, "drop", dropped, None)


def test_scores_drop_where_there_are_any() -> None:
    table = table_of("a fox", "a nude fox", "a fox unscored").with_columns(
        pl.Series("nsfw", [0.1, 0.9, None], pl.Float64)
    )
    found = Cleaner(CleanConfig(max_nsfw=0.5))(table)
    assert found.table["prompt"].to_list() == ["a fox", "a fox unscored"]
    assert Cleaner(CleanConfig(max_nsfw=0.5))(table.drop("nsfw")).table.height == 3


def test_blank_rows_are_counted() -> None:
    found = clean(CleanConfig(), None, "  ", "<lora:x:1>", "---", "a fox")
    assert found.table["prompt"].to_list() == ["a fox"]
    assert (found.counts["blank"], found.counts["drop.min_words"]) == (3, 1)


@pytest.mark.parametrize(
    ("prompt", "foreign"),
    [
        ("a red fox in the snow", False),
        ("Leonardo da Vinci, Vincent van Gogh, Jan van Eyck, El Greco", False),
        ("los angeles, la la land", False),
        ("perro, gato, casa", False),  # no little words: it passes
        ("un perro en la playa con una pelota", True),
        ("ein Hund auf der Wiese mit einem Ball", True),
        ("un chien dans le jardin avec une balle", True),
        ("um cachorro com uma bola, muito bonito", True),
        ("een hond met een bal op het strand", True),
        ("the menu reads: un perro en la playa, in a frame on the wall of a bar", False),
    ],
)
def test_language(prompt: str, foreign: bool) -> None:
    assert is_foreign(pl.Series([prompt])).to_list() == [foreign]


def test_shares_by_hand() -> None:
    prompts = pl.Series(["abc", "ab\u00e9\u00e8", "12 !", "\u4e00\u4e8c", ""])
    assert letter_shares(prompts).to_list() == [1.0, 0.5, 1.0, 0.0, 1.0]
    repeated = repeated_share(pl.Series(["a b c", "a, A (a) b", "x x"]))
    assert repeated.to_list() == [0.0, 0.5, 0.5]


LETTERS = "abcdefgkoqxz ABC 0123,.-'&;<>_\u00e9\u2014\u4e00\u0130\U0001f98a"
WORDS = ["fox", "xqzzk", "it's", "8k", "&amp;", "\u2026", "Zdzis\u0142aw", "&eacute", "incunabula"]


@pytest.mark.parametrize("limit", [5, 12, 30])
def test_tokens_are_those_of_the_tokenizer(limit: int) -> None:
    draw = random.Random(limit)
    prompts = ["".join(draw.choices(LETTERS, k=draw.randrange(3 * limit))) for _ in range(300)]
    prompts += [" ".join(draw.choices(WORDS, k=draw.randrange(limit))) for _ in range(300)]
    expected = [count_clip_tokens(prompt) > limit for prompt in prompts]
    assert 50 < sum(expected) < 550
    assert over_clip_tokens(pl.Series(prompts), limit).to_list() == expected


def test_presets_and_faults() -> None:
    config = read_settings(CleanConfig, {"preset": "stable-diffusion", "min_words": 5}, "here")
    assert (config.max_tokens, config.min_words, config.language) == (77, 5, "english")
    corpus = {"clean": "stable-diffusion"}
    assert read_settings(CorpusConfig, corpus, "here").clean == replace(config, min_words=3)
    for fault, message in (
        ({"preset": "tidy"}, "light, stable-diffusion, got 'tidy'"),
        ({"urls": "burn"}, "urls"),
        ({"min_words": 0}, "min_words must be >= 1"),
        ({"min_words": 9, "max_words": 4}, "max_words must be >= clean.min_words"),
        ({"max_repeated_words": 1.5}, "max_repeated_words must be above 0"),
        ({"max_by": -1}, "max_by must be >= 0"),
        ({"max_tokens": 2}, "max_tokens must be >= 3"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_settings(CleanConfig, fault, "here")


def many(count: int) -> pl.DataFrame:
    return table_of(*(f"fox number {n}, (8k:1.{n % 9})" for n in range(count)))


def test_shards_do_not_depend_on_the_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "ROWS_EACH", 40)
    clean_shards(tmp_path / "one", [many(150)], CleanConfig())
    clean_shards(tmp_path / "two", list(many(150).iter_slices(7)), CleanConfig())
    shards = RowShards(tmp_path / "one")
    assert [shards.read(n).height for n in range(len(shards))] == [40, 40, 40, 30]
    counts = sum_counts(shards)
    assert (counts["read"], counts["rewrite"]["weights"]) == (150, 150)
    assert read_examples(shards).height == 20
    for path in (tmp_path / "one").iterdir():
        assert digest_file(path) == digest_file(tmp_path / "two" / path.name)


def test_a_stop_costs_one_shard_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "ROWS_EACH", 40)

    def stopping() -> Iterator[pl.DataFrame]:
        yield many(150).head(100)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clean_shards(tmp_path / "rows", stopping(), CleanConfig())
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "rows").iterdir()}
    assert len(RowShards(tmp_path / "rows")) == 2
    clean_shards(tmp_path / "rows", [many(150)], CleanConfig())
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "rows").iterdir()}
    assert {name: after[name] for name in before} == before
    assert RowShards(tmp_path / "rows").height == 150


def test_examples_are_spread_evenly() -> None:
    found = clean(CleanConfig(), *(f"cat {n} ((8k))" for n in range(500)))
    merged = merge_examples([found.examples, found.examples])
    assert merged.height == 20
    assert merged["prompt"][0] == "cat 0 ((8k))" and merged["result"][0] == "cat 0 8k"


def test_files_are_read_with_their_scores(tmp_path: Path) -> None:
    table = pl.DataFrame({"prompt": ["a", "b ", "b", None], "nsfw": [0.1, 0.9, 0.2, 0.3]})
    table.write_parquet(tmp_path / "p.parquet")
    (tmp_path / "q.txt").write_text("c\nd\n")
    (tmp_path / "r.csv").write_text("caption,nsfw\ne,0.5\nf,words\n")
    paths = [tmp_path / name for name in ("p.parquet", "q.txt", "r.csv")]
    files = PromptFiles(paths, None, "nsfw")
    batches = list(files)
    assert [batch["prompt"].to_list() for batch in batches] == [
        ["a", "b ", "b", None], ["c", "d"], ["e", "f"],
    ]  # fmt: skip
    scores = pl.concat(batches)["nsfw"].to_list()
    assert scores == [0.1, 0.9, 0.2, 0.3, None, None, 0.5, None]
    assert (files.report["files"], files.report["read"]) == (3, 8)
    assert pl.concat(files).equals(pl.concat(batches)), "the same twice"
    highest = read_nsfw(paths, None, "nsfw")
    assert dict(highest.iter_rows()) == {"a": 0.1, "b": 0.9, "e": 0.5}


def test_files_that_cannot_be_read_are_named_first(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a fox\n")
    (tmp_path / "numbers.parquet").write_bytes(b"PAR1")
    for name, message in (
        ("b.txt", "there is no prompt file"),
        ("", "is a folder, wanted a prompt file"),
        ("x.docx", "there is no prompt file"),
    ):
        with pytest.raises(CorpusError, match=message):
            PromptFiles([tmp_path / "a.txt", tmp_path / name])
    with pytest.raises(CorpusError, match="not a readable parquet file"):
        list(PromptFiles([tmp_path / "numbers.parquet"]))


def test_real_prompts_lose_little() -> None:
    if not SD_PROMPTS.is_file():
        pytest.skip(f"no real prompts at {SD_PROMPTS}")
    [table] = PromptFiles([SD_PROMPTS])
    config = read_settings(CleanConfig, {"preset": "stable-diffusion", "max_tokens": None}, "here")
    found = Cleaner(config)(table)
    assert 0.99 * table.height < found.table.height < table.height
    assert 0 < found.counts["rewritten"] < 0.03 * table.height
    prompts = found.table["prompt"]
    assert not prompts.str.contains(r"--ar\b|<lora|\(\(|:1\.\d\)|https?://").any()
    assert not syntax.has_url(prompts).any() and not is_foreign(prompts).any()
