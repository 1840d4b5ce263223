"""Chains of captions: what they are made of, in which order, and what never comes twice."""

from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.build.corpus.sources.prompt_files import read_prompts
from unprompt.build.make.captions import (
    PromptVectors,
    cluster_count,
    cluster_vectors,
    encode_captions,
    read_captions,
)
from unprompt.build.make.chain import ChainConfig, chain_captions, draw_chains
from unprompt.build.make.prompt_file import MADE_PROMPTS
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.encoders.protocols import to_unit_length

# four clusters of 3, 2, 1 and 4 captions
LABELS = np.array([0, 1, 3, 0, 3, 2, 3, 1, 0, 3])
CAPTIONS = [f"caption{row} of{row} group{label}" for row, label in enumerate(LABELS)]
ACROSS = 3 * 2 + 3 * 1 + 3 * 4 + 2 * 1 + 2 * 4 + 1 * 4


def make(captions: list[str] | None = None, **settings: Any) -> Any:
    return chain_captions(captions or CAPTIONS, LABELS, ChainConfig(**settings))


def test_every_pair_of_clusters_has_its_turn_before_one_comes_again() -> None:
    chains = list(draw_chains(LABELS, ChainConfig(seed=3)))
    pairs = [frozenset(LABELS[list(chain.rows)]) for chain in chains]
    assert len(set(pairs[:6])) == 6, "the first round is of all pairs"
    assert len(set(pairs[6:12])) == 6 and all(chain.round == 1 for chain in chains[6:12])
    rounds = [chain.round for chain in chains]
    assert rounds == sorted(rounds)
    for number in set(rounds):
        of_round = [
            pair for pair, chain in zip(pairs, chains, strict=True) if chain.round == number
        ]
        assert len(of_round) == len(set(of_round)), f"round {number}"


def test_all_chains_are_drawn_once_and_then_it_ends() -> None:
    chains = [frozenset(chain.rows) for chain in draw_chains(LABELS, ChainConfig())]
    wanted = {
        frozenset(pair) for pair in combinations(range(10), 2) if LABELS[pair[0]] != LABELS[pair[1]]
    }
    assert len(chains) == ACROSS and set(chains) == wanted
    within = [frozenset(chain.rows) for chain in draw_chains(LABELS, ChainConfig(mode="within"))]
    assert len(within) == 3 + 1 + 0 + 6
    assert set(within) == {frozenset(p) for p in combinations(range(10), 2)} - wanted


def test_chains_of_three_are_of_three_clusters() -> None:
    chains = list(draw_chains(LABELS, ChainConfig(length=3)))
    assert len(chains) == 3 * 2 * 1 + 3 * 2 * 4 + 3 * 1 * 4 + 2 * 1 * 4
    assert all(len(set(LABELS[list(chain.rows)])) == 3 for chain in chains)
    assert len({frozenset(chain.rows) for chain in chains}) == len(chains)


def test_the_text_its_parents_and_its_record() -> None:
    made = make(count=4, prefix="a photo of", joint=" beside ")
    assert list(made.table.schema.items())[:3] == list(MADE_PROMPTS.items())
    assert made.table["method"].unique().to_list() == ["chain"]
    for row in made.table.iter_rows(named=True):
        assert row["prompt"] == f"a photo of {' beside '.join(row['parents'])}"
        assert [f"group{cluster}" for cluster in row["clusters"]] == [
            parent.split()[-1] for parent in row["parents"]
        ]


def test_a_seed_decides_and_a_longer_list_begins_with_the_shorter() -> None:
    first = make(count=20, seed=5).table
    assert first.equals(make(count=20, seed=5).table)
    assert first["prompt"].to_list() != make(count=20, seed=6).table["prompt"].to_list()
    assert make(count=8, seed=5).table.equals(first.head(8))
    orders = {tuple(parents) for parents in make(count=ACROSS).table["parents"]}
    ascending = sum(first < second for first, second in orders)
    assert 0 < ascending < ACROSS, "both orders occur"


def test_fewer_are_made_where_there_are_no_more() -> None:
    made = make(count=1000)
    assert made.table.height == ACROSS == made.table["prompt"].n_unique()
    assert made.report["captions"] == 10 and made.report["clusters"] == 4
    assert made.report["rounds"] == 12, "3 times 4 captions in the largest pair"


def test_long_and_repeated_chains_are_counted_and_left_out() -> None:
    long = ["word " * 40 + str(row) if row == 5 else text for row, text in enumerate(CAPTIONS)]
    made = make(long, count=1000, max_tokens=40)
    assert made.report["too_long"] == 9, "row 5 is alone in its cluster"
    assert made.table.height == ACROSS - 9
    same = ["A fox." if row in (0, 1) else text for row, text in enumerate(CAPTIONS)]
    repeated = make(same, count=1000)
    assert not any(text.lower().count("fox") == 2 for text in repeated.table["prompt"])
    assert repeated.report["repeated"] > 0
    assert repeated.table["prompt"].n_unique() == repeated.table.height


