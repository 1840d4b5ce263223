"""Tiny files in the published layouts of collections, each with the expected prompts."""

import csv
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from PIL import Image

USER = "c2f288a2ba9df65c38386ffaaf7749106fed29311835b63d578405db9dbcafdb"  # must never be kept


class Found(NamedTuple):
    """The expected result of reading a collection."""

    settings: Mapping[str, Any]  # of its entry, without the path
    path: Path
    prompts: Sequence[str]
    dropped: Mapping[str, int] = {}


def encoded(colour: str = "red", format: str = "PNG", size: int = 24) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, format)
    return buffer.getvalue()


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, compressed if its name ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def delimited(rows: Sequence[Sequence[Any]], separator: str = ",") -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def diffusiondb_table(
    path: Path, rows: Sequence[tuple[str, str | None, int, float, float]]
) -> Path:
    """`metadata.parquet` with its 13 columns: name, prompt, part, image_nsfw, prompt_nsfw."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(rows)
    names, prompts, parts, image_nsfw, prompt_nsfw = zip(*rows, strict=True)
    numbers = {
        "part_id": (parts, pl.UInt16),
        "seed": ([7] * count, pl.UInt32),
        "step": ([50] * count, pl.UInt16),
        "cfg": ([7.0] * count, pl.Float32),
        "sampler": ([8] * count, pl.UInt8),
        "width": ([512] * count, pl.UInt16),
        "height": ([512] * count, pl.UInt16),
        "image_nsfw": (image_nsfw, pl.Float32),
        "prompt_nsfw": (prompt_nsfw, pl.Float32),
    }
    pl.DataFrame(
        {
            "image_name": names,
            "prompt": prompts,
            **{name: pl.Series(values, dtype=kind) for name, (values, kind) in numbers.items()},
            "user_name": [USER] * count,
            "timestamp": pl.Series(["2022-08-11 09:05:00"] * count).str.to_datetime(),
        }
    ).write_parquet(path)
    return path


def diffusiondb_part(
    folder: Path, number: int, pictures: Mapping[str, bytes], rows: Mapping[str, Any], zipped: bool
) -> Path:
    """One part as a zip file or as the unpacked folder."""
    name = f"part-{number:06d}"
    files = {f"{name}.json": json.dumps(rows).encode(), **pictures}
    if zipped:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for file, content in files.items():
                archive.writestr(file, content)
        return folder / f"{name}.zip"
    for file, content in files.items():
        write(folder / name / file, content)
    return folder / name


def part_row(prompt: Any, seed: int = 1) -> dict[str, Any]:
    return {"p": prompt, "se": seed, "c": 7.5, "st": 50, "sa": "k_lms"}


def write_diffusiondb(folder: Path) -> Found:
    rows = [
        ("a.png", "a fox in the snow", 1, 0.1, 0.1),
        ("b.png", "something rude", 1, 0.1, 0.9),
        ("c.png", "a lighthouse, oil painting", 2, 2.0, 0.2),
        ("d.png", None, 2, 0.1, 0.1),
        ("e.png", "a fox  in the snow ", 2, 0.1, 0.1),
    ]
    diffusiondb_table(folder / "metadata.parquet", rows)
    dropped = {"blank": 1, "max_prompt_nsfw": 1, "max_image_nsfw": 1, "repeated": 1}
    settings = {"kind": "diffusiondb", "max_prompt_nsfw": 0.5, "max_image_nsfw": 1.0}
    return Found(settings, folder, ["a fox in the snow"], dropped)


def write_diffusiondb_parts(folder: Path) -> Found:
    first = {"a.png": part_row("a fox"), "b.png": part_row(None)}
    second = {"c.webp": part_row("two owls", -3)}
    images = folder / "images"
    diffusiondb_part(images, 1, {"a.png": encoded(), "z.png": encoded()}, first, zipped=True)
    diffusiondb_part(images, 2, {"c.webp": encoded(format="WEBP")}, second, zipped=False)
    write(images / "part-000003.zip", b"PK\x03\x04 cut")
    dropped = {"malformed": 1, "picture without a row": 1, "damaged part": 1}
    return Found({"kind": "diffusiondb"}, folder, ["a fox", "two owls"], dropped)


def write_gustavosta(folder: Path) -> Found:
    (folder / "data").mkdir(parents=True)
    for name, prompts in (("train", ["one", "two"]), ("eval", ["three"])):
        pl.DataFrame({"Prompt": prompts}).write_parquet(folder / "data" / f"{name}.parquet")
    return Found({"kind": "gustavosta"}, folder, ["three", "one", "two"])


def write_saved_gustavosta(folder: Path) -> Found:
    found = write_saved_dataset(folder)
    return found._replace(settings={"kind": "gustavosta"})


def write_lexica(folder: Path) -> Found:
    picture = {"bytes": encoded(), "path": None}
    table = pl.DataFrame({"image": [picture] * 2, "prompt": ["a lake", "a boat"], "id": ["x", "y"]})
    table.write_parquet(folder / "train-00000-of-00001.parquet")
    return Found({"kind": "lexica"}, folder, ["a lake", "a boat"])


def write_open_prompts(folder: Path) -> Found:
    data = json.dumps({"modifiers": ["a, b"], "raw_discord_data": {"timestamp": 1660001285}})
    rows = [["prompt", "raw_data"], ["a kangaroo, 4k", data], ['say "hi"', data], ["", data]]
    path = write(folder / "prompts.csv.gz", delimited(rows))
    return Found({"kind": "open_prompts"}, path, ["a kangaroo, 4k", 'say "hi"'], {"blank": 1})


def write_coco(folder: Path) -> Found:
    document = {
        "info": {"year": 2017},
        "images": [{"id": n, "file_name": f"{n:012d}.jpg"} for n in range(3)],
        "licenses": [],
        "annotations": [
            {"image_id": 0, "id": 1, "caption": "A bicycle replica with a clock.\n"},
            {"image_id": 1, "id": 2, "caption": "A black \u00fc cat"},
            {"image_id": 1, "id": 3},
        ],
    }
    write(folder / "captions_train2017.json", json.dumps(document))
    write(folder / "instances_train2017.json", json.dumps({"annotations": []}))
    expected = ["A bicycle replica with a clock.", "A black \u00fc cat"]
    return Found({"kind": "coco"}, folder, expected, {"malformed": 1})


def write_vizwiz(folder: Path) -> Found:
    stock = "Quality issues are too severe to recognize visual content."
    rows = [
        {"caption": "IT'S A LABEL", "image_id": 0, "is_precanned": False, "is_rejected": False},
        {"caption": stock, "image_id": 0, "is_precanned": True, "is_rejected": False},
        {"caption": "spam", "image_id": 0, "is_precanned": False, "is_rejected": True},
    ]
    path = write(
        folder / "annotations" / "train.json", json.dumps({"images": [], "annotations": rows})
    )
    return Found({"kind": "vizwiz"}, path, ["IT'S A LABEL"], {"precanned": 1, "rejected": 1})


def write_textcaps(folder: Path) -> Found:
    row = {"image_id": "0b0c", "caption_str": "A sign reads STOP", "reference_strs": ["x", "y"]}
    document = {"dataset_type": "train", "data": [row, {"image_id": "no caption"}]}
    path = write(folder / "TextCaps_0.1_train.json", json.dumps(document))
    return Found({"kind": "textcaps"}, path, ["A sign reads STOP"], {"malformed": 1})


def write_flickr_token(folder: Path) -> Found:
    lines = "1.jpg#0\tTwo young guys .\n1.jpg#1\tA tab\there\n\nbroken line\n"
    path = write(folder / "results_20130124.token", lines)
    dropped = {"blank": 1, "malformed": 1}
    return Found({"kind": "flickr30k"}, path, ["Two young guys .", "A tab here"], dropped)


def write_flickr_csv(folder: Path) -> Found:
    lines = (
        "image_name| comment_number| comment\n"
        "1.jpg| 0| Two men | one dog .\n"
        "2199200615.jpg| 4   A dog runs across the grass .\n"
    )
    path = write(folder / "results.csv", lines)
    return Found({"kind": "flickr30k"}, path, ["Two men | one dog ."], {"malformed": 1})


def write_flickr_captions(folder: Path) -> Found:
    path = write(
        folder / "captions.txt", 'image,caption\n1.jpg,A dog, running\n1.jpg,"So, it ""is"""\n'
    )
    return Found({"kind": "flickr30k"}, path, ["A dog, running", 'So, it "is"'])


