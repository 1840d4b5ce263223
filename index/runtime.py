"""A tower as a folder that runs without torch: pictures -> unit vectors (n, d) through OpenVINO.

`export_encoder` writes `encoder.json` (last) beside `tower.xml` and `tower.bin`; `load_encoder`
reads it back. An encoder whose runtime is torch is only described by its settings.
"""

import importlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unprompt.index.durable import digest_file, read_json, write_atomically, write_json
from unprompt.index.encoders import EncoderConfig, ImageEncoder, check_same_space
from unprompt.index.errors import DamagedFileError, UnpromptError
from unprompt.index.preprocess import Preprocess
from unprompt.index.quiet import without_load_reports
from unprompt.index.settings import read_settings, write_settings
from unprompt.index.trained_tower import FILES, TOWER

DESCRIPTION = "encoder.json"
GRAPH, WEIGHTS = "tower.xml", "tower.bin"


class OpenVinoEncoder:
    """An exported tower; one picture at a time for a query, full batches for bulk work."""

    def __init__(self, folder: Path, description: dict[str, Any]):
        import openvino

        self.space: str = description["space"]
        self.dim: int = description["dim"]
        config = read_settings(EncoderConfig, description["config"], str(folder / DESCRIPTION))
        self._batch_size = config.batch_size
        self._preprocess = read_settings(Preprocess, description["preprocess"], str(folder))
        self._core = openvino.Core()
        self._graph = self._core.read_model(folder / GRAPH, folder / WEIGHTS)
        self._precision = config.precision
        self._compiled: dict[int, Any] = {}

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        """RGB images -> unit vectors (n, d) float32."""
        blocks = [np.zeros((0, self.dim), dtype=np.float32)]
        for start in range(0, len(images), self._batch_size):
            blocks.append(self._encode_batch(images[start : start + self._batch_size]))
        return np.concatenate(blocks)

    def _encode_batch(self, images: Sequence[Image.Image]) -> np.ndarray:
        pixels = self._preprocess(images)
        if len(images) < self._batch_size:
            request = self._compile(1)
            return np.concatenate([request(pixel[None])[0].copy() for pixel in pixels])
        return self._compile(self._batch_size)(pixels)[0].copy()

    def _compile(self, batch: int) -> Any:
        # fixed shapes: each batch size is its own compiled network
        if batch not in self._compiled:
            size = self._preprocess.image_size
            graph = self._graph.clone()
            graph.reshape([batch, size, size, 3])
            hint = {"INFERENCE_PRECISION_HINT": self._precision}
            self._compiled[batch] = self._core.compile_model(graph, "CPU", hint)
        return self._compiled[batch]


def export_encoder(
    config: EncoderConfig,
    folder: Path,
    trained: Path | None = None,
    trained_on: str | None = None,
) -> dict[str, Any]:
    """Write the tower that `config` names into `folder` and return its description.

    `trained` is an export of `unprompt train head`; what it holds goes into the folder as well,
    and `trained_on`, the corpus whose held-out prompts it has not seen.
    """
    from unprompt.index.clip import load_clip

    clip = load_clip(config, "cpu" if config.runtime == "openvino" else None, trained)
    files: dict[str, str] = {}
    if config.runtime == "torch" and trained is not None:
        for name in FILES:
            with write_atomically(folder / name) as temporary:
                shutil.copyfile(trained / name, temporary)
        files = {name: digest_file(folder / name) for name in FILES}
    if config.runtime == "openvino":
        _save_graph(clip.image_graph(), clip.preprocess.image_size, folder)
        files = {name: digest_file(folder / name) for name in (GRAPH, WEIGHTS)}
    description = {
        "space": clip.space,
        "dim": clip.dim,
        "config": write_settings(config),
        "preprocess": write_settings(clip.preprocess),
        "files": files,
        "trained_on": trained_on,
    }
    write_json(folder / DESCRIPTION, description)
    return description


