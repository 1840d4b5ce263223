"""A whole small bundle for tests of damaged and hostile files; it is made in a second.

Its tower is a matrix in OpenVINO, so that nothing of torch is needed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.durable import digest_file, stable_id, write_json
from unprompt.index.base.settings import write_settings
from unprompt.index.base.tables import ROWS
from unprompt.index.bundle.bundle import seal_bundle
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.runtime.openvino_graph import save_graph
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.inversion.compose.phrases import Phrase, PhraseBank, save_bank
from unprompt.inversion.estimate.blend import Blend, save_blend
from unprompt.inversion.estimate.confidence import Confidence, save_confidence
from unprompt.inversion.estimate.head import LinearHead
from unprompt.inversion.estimate.head_files import HeadDescription
from unprompt.inversion.estimate.knn import KnnConfig

SIZE, DIM, WORDS, ROW_COUNT = 8, 16, 12, 1200
SPACE, TARGET_SPACE = "a" * 16, "b" * 16


def unit(count: int, dim: int, seed: int) -> np.ndarray:
    """Random unit vectors (count, dim) float32."""
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_bundle(folder: Path, factory: str = "SQ8") -> Path:
    """Write and seal the bundle."""
    make_tower(folder / "encoder")
    make_index(folder / "index", factory)
    description = HeadDescription("ridge", SPACE, TARGET_SPACE, 1.0, ROW_COUNT, 0.5)
    weight = np.random.default_rng(3).normal(size=(DIM, WORDS)).astype(np.float32)
    LinearHead(weight, np.zeros(WORDS, np.float32), description).save(folder / "head")
    save_blend(folder / "blend.json", Blend(0.5, KnnConfig(5), 0.5, 10))
    zeros, ones = (0.0,) * 5, (1.0,) * 5
    save_confidence(
        folder / "confidence.json", Confidence(zeros, ones, zeros * 2, 0.5, (0.1, 0.9), 0.01, 10)
    )
    phrases = tuple(Phrase("", "", f"fox {number}") for number in range(20))
    bank = PhraseBank(phrases, np.arange(20), unit(20, WORDS, 4))
    (folder / "phrases").mkdir()
    save_bank(folder / "phrases", bank)
    seal_bundle(folder, "strange", SPACE, TARGET_SPACE)
    return folder


def make_tower(folder: Path) -> None:
    """Pixels (n, 8, 8, 3) uint8 -> unit vectors (n, 16), by one matrix."""
    from openvino import Model, opset13

    pixels = opset13.parameter([-1, SIZE, SIZE, 3], np.uint8)
    flat = opset13.reshape(opset13.convert(pixels, "f32"), np.array([-1, SIZE * SIZE * 3]), False)
    matrix = np.random.default_rng(5).normal(size=(SIZE * SIZE * 3, DIM)).astype(np.float32)
    vectors = opset13.matmul(flat, opset13.constant(matrix), False, False)
    unit_length = opset13.normalize_l2(vectors, np.array([1]), 1e-12, "max")
    folder.mkdir(parents=True)
    save_graph(Model([unit_length], [pixels], "tower"), folder, "f16")
    write_encoder(folder)


def write_encoder(folder: Path) -> None:
    """Write `encoder.json` for the files as they are."""
    preprocess = Preprocess(SIZE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    write_json(
        folder / "encoder.json",
        {
            "space": SPACE,
            "dim": DIM,
            "config": write_settings(EncoderConfig(precision="f32")),
            "preprocess": write_settings(preprocess),
            "files": {name: digest_file(folder / name) for name in ("tower.xml", "tower.bin")},
            "precision": "f32",
            "batch_size": 4,
        },
    )


def make_index(folder: Path, factory: str, count: int = ROW_COUNT) -> None:
    """An index of `count` rows with lookup, keys and targets."""
    prompts = [f"a fox, number {number}" for number in range(count)]
    rows = pl.DataFrame(
        {
            "row": range(count),
            "row_id": range(count),
            "image_id": range(count),
            "prompt_id": [stable_id(prompt) for prompt in prompts],
            "prompt": prompts,
            "key": [str(number) for number in range(count)],
            "seed": [0] * count,
            "generator": ["by hand"] * count,
        },
        schema=ROWS,
    )
    content = IndexContent(rows, unit(count, DIM, 1), unit(count, WORDS, 2), SPACE, TARGET_SPACE)
    write_index(folder, content, np.zeros((0, DIM), np.float32), IndexConfig(factory=factory))


def seal_lies(bundle: Path, places: Sequence[str] = ("index",)) -> None:
    """Record the files as they are now, as an attacker would."""
    import json

    for place in places:
        path = bundle / place / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest.pop("digest", None)
        manifest["files"] = {
            name: {"size_bytes": (bundle / place / name).stat().st_size,
                   "sha256": digest_file(bundle / place / name)}
            for name in manifest["files"]
        }  # fmt: skip
        path.write_text(json.dumps(manifest))
    seal_bundle(bundle, "strange", SPACE, TARGET_SPACE)
