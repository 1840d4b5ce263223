"""Folders of clip-retrieval: theirs become an index, and ours follow their layout."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tiny_collections import write_clip_retrieval
from tiny_towers import save_clip

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.keys.embed import EmbedWork, embed_images
from unprompt.build.keys.take_embeddings import check_texts, take_embeddings
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import (
    ConfigError,
    CorpusError,
    DamagedFileError,
    SpaceMismatchError,
)
from unprompt.index.base.tables import IMAGES, write_table
from unprompt.index.base.tables import PROMPTS as PROMPT_TABLE
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.images.pictures import encode_picture
from unprompt.index.images.shards import write_shard
from unprompt.index.towers.clip import Clip, load_clip
from unprompt.index.towers.clip_text import ClipTextEncoder
from unprompt.index.vectors.embeddings import read_embeddings
from unprompt.inversion.inverter import Inverter
from unprompt.ui.jobs.build import build_run
from unprompt.ui.jobs.config import RunConfig, load_config

PROMPTS = sample_prompts(60, 5)


class Stated:
    """An encoder with a space and a dimension, but without vectors."""

    space = "stated"
    dim = 8

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        raise AssertionError("vectors that are there must not be made again")


def noise(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (40, 40, 3), dtype=np.uint8)


def tiny_clip(folder: Path, seed: int = 0) -> Clip:
    model = f"local-dir:{save_clip(folder, seed)}"
    return load_clip(EncoderConfig(model=model, output="embedding", runtime="torch"))


def save_part(folder: Path, name: str, number: str, vectors: np.ndarray) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    np.save(folder / name / f"{name}_{number}.npy", vectors.astype(np.float16))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return tiny_clip(tmp_path_factory.mktemp("clip") / "model")


@pytest.fixture(scope="module")
def foreign(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts, as `clip-retrieval inference --enable_text True` writes them."""
    folder = tmp_path_factory.mktemp("foreign")
    images = clip.encode([Image.fromarray(noise(number)) for number in range(len(PROMPTS))])
    texts = ClipTextEncoder(clip).encode(PROMPTS)
    for number, span in (("0", slice(0, 25)), ("1", slice(25, None))):
        save_part(folder, "img_emb", number, images[span])
        save_part(folder, "text_emb", number, texts[span])
        (folder / "metadata").mkdir(exist_ok=True)
        names = [f"{place:09d}" for place in range(len(PROMPTS))][span]
        table = pl.DataFrame({"image_path": names, "caption": PROMPTS[span]})
        table.write_parquet(folder / "metadata" / f"metadata_{number}.parquet")
    return folder


def config(foreign: Path, model: str, *settings: str) -> RunConfig:
    entry = f"[{{kind: clip_retrieval, path: '{foreign}'}}]"
    chosen = (
        "corpus.source=embeddings", f"corpus.collections={entry}", "corpus.validation=6",
        "corpus.test=6", "corpus.dedupe_threshold=0.99", f"encoder.model={model}",
        "encoder.output=embedding", "fallback=null", "index.whiten=0",
    )  # fmt: skip
    return load_config("scenes-tiny", (*chosen, *settings))


@pytest.mark.slow
def test_their_vectors_become_an_index_of_the_stated_model(
    foreign: Path, clip: Clip, tmp_path: Path
) -> None:
    model = clip.config.model
    bundle = build_run(tmp_path / "run", config(foreign, model))
    assert not (tmp_path / "run" / "images").exists()
    inverter = Inverter.load(bundle)
    manifest = inverter.index.manifest
    assert (manifest.space, manifest.dim, manifest.keys) == (clip.space, clip.dim, "image")
    rows = inverter.index.rows
    assert rows["prompt"].to_list() == [
        prompt for prompt in PROMPTS if prompt in set(rows["prompt"])
    ]
    place = PROMPTS.index(rows["prompt"][3])
    (answer,) = inverter.invert([Image.fromarray(noise(place))])
    assert answer.neighbors[0].prompt == PROMPTS[place]
    nearest = inverter.index.search(clip.encode([Image.fromarray(noise(place))]), 1)
    assert nearest.rows[0, 0] == 3 and nearest.scores[0, 0] == pytest.approx(1.0, abs=2e-3)


@pytest.mark.slow
def test_another_model_is_refused(foreign: Path, tmp_path: Path) -> None:
    other = f"local-dir:{save_clip(tmp_path / 'other', seed=1)}"
    with pytest.raises(SpaceMismatchError, match=r"text vectors in .* are not those.*lowest cos"):
        build_run(tmp_path / "run", config(foreign, other))
    with pytest.raises(SpaceMismatchError, match="vectors of 24 numbers, the encoder .* makes 8"):
        take_embeddings(entry(foreign), tmp_path / "out", prompts(PROMPTS), Stated())