@pytest.mark.parametrize(
    "settings", [{"count": 0}, {"length": 1}, {"length": 6}, {"max_tokens": 2}]
)
def test_settings_that_cannot_work(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        ChainConfig(**settings)


def test_captions_that_give_no_chain_say_what_mends_it() -> None:
    one = np.zeros(3, dtype=np.int64)
    with pytest.raises(ConfigError, match="2 clusters or more, there are 1.*--mode within"):
        next(draw_chains(one, ChainConfig()))
    with pytest.raises(ConfigError, match="no cluster holds 2 captions"):
        next(draw_chains(np.arange(3), ChainConfig(mode="within")))


class Directions:
    """A prompt whose first word is a number -> a unit vector near that axis."""

    space, dim = "directions", 8

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, texts: list[str]) -> np.ndarray:
        self.encoded += len(texts)
        found = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            axis, number = text.split()
            found[row, int(axis)] = 1.0
            found[row, 4 + int(axis)] = (int(number) % 5) / 20
        return to_unit_length(found)


def test_clusters_are_found_from_vectors_on_disk(tmp_path: Path) -> None:
    texts = [f"{number % 4} {number}" for number in range(6000)]
    (tmp_path / "captions.txt").write_text("\n".join(texts))
    read = read_captions([tmp_path / "captions.txt"])
    encoder = Directions()
    vectors = encode_captions(tmp_path / "vectors", read, encoder)
    assert (len(vectors), vectors.parts, encoder.encoded) == (6000, 2, 6000)
    labels = cluster_vectors(vectors, 4, seed=0)
    axes = np.array([int(text.split()[0]) for text in texts])
    assert len({*zip(labels.tolist(), axes.tolist(), strict=True)}) == 4, "one label an axis"
    assert (labels == cluster_vectors(vectors, 4, seed=0)).all()
    again = encode_captions(tmp_path / "vectors", read, encoder)
    assert encoder.encoded == 6000, "nothing is encoded twice"
    rows = np.array([0, 4999, 5000, 5999])
    assert np.allclose(again.take(rows), encoder.encode([texts[row] for row in rows]), atol=1e-3)
    assert again.whole().shape == (6000, 8)


def test_other_captions_get_vectors_of_their_own(tmp_path: Path) -> None:
    encoder = Directions()
    for name, texts in (("a", ["0 1", "1 2"]), ("b", ["2 1", "3 2", "1 1"])):
        (tmp_path / f"{name}.txt").write_text("\n".join(texts))
        found = encode_captions(
            tmp_path / "vectors", read_captions([tmp_path / f"{name}.txt"]), encoder
        )
        assert np.allclose(found.whole(), encoder.encode(texts), atol=1e-3)
    folder = next(iter((tmp_path / "vectors").iterdir()))
    for part in folder.rglob("*.npy"):
        np.save(part, np.load(part)[:1])
    with pytest.raises(DamagedFileError, match="delete the folder"):
        for name in ("a", "b"):
            encode_captions(
                tmp_path / "vectors", read_captions([tmp_path / f"{name}.txt"]), encoder
            )


def test_how_many_clusters() -> None:
    assert [cluster_count(n) for n in (5, 10, 1632, 10_000, 1_000_000)] == [1, 1, 163, 1000, 1000]
    assert cluster_count(50, 7) == 7
    for wanted in (0, 51):
        with pytest.raises(ConfigError, match="from 1 to the 50 captions"):
            cluster_count(50, wanted)


def test_blocks_are_unit_vectors_in_order() -> None:
    parts = [np.eye(3, dtype=np.float16)[:2] * 2, np.eye(3, dtype=np.float16)[2:]]
    vectors = PromptVectors(parts)
    found = list(islice(vectors.blocks(), 2))
    assert [span for span, _ in found] == [slice(0, 2), slice(2, 3)]
    assert np.array_equal(np.concatenate([block for _, block in found]), np.eye(3))


def test_the_command_makes_a_prompt_file(cli: Any, tmp_path: Path) -> None:
    captions, output = tmp_path / "captions.csv", tmp_path / "chains.parquet"
    things = ("fox", "ship", "violin", "castle")
    pl.DataFrame(
        {"caption": [f"a {size} {thing}" for thing in things for size in ("red", "tiny", "old")]}
    ).write_csv(captions)
    call = ("make", "chain", captions, "-o", output, "--count", 10, "--clusters", 4)
    found = cli(*call)
    assert found.code == 0 and found.out.strip() == str(output), found.err
    table = pl.read_parquet(output)
    assert table.height == 10 == table["prompt"].n_unique()
    assert read_prompts([output]).table["prompt"].to_list() == table["prompt"].to_list()
    stamp = output.stat().st_mtime_ns
    again = cli(*call, "--json")
    assert again.code == 0 and '"prompts": 10' in again.out and "made before" in again.err
    assert output.stat().st_mtime_ns == stamp
    other = cli(*call, "--seed", 1)
    assert other.code == 1 and "--overwrite" in other.err
    assert cli(*call, "--seed", 1, "--overwrite").code == 0
    assert pl.read_parquet(output)["prompt"].to_list() != table["prompt"].to_list()