def write_flickr_annotations(folder: Path) -> Found:
    rows = [
        ["raw", "sentids", "split", "filename", "img_id"],
        [json.dumps(["one man", "a man"]), "[0, 1]", "train", "1.jpg", 0],
        ["no list", "[]", "train", "2.jpg", 1],
    ]
    path = write(folder / "flickr_annotations_30k.csv", delimited(rows))
    return Found({"kind": "flickr30k"}, path, ["one man", "a man"], {"malformed": 1})


def write_flickr_karpathy(folder: Path) -> Found:
    image = {
        "sentids": [0],
        "sentences": [{"tokens": ["a"], "raw": "A child"}],
        "filename": "1.jpg",
    }
    document = {"images": [image, {"filename": "2.jpg"}], "dataset": "flickr30k"}
    path = write(folder / "dataset_flickr30k.json", json.dumps(document))
    return Found({"kind": "flickr30k"}, path, ["A child"], {"malformed": 1})


def write_narratives(folder: Path) -> Found:
    row = {
        "dataset_id": "open_images",
        "image_id": "x",
        "annotator_id": 66,
        "caption": "In this image",
    }
    long = {**row, "caption": "I can see", "timed_caption": [{"utterance": "I", "start_time": 0}]}
    lines = "\n".join([json.dumps(row), json.dumps(long), "{cut"])
    path = write(folder / "open_images_train_v6_captions.jsonl", lines)
    prompts = ["In this image", "I can see"]
    return Found({"kind": "localized_narratives"}, path, prompts, {"malformed": 1})


