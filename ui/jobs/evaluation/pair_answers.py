"""Pictures of labelled pairs -> what a bundle answers to each, by every method; cached by block.

A block is 32 pictures. Its file in the cache is named by the bundle and by the content of the
pictures, so a killed evaluation goes on where it stopped, and changed labels cost no new answers.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import polars as pl

from unprompt.index.base.durable import digest_bytes, digest_file, write_atomically
from unprompt.index.base.errors import UnpromptError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.bundle.bundle import read_bundle
from unprompt.index.encoders.protocols import ImageEncoder
from unprompt.index.images.pictures import open_picture
from unprompt.index.pairs.labelled_pairs import read_labelled_picture
from unprompt.index.sealed.seal import SEAL
from unprompt.index.store.manifest import CLASS_KEYS, MANIFEST
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.answer import Inversion
from unprompt.inversion.estimate.fallback import CLASSES
from unprompt.inversion.estimate.knn import KnnConfig, estimate
from unprompt.inversion.inverter import BATCH, Inverter
from unprompt.inversion.query import Query

CLASS_BANK = "class bank"
METHODS = ("nearest prompt", "knn", "head", "answer")  # stored vectors, before the class bank
ALL_CANDIDATES = 1000
FORMAT = 3  # of a block
FAST = Query(candidates=ALL_CANDIDATES, compose=False, metadata=False)
Arrays = dict[str, np.ndarray]
Pictures = Sequence[bytes | UnpromptError]


class ClassBank(NamedTuple):
    """The ImageNet classes of a bundle, as an index, and the tower whose keys it holds."""

    encoder: ImageEncoder
    classes: PromptIndex
    knn: KnnConfig


class PairAnswers(NamedTuple):
    """The answers of a bundle to n pictures."""

    vectors: dict[str, np.ndarray]  # by method: (n, d_prompt) float16, zero where it failed
    table: pl.DataFrame  # expected_cosine, outside, blank, world, prompt, fault


def answers_digest(bundle: Path) -> str:
    """Digest of all that answers depend on: the bundle, its indexes, and the code's version."""
    folders = [bundle / name for name in read_bundle(bundle, verify=False).indexes]
    digests = [digest_file(path) for path in (bundle / SEAL, *(f / MANIFEST for f in folders))]
    return digest_bytes("".join([version("unprompt"), str(FORMAT), *digests]).encode())[:12]


def find_class_bank(inverter: Inverter) -> ClassBank | None:
    """The class bank of the fallback, or of the first member whose index holds classes."""
    if inverter.fallback is not None:
        return ClassBank(inverter.fallback.encoder, inverter.fallback.classes, CLASSES)
    for world in inverter.worlds:
        for member, share in zip(world.members, world.blend.shares, strict=True):
            if member.index.manifest.keys == CLASS_KEYS:
                return ClassBank(member.encoder, member.index, share.knn)
    return None


def answer_pairs(
    inverter: Inverter, rows: pl.DataFrame, cache: Path | None, progress: Progress = SILENT
) -> PairAnswers:
    """Answer the pictures of LABELLED `rows`; a picture that cannot be read gives a fault.

    `cache` is the folder of the bundle's finished blocks; None keeps nothing.
    """
    bank = find_class_bank(inverter)
    methods = (*METHODS, *([CLASS_BANK] if bank else []))
    found = list(
        _blocks(
            rows,
            cache,
            lambda pictures: _answer_block(inverter, bank, pictures),
            progress,
            "answers",
        )
    )
    vectors = np.concatenate([block["vectors"] for block in found])
    worlds = np.concatenate([block["world"] for block in found]).tolist()
    faults = np.concatenate([block["fault"] for block in found]).tolist()
    table = pl.DataFrame(
        {
            "expected_cosine": np.concatenate([block["expected"] for block in found]),
            "outside": np.concatenate([block["outside"] for block in found]),
            "blank": np.concatenate([block["blank"] for block in found]),
            "world": [name or None for name in worlds],
            "prompt": np.concatenate([block["prompt"] for block in found]).tolist(),
            "fault": [fault or None for fault in faults],
        },
        schema_overrides={"world": pl.String, "fault": pl.String, "prompt": pl.String},
    ).with_columns(pl.col("expected_cosine").fill_nan(None))
    return PairAnswers({name: vectors[:, place] for place, name in enumerate(methods)}, table)


