"""Folders of pictures as people leave them: tables of all kinds, paths of other machines."""

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from found_shards import PROMPTS, jpeg, write_members
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kinds import find_kind
from unprompt.index.formats.tally import Tally
from unprompt.index.pairs.labelled_pairs import open_labelled_pairs
from unprompt.index.pairs.picture_paths import locate, path_columns

NAMES = [f"pics/{number}.jpg" for number in range(4)]


def pictures(folder: Path, *names: str) -> Path:
    for number, name in enumerate(
        names or ("pics/0.jpg", "pics/1.jpg", "pics/2.jpg", "pics/3.jpg")
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(number))
    return folder


def build_pairs(folder: Path, **settings: Any) -> tuple[list[tuple[str, str]], Tally]:
    """(picture, prompt) as a build reads them, of rows that have a picture; and the counts."""
    config, tally = CollectionConfig("image_folder", str(folder), **settings), Tally()
    reader = find_kind("image_folder").pairs
    assert reader is not None
    rows = pl.concat(list(reader.rows(folder, config, tally)))
    return rows.filter(pl.col("fault").is_null()).select("picture", "prompt").rows(), tally


@pytest.mark.parametrize(
    "written",
    [
        lambda name, folder: name,
        lambda name, folder: name.replace("/", "\\"),
        lambda name, folder: f".\\{name}",
        lambda name, folder: str(folder / name),
        lambda name, folder: f"/home/someone/renders/{name}",
        lambda name, folder: "C:\\Users\\me\\renders\\" + name.replace("/", "\\"),
        lambda name, folder: f"{folder.name}/{name}",
        lambda name, folder: f"file:///data/{name}",
    ],
)
@pytest.mark.parametrize("table", ["metadata.csv", "metadata.jsonl"])
def test_paths_of_other_machines(tmp_path: Path, written: Any, table: str) -> None:
    folder = pictures(tmp_path / "renders")
    frame = pl.DataFrame(
        {"file_name": [written(name, folder) for name in NAMES], "text": list(PROMPTS)}
    )
    path = folder / table
    frame.write_csv(path) if table.endswith("csv") else frame.write_ndjson(path)
    wanted = list(zip(NAMES, PROMPTS, strict=True))
    assert build_pairs(folder)[0] == wanted
    labelled = open_labelled_pairs(path).whole
    assert [Path(one) for one in labelled["path"]] == [folder / name for name in NAMES]
    assert labelled["prompts"].to_list() == [[text] for text in PROMPTS]


def test_a_path_is_never_taken_from_elsewhere(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "renders", "a/x.jpg", "b/y.jpg")
    pictures(tmp_path, "secret.jpg")
    assert locate(folder, "c/x.jpg") == folder / "c/x.jpg", "a relative path is not shortened"
    assert locate(folder, "/no/where/a/x.jpg") == folder / "a/x.jpg"
    rows = [
        {"file_name": str(tmp_path / "secret.jpg"), "text": "a"},
        {"file_name": "../secret.jpg", "text": "b"},
    ]
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert build_pairs(folder)[0] == []


@pytest.mark.parametrize(
    "document",
    [
        {name: {"prompt": text} for name, text in zip(NAMES, PROMPTS, strict=True)},
        dict(zip(NAMES, PROMPTS, strict=True)),
        [{"image_path": name, "prompt": text} for name, text in zip(NAMES, PROMPTS, strict=True)],
        {
            "items": [
                {"image": n, "meta": {"prompt": t}} for n, t in zip(NAMES, PROMPTS, strict=True)
            ]
        },
    ],
)
def test_prompts_json(tmp_path: Path, document: Any) -> None:
    folder = pictures(tmp_path)
    (folder / "prompts.json").write_text(json.dumps(document))
    wanted = list(zip(NAMES, PROMPTS, strict=True))
    assert build_pairs(folder)[0] == wanted
    labelled = open_labelled_pairs(folder / "prompts.json").whole
    assert list(zip(labelled["name"], labelled["prompts"].list.first(), strict=True)) == wanted