def write_cc3m(folder: Path) -> Found:
    lines = 'a "very" typical bus\thttp://x.org/1.jpg\nno url\n\nbeach .\thttps://x.org/2\n'
    path = write(folder / "Train_GCC-training.tsv", lines)
    prompts = ['a "very" typical bus', "beach ."]
    return Found({"kind": "cc3m"}, path, prompts, {"malformed": 1, "blank": 1})


def write_cc12m(folder: Path) -> Found:
    lines = 'caption\turl\nhttps://x.org/1.jpg\t<PERSON> was "here\nhttps://x.org/2\tA map\n'
    path = write(folder / "cc12m.tsv.gz", lines)  # with the wrong header that a guide puts there
    return Found({"kind": "cc12m"}, path, ['<PERSON> was "here', "A map"])


def write_coyo(folder: Path) -> Found:
    pl.DataFrame(
        {
            "id": [1, 2, 3, 4],
            "url": ["https://x"] * 4,
            "text": ["good", "low", "marked", "unmeasured"],
            "clip_similarity_vitb32": pl.Series([0.31, 0.29, 0.4, None], dtype=pl.Float32),
            "clip_similarity_vitl14": pl.Series([0.2, 0.35, 0.4, 0.4], dtype=pl.Float32),
            "nsfw_score_opennsfw2": pl.Series([0.1] * 4, dtype=pl.Float32),
            "watermark_score": pl.Series([0.1, 0.1, 0.9, 0.1], dtype=pl.Float32),
            "aesthetic_score_laion_v2": pl.Series([5.0] * 4, dtype=pl.Float32),
        }
    ).write_parquet(folder / "part-00000-x.snappy.parquet")
    settings = {"kind": "coyo", "min_similarity": 0.3, "max_watermark": 0.5}
    dropped = {"no similarity": 1, "min_similarity": 1, "max_watermark": 1}
    return Found(settings, folder, ["good"], dropped)