@pytest.mark.parametrize(
    ("setting", "said"),
    [("encoder.output=features", "`output: embedding`"), ("fallback={}", "`fallback: null`")],
)
def test_settings_that_cannot_work_with_vectors(setting: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        config(tmp_path, "efficientnet-lite0", setting)


def entry(folder: Path, **settings: str) -> CollectionConfig:
    return CollectionConfig("clip_retrieval", str(folder), **settings)


def prompts(texts: Sequence[str | None]) -> pl.DataFrame:
    raw = pl.DataFrame({"prompt": list(texts)}, schema={"prompt": pl.String})
    return make_prompts_table(raw.with_columns(pl.lit("x").alias("source")))


def test_rows_stay_beside_their_vectors(tmp_path: Path) -> None:
    captions = [f"caption {number}" for number in range(9)] + [None]
    found = write_clip_retrieval(tmp_path / "in", captions)
    path = tmp_path / "in" / "img_emb" / "img_emb_0.npy"
    vectors = np.load(path)
    vectors[2], vectors[4, 0] = 0.0, np.nan
    np.save(path, vectors)
    known = prompts(captions[1:])  # the corpus dropped the first
    take_embeddings(entry(found.path), tmp_path / "out", known, Stated())
    rows, kept, info = read_embeddings(tmp_path / "out", verify=True)
    assert info.space == "stated"
    good = [place for place in range(9) if place not in (2, 4)]
    assert rows["caption"].to_list() == [captions[place] for place in good] + [""]
    assert rows["split"].to_list() == ["excluded", *["train"] * 6, "excluded"]
    np.testing.assert_allclose(kept[:-1], vectors[good], atol=1e-3)
    assert rows["image_id"].n_unique() == rows.height
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    take_embeddings(entry(found.path), tmp_path / "out", known, Stated())
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")} == before


def test_folders_that_do_not_line_up_are_refused(tmp_path: Path) -> None:
    folder, known = write_clip_retrieval(tmp_path / "in").path, prompts(["a cat"])
    table = folder / "metadata" / "metadata_0.parquet"
    whole = pl.read_parquet(table)
    whole.head(1).write_parquet(table)
    with pytest.raises(DamagedFileError, match="has 2 vectors, .* 1 rows"):
        take_embeddings(entry(folder), tmp_path / "out", known, Stated())
    whole.drop("caption").write_parquet(table)
    with pytest.raises(CorpusError, match="no column caption; .*--enable_text True"):
        take_embeddings(entry(folder), tmp_path / "out", known, Stated())
    table.unlink()
    with pytest.raises(CorpusError, match="without a counterpart: 0;"):
        take_embeddings(entry(folder), tmp_path / "out", known, Stated())
    (folder / "img_emb" / "img_emb_0.npy").write_bytes(b"no npy")
    whole.write_parquet(table)
    with pytest.raises(DamagedFileError, match=r"img_emb_0\.npy is not a readable npy file"):
        take_embeddings(entry(folder), tmp_path / "out", known, Stated())


def test_text_vectors_of_the_same_model_pass(foreign: Path, clip: Clip) -> None:
    assert check_texts(entry(foreign), ClipTextEncoder(clip)) > 0.999


def test_our_embeddings_follow_their_layout(clip: Clip, tmp_path: Path) -> None:
    """Files sort by name, row i belongs to vector i, vectors are fp16 of unit length.

    clip-retrieval and embedding-reader sort both lists of files, zip them and concatenate the rows.
    """
    export_encoder(clip.config, tmp_path / "encoder")
    encoder = load_encoder(tmp_path / "encoder")
    for shard in range(11):  # past 9, where names without zeros would be out of order
        pictures = [noise(100 * shard + row) for row in range(3)]
        if shard == 4:
            pictures = []
        write_images(tmp_path / "images", shard, pictures)
    folder = tmp_path / "embeddings"
    write_table(tmp_path / "prompts.parquet", prompts([f"p{n}" for n in range(40)]), PROMPT_TABLE)
    places = (tmp_path / "images", folder, tmp_path / "prompts.parquet", tmp_path / "encoder")
    embed_images(EmbedWork(*places))
    arrays = sorted((folder / "img_emb").glob("*.npy"))
    tables = sorted((folder / "metadata").glob("*.parquet"))
    assert [path.stem[-5:] for path in arrays] == [path.stem[-5:] for path in tables]
    assert {path.suffix for path in (folder / "img_emb").iterdir()} == {".npy"}
    assert {path.suffix for path in (folder / "metadata").iterdir()} == {".parquet"}
    total = 0
    for array, table in zip(arrays, tables, strict=True):
        vectors, rows = np.load(array, allow_pickle=False), pl.read_parquet(table)
        assert vectors.dtype == np.float16 and vectors.shape == (rows.height, encoder.dim)
        assert rows.columns[:2] == ["image_path", "caption"]
        shard = int(array.stem[-5:])
        for place, path in enumerate(rows["image_path"]):
            own = encoder.encode([Image.fromarray(noise(100 * shard + int(path[-4:])))])[0]
            assert vectors[place].astype(np.float32) @ own == pytest.approx(1.0, abs=2e-3)
        total += rows.height
    assert total == 30


def write_images(folder: Path, shard: int, pictures: Sequence[np.ndarray]) -> None:
    """One of our shards; without a picture, a shard with one failed row."""
    count = max(1, len(pictures))
    failed = not pictures
    texts = [f"p{shard * 3 + row}" for row in range(count)]
    table = pl.DataFrame(
        {
            "key": [None] * count,
            "image_id": [stable_id(shard, row) for row in range(count)],
            "prompt_id": [stable_id(text) for text in texts],
            "prompt": texts,
            "split": ["train"] * count,
            "seed": [0] * count,
            "generator": ["noise"] * count,
            "settings": ["{}"] * count,
            "shard": [shard] * count,
            "sha256": [None] * count,
            "width": [None if failed else 40] * count,
            "height": [None if failed else 40] * count,
            "status": ["failed" if failed else "success"] * count,
            "error_message": ["no picture" if failed else None] * count,
        },
        schema=IMAGES,
    )
    contents = [None] if failed else [encode_picture(picture, "png") for picture in pictures]
    write_shard(folder, shard, table, contents, "png")