def compose_pairs(
    inverter: Inverter, rows: pl.DataFrame, cache: Path | None, progress: Progress = SILENT
) -> list[str]:
    """The composed prompt of each picture of LABELLED `rows`; empty where it cannot be read."""
    query = Query(metadata=False)

    def compose(pictures: Pictures) -> Arrays:
        answers, _ = _ask(inverter, pictures, query)
        return {"text": np.array([answer.prompt if answer else "" for answer in answers])}

    texts = None if cache is None else cache / "texts"
    return [
        str(text)
        for block in _blocks(rows, texts, compose, progress, "composed")
        for text in block["text"]
    ]


def _blocks(
    rows: pl.DataFrame,
    cache: Path | None,
    make: Callable[[Pictures], Arrays],
    progress: Progress,
    label: str,
) -> Iterator[Arrays]:
    starts = range(0, rows.height, BATCH)
    for start in progress.track(starts, label, len(starts)):
        pictures = [_read(row) for row in rows[start : start + BATCH].iter_rows(named=True)]
        if cache is None:
            yield make(pictures)
            continue
        content = "".join(digest_bytes(one) if isinstance(one, bytes) else "-" for one in pictures)
        path = cache / f"{digest_bytes(content.encode())[:24]}.npz"
        yield _load(path) or _store(path, make(pictures))


def _read(row: dict[str, object]) -> bytes | UnpromptError:
    try:
        return read_labelled_picture(row)
    except UnpromptError as error:
        return error


def _load(path: Path) -> Arrays | None:
    """A finished block; None where there is none that can be read."""
    try:
        with np.load(path) as block:
            return dict(block)
    except (OSError, ValueError, EOFError, BadZipFile):
        return None


def _store(path: Path, block: Arrays) -> Arrays:
    with write_atomically(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, **block)  # type: ignore[arg-type]
    return block


def _answer_block(inverter: Inverter, bank: ClassBank | None, pictures: Pictures) -> Arrays:
    """Vectors (b, methods, d_prompt), and the other fields of PairAnswers, of one block."""
    answers, faults = _ask(inverter, pictures, FAST)
    count = len(METHODS) + (bank is not None)
    vectors = np.zeros((len(pictures), count, inverter.index.manifest.target_dim), np.float16)
    for place, answer in enumerate(answers):
        if answer is not None:
            nearest = _nearest_target(inverter, answer)
            vectors[place, : len(METHODS)] = nearest, answer.knn, answer.head, answer.vector
    answered = [place for place, answer in enumerate(answers) if answer is not None]
    if bank is not None and answered:
        images = [open_picture(pictures[place], "") for place in answered]  # type: ignore[arg-type]
        classes = estimate(bank.classes, bank.encoder.encode(images), bank.knn)
        vectors[answered, len(METHODS)] = classes.vectors
    return {
        "vectors": vectors,
        "expected": np.array(
            [
                np.nan if a is None or a.expected_cosine is None else a.expected_cosine
                for a in answers
            ],
            dtype=np.float32,
        ),
        "outside": np.array([a is not None and a.outside for a in answers]),
        "blank": np.array([a is not None and a.blank for a in answers]),
        "world": np.array([(a and a.world) or "" for a in answers]),
        "prompt": np.array([a.prompt if a else "" for a in answers]),
        "fault": np.array(faults),
    }


def _ask(
    inverter: Inverter, pictures: Pictures, query: Query
) -> tuple[list[Inversion | None], list[str]]:
    """The answer to each picture, and the fault of each that cannot be opened, else ""."""
    images, faults = [], []
    for content in pictures:
        fault = str(content)
        if isinstance(content, bytes):
            try:
                images.append(open_picture(content, "picture"))
                fault = ""
            except UnpromptError as error:
                fault = str(error)
        faults.append(fault)
    answers = iter(inverter.invert_images(images, query))
    return [None if fault else next(answers) for fault in faults], faults


def _nearest_target(inverter: Inverter, answer: Inversion) -> np.ndarray:
    """The target (d_prompt,) of the known prompt whose key is nearest; the mean without any."""
    index = inverter.world_of(answer).index
    if inverter.fallback is not None and answer.outside and answer.world is None:
        index = inverter.fallback.classes
    if not answer.neighbors:
        return index.mean_target
    nearest = max(answer.neighbors, key=lambda neighbor: neighbor.similarity)
    return np.asarray(index.targets[[nearest.row]], dtype=np.float32)[0]