def write_coyo_l14(folder: Path) -> Found:
    settings = {
        "kind": "coyo",
        "min_similarity": 0.3,
        "similarity_column": "clip_similarity_vitl14",
    }
    write_coyo(folder)
    return Found(settings, folder, ["low", "marked", "unmeasured"], {"min_similarity": 1})


def write_laion(folder: Path) -> Found:
    pl.DataFrame(
        {
            "SAMPLE_ID": [1, 2, 3], "URL": ["https://x"] * 3, "TEXT": ["a bus", None, "a car"],
            "LICENSE": ["?"] * 3, "NSFW": ["UNLIKELY"] * 3, "similarity": [0.33, 0.4, float("nan")],
            "punsafe": [0.0] * 3, "pwatermark": [0.1] * 3,
        }
    ).write_parquet(folder / "part-00000.parquet")  # fmt: skip
    settings = {"kind": "laion", "min_similarity": 0.3, "max_watermark": 0.8, "max_image_nsfw": 0.5}
    return Found(settings, folder, ["a bus"], {"blank": 1, "no similarity": 1})


def write_datacomp(folder: Path) -> Found:
    table = {"uid": ["a", "b"], "text": ["x", "y"], "clip_l14_similarity_score": [0.1, 0.4]}
    pl.DataFrame(table).write_parquet(folder / "0a.parquet")
    return Found({"kind": "laion", "min_similarity": 0.3}, folder, ["y"], {"min_similarity": 1})


def write_wit(folder: Path) -> Found:
    names = [
        "language", "page_url", "image_url", "page_title", "section_title",
        "hierarchical_section_title", "caption_reference_description",
        "caption_attribution_description", "caption_alt_text_description", "mime_type",
        "original_height", "original_width", "is_main_image", "attribution_passes_lang_id",
        "page_changed_recently", "context_page_description", "context_section_description",
    ]  # fmt: skip

    def row(language: str, reference: str, alternative: str) -> list[str]:
        values = {"language": language, names[6]: reference, names[8]: alternative}
        values[names[16]] = 'Long\ntext "quoted"\there' + "x" * 200_000
        return [values.get(name, "") for name in names]

    rows = [
        names,
        row("en", "The tower", ""),
        row("de", "Turm", ""),
        row("en", "", "An alt text"),
        row("en", "", ""),
    ]
    path = write(
        folder / "wit_v1.train.all-00000-of-00010.tsv.gz", delimited([*rows, ["en"]], "\t")
    )
    dropped = {"blank": 1, "language": 1, "malformed": 1}
    return Found({"kind": "wit", "language": "en"}, path, ["The tower", "An alt text"], dropped)


def write_files(folder: Path) -> Found:
    write(folder / "a.txt", "one\n\ntwo\n")
    write(folder / "b.tsv.gz", "id\tprompt\n1\tthree\n")
    write(folder / "c.jsonl.gz", '{"text": "four"}\n')
    pl.DataFrame({"caption": ["five"]}).write_parquet(folder / "d.parquet")
    return Found({"kind": "file"}, folder, ["one", "two", "three", "four", "five"], {"blank": 1})


def write_image_folder(folder: Path) -> Found:
    for name in ("train/a.png", "train/deep/b.jpg", "train/lone.png"):
        write(folder / name, encoded(format="JPEG" if name.endswith("jpg") else "PNG"))
    rows = [
        {"file_name": "a.png", "text": "a cat"},
        {"file_name": "deep/b.jpg", "text": "a dog"},
        {"file_name": "gone.png", "text": "a gap"},
        {"file_name": "../../secret.png", "text": "a thief"},
        {"file_name": "a.png", "text": "a cat"},
    ]
    write(folder / "train" / "metadata.jsonl", "\n".join(json.dumps(row) for row in rows))
    dropped = {"repeated row": 1, "picture without a row": 1}
    prompts = ["a cat", "a dog", "a gap", "a thief"]
    return Found({"kind": "image_folder"}, folder, prompts, dropped)