def compile_module(
    module: Any, image_size: int, batch: int = 8
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A torch module over uint8 pixels (n, s, s, 3) as a function that OpenVINO runs on the CPU.

    Several times as fast as torch's own convolutions there; f32, one array for each output.
    """
    import openvino

    graph = _convert(module, image_size)
    graph.reshape([batch, image_size, image_size, 3])  # fixed shapes run fastest
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    outputs = range(len(compiled.outputs))

    def run(pixels: np.ndarray) -> list[np.ndarray]:
        blocks: list[list[np.ndarray]] = [[] for _ in outputs]
        for start in range(0, len(pixels), batch):
            part = pixels[start : start + batch]
            missing = batch - len(part)
            padded = np.concatenate([part, np.repeat(part[-1:], missing, 0)]) if missing else part
            found = compiled(padded)
            for number in outputs:
                blocks[number].append(np.array(found[number][: len(part)]))
        return [np.concatenate(block) for block in blocks]

    return run


def _convert(module: Any, image_size: int) -> Any:
    import openvino

    torch = importlib.import_module("torch")
    example = torch.zeros((1, image_size, image_size, 3), dtype=torch.uint8)
    with torch.inference_mode(), without_load_reports():
        converted = openvino.convert_model(module, example_input=example)
    converted.reshape([-1, image_size, image_size, 3])
    return converted


def _save_graph(graph: Any, image_size: int, folder: Path) -> None:
    import openvino

    converted = _convert(graph, image_size)
    # OpenVINO numbers names through the life of a process; the same tower gives the same bytes
    converted.set_friendly_name("tower")
    for place, operation in enumerate(converted.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{place}")
    scratch = folder / "scratch.xml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        openvino.save_model(converted, scratch, compress_to_fp16=True)
    except (RuntimeError, OSError) as error:
        for part in (scratch, scratch.with_suffix(".bin")):
            part.unlink(missing_ok=True)
        raise UnpromptError(
            f"cannot write the tower to {folder}: {error}; free some space or choose another "
            "output folder, then run the same command again"
        ) from error
    for produced, name in ((scratch.with_suffix(".bin"), WEIGHTS), (scratch, GRAPH)):
        with write_atomically(folder / name) as temporary:
            produced.replace(temporary)


def copy_encoder(source: Path, folder: Path) -> dict[str, Any]:
    """The exported tower of another bundle, file by file; returns its description."""
    description = read_json(source / DESCRIPTION)
    for name in description["files"]:
        with write_atomically(folder / name) as temporary:
            shutil.copyfile(source / name, temporary)
    write_json(folder / DESCRIPTION, description)
    return description


def read_description(folder: Path) -> EncoderConfig:
    """The settings of an exported encoder."""
    origin = str(folder / DESCRIPTION)
    return read_settings(EncoderConfig, read_json(folder / DESCRIPTION)["config"], origin)


def trained_on(folder: Path) -> str | None:
    """The digest of the corpus that an exported tower was trained on, None if on none of ours."""
    digest = read_json(folder / DESCRIPTION).get("trained_on")
    return None if digest is None else str(digest)


def load_encoder(folder: Path) -> ImageEncoder:
    """The image encoder that `export_encoder` wrote; raises DamagedFileError if a file changed."""
    description = read_json(folder / DESCRIPTION)
    for name, digest in description["files"].items():
        path = folder / name
        if not path.is_file() or digest_file(path) != digest:
            raise DamagedFileError(
                f"{path} is missing or not what was written; rebuild it with `unprompt build "
                "--stage encoder` or fetch the bundle again"
            )
    config = read_settings(EncoderConfig, description["config"], str(folder / DESCRIPTION))
    if config.runtime == "openvino":
        return OpenVinoEncoder(folder, description)
    from unprompt.index.clip import load_clip

    trained = folder if TOWER in description["files"] else None
    clip = load_clip(config, trained=trained)
    check_same_space(
        description["space"], clip.space, "the tower that loads now", "Rebuild the bundle with it."
    )
    return clip