def test_two_pictures_of_a_prompt(tmp_path: Path) -> None:
    """`path1, path2, prompt`: each picture is a row; a null one is none."""
    folder = pictures(tmp_path)
    rows = [
        {"path1": NAMES[0], "path2": NAMES[1], "prompt": "a", "confidence": 0.5},
        {"path1": NAMES[2], "path2": None, "prompt": "b", "confidence": 0.5},
    ]
    (folder / "metadata.json").write_text(json.dumps(rows))
    wanted = [(NAMES[0], "a"), (NAMES[1], "a"), (NAMES[2], "b")]
    found, tally = build_pairs(folder)
    assert found == wanted
    assert tally.dropped == {"picture without a row": 1}
    labelled = open_labelled_pairs(folder / "metadata.json").whole
    assert list(zip(labelled["name"], labelled["prompts"].list.first(), strict=True)) == wanted
    assert path_columns(["prompt", "first_image", "second_image"]) == [
        "first_image",
        "second_image",
    ]


def test_texts_beside_pictures(tmp_path: Path) -> None:
    folder = pictures(tmp_path, *NAMES, "pics/4.jpg", "pics/5.jpg", "pics/6.jpg")
    beside = {
        "0.txt": b"\xef\xbb\xbfa fox\r\n",
        "1.caption": "caf\u00e9".encode("latin-1"),
        "2.json": b'{"meta": {"prompt": "a whale"}}',
        "3.jpg.json": b'{"captions": ["a boat", "a ship"]}',
        "4.txt": b" \n",
        "5.json": b"{damaged",
        "README.txt": b"about",
    }
    for name, content in beside.items():
        (folder / "pics" / name).write_bytes(content)
    texts = [["a fox"], ["caf\u00e9"], ["a whale"], ["a boat", "a ship"]]
    found, tally = build_pairs(folder)
    assert found == [(n, t) for n, several in zip(NAMES, texts, strict=True) for t in several]
    assert tally.dropped == {"picture without a text": 3, "text without a picture": 1}
    assert build_pairs(folder, captions="first")[0] == [
        (name, several[0]) for name, several in zip(NAMES, texts, strict=True)
    ]
    assert open_labelled_pairs(folder).whole["prompts"].to_list() == texts


def with_prompt(number: int, prompt: str) -> bytes:
    """A PNG as AUTOMATIC1111 writes it."""
    facts, buffer = PngInfo(), io.BytesIO()
    facts.add_text("parameters", f"{prompt}\nNegative prompt: blurry\nSteps: 20, Seed: {number}")
    Image.new("RGB", (16, 16), (number, 0, 0)).save(buffer, "PNG", pnginfo=facts)
    return buffer.getvalue()


def test_prompts_that_the_pictures_carry(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pics", "none.jpg")
    for number, text in enumerate(PROMPTS):
        (folder / f"{number}.png").write_bytes(with_prompt(number, text))
    (folder / "3.txt").write_text("the text beside it wins")
    texts = [*PROMPTS[:3], "the text beside it wins"]
    wanted = [(f"{number}.png", text) for number, text in enumerate(texts)]
    found, tally = build_pairs(folder)
    assert found == wanted and tally.dropped == {"picture without a text": 1}
    assert open_labelled_pairs(folder).whole["prompts"].to_list() == [[text] for text in texts]
    files = [
        (name, (folder / name).read_bytes()) for name in ("0.png", "none.jpg", "3.png", "3.txt")
    ]
    write_members(tmp_path / "tars" / "a.tar", files)
    kind, tally = find_kind("webdataset"), Tally()
    (frame,) = kind.read(tmp_path / "tars" / "a.tar", CollectionConfig("webdataset", ""), tally)
    assert frame["prompt"].to_list() == [texts[0], texts[3]]
    assert open_labelled_pairs(tmp_path / "tars").whole["prompts"].to_list() == [
        [texts[0]],
        [texts[3]],
    ]