def write_texts_beside(folder: Path) -> Found:
    for name in ("a.png", "b.png", "sub/c.webp"):
        write(folder / name, encoded(format="WEBP" if name.endswith("webp") else "PNG"))
    for name, text in (("a", "a cat\n"), ("sub/c", "a cow"), ("lone", "no picture")):
        write(folder / f"{name}.txt", text)
    dropped = {"picture without a text": 1, "text without a picture": 1}
    return Found({"kind": "image_folder"}, folder, ["a cat", "a cow"], dropped)


def write_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def write_webdataset(folder: Path) -> Found:
    files = {
        "x/000.jpg": encoded(format="JPEG"), "x/000.txt": b"a cat", "x/000.json": b'{"text": "no"}',
        "x/001.png": encoded(), "x/001.json": b'{"caption": "a dog", "sha": 1}', "x/001.cls": b"7",
        "x/002.png": encoded(),
        "x/003.txt": b"no picture",
        "x/004.png": encoded(), "x/004.json": b"{broken",
        "x/005.depth.png": encoded(), "x/005.png": encoded("blue"), "x/005.txt": b"two pictures",
        "readme.md": b"nothing",
    }  # fmt: skip
    write_tar(folder / "00000.tar", files)
    dropped = {"picture without a text": 1, "malformed": 1, "second picture of a sample": 1}
    prompts = ["a cat", "a dog", "no picture", "two pictures"]
    return Found({"kind": "webdataset"}, folder, prompts, dropped)


def write_image_parquet(folder: Path) -> Found:
    cells = [{"bytes": encoded(), "path": "x.png"}, {"bytes": None, "path": "y.png"}]
    table = pl.DataFrame({"image": cells, "prompt": ["a cat", "a ghost"]})
    table.write_parquet(folder / "train-00000-of-00001.parquet")
    return Found({"kind": "image_parquet"}, folder, ["a cat", "a ghost"])


def write_saved_dataset(folder: Path) -> Found:
    import datasets

    datasets.disable_progress_bars()
    train = datasets.Dataset.from_dict({"Prompt": ["one", None, "two"]})
    test = datasets.Dataset.from_dict({"Prompt": ["three"]})
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(str(folder / "saved"))
    settings = {"kind": "huggingface", "column": "prompt"}
    return Found(settings, folder / "saved", ["one", "two"], {"blank": 1})


def write_cloned_dataset(folder: Path) -> Found:
    (folder / "clone" / "data").mkdir(parents=True)
    for split in ("train", "validation"):
        table = pl.DataFrame({"prompt": [f"{split} one"], "score": [0.5]})
        table.write_parquet(folder / "clone" / "data" / f"{split}-00000-of-00001.parquet")
    settings = {"kind": "huggingface", "split": "validation"}
    return Found(settings, folder / "clone", ["validation one"])


def write_clip_retrieval(
    folder: Path, captions: Sequence[str | None] = ("a cat", "a dog", None), dim: int = 8
) -> Found:
    """Two parts as `clip-retrieval inference` names them, the last one with a row."""
    vectors = np.random.default_rng(0).normal(size=(len(captions), dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cut = len(captions) - 1
    for number, span in enumerate((slice(0, cut), slice(cut, None))):
        for name in ("img_emb", "metadata"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        np.save(folder / "img_emb" / f"img_emb_{number}.npy", vectors[span].astype(np.float16))
        count = len(captions[span])
        table = {"image_path": [f"{n:09d}" for n in range(count)], "caption": list(captions[span])}
        schema = {"image_path": pl.String, "caption": pl.String}
        pl.DataFrame(table, schema=schema).write_parquet(
            folder / "metadata" / f"metadata_{number}.parquet"
        )
    prompts = [caption for caption in captions if caption]
    dropped = {"blank": 1} if None in captions else {}
    return Found({"kind": "clip_retrieval"}, folder, prompts, dropped)


WRITERS: dict[str, Callable[[Path], Found]] = {
    name.removeprefix("write_"): writer
    for name, writer in list(globals().items())
    if name.startswith("write_") and name != "write_tar"
}
