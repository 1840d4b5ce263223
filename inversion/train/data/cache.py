"""The output of the frozen part of a tower, on disk: pairs (n) -> states, each (n, ...) fp16.

Training then runs only the trained blocks. On a CPU the frozen part runs in OpenVINO.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from unprompt.index.base.durable import digest_json, read_json, write_json
from unprompt.index.base.errors import UnpromptError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.inversion.train.data.pairs import Pairs
from unprompt.inversion.train.data.pictures import Batch, PicturePairs
from unprompt.inversion.train.towers.tower import Tower

BLOCK = 128
FLUSH_EVERY = 20  # blocks between two progress records
MARKER = "cache.json"
States = Callable[[np.ndarray], Sequence[np.ndarray]]


class LowerPart(nn.Module):
    """uint8 pixels (n, s, s, 3) -> the state at the frozen boundary."""

    def __init__(self, tower: Tower, preprocess: Preprocess, boundary: int):
        super().__init__()
        self.tower = tower
        self.boundary = boundary
        self.register_buffer("mean", 255.0 * torch.tensor(preprocess.mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255.0 * torch.tensor(preprocess.std).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The state of the frozen part."""
        planes = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        return self.tower.lower(planes, self.boundary)


class CachedPairs(Dataset):
    """Pairs whose inputs are cached states."""

    def __init__(self, arrays: Sequence[np.ndarray], targets: np.ndarray):
        self._arrays = arrays
        self._targets = targets

    def __len__(self) -> int:
        return len(self._targets)

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        places = np.asarray(rows)
        states = tuple(torch.from_numpy(array[places]) for array in self._arrays)
        return states, torch.from_numpy(self._targets[places])


def open_cache(
    folder: Path,
    pairs: Pairs,
    lower: LowerPart,
    preprocess: Preprocess,
    progress: Progress = SILENT,
) -> CachedPairs:
    """Open the cache of `pairs`, and fill missing rows first.

    A digest of the frozen weights, the image size and the rows names the folder, so another tower
    or corpus never uses it. Filling resumes after a kill.
    """
    digest = _digest(lower, pairs, preprocess)
    place = folder / digest
    pictures = PicturePairs(pairs, preprocess, None, 0)
    run = frozen_runner(lower.eval(), preprocess.image_size)
    arrays = _arrays(place, len(pairs), run(pictures.pixels(0)[None]))
    done = int(read_json(place / MARKER)["rows"]) if (place / MARKER).is_file() else 0
    blocks = [
        range(start, min(start + BLOCK, len(pairs))) for start in range(done, len(pairs), BLOCK)
    ]
    total = -(-len(pairs) // BLOCK)
    decoded = _decode_ahead(pictures, blocks)
    for count, rows in enumerate(progress.track(blocks, "cache", total, total - len(blocks))):
        for array, state in zip(arrays, run(next(decoded)), strict=True):
            narrow = state.astype(np.float16)
            if not np.isfinite(narrow).all():
                raise UnpromptError(
                    "the output of the frozen part is too large for fp16; set `train.cache: false`"
                )
            array[rows.start : rows.stop] = narrow
        if rows.stop == len(pairs) or count % FLUSH_EVERY == FLUSH_EVERY - 1:
            for array in arrays:
                array.flush()
            write_json(place / MARKER, {"rows": rows.stop})
    return CachedPairs(arrays, pairs.targets)


def _decode_ahead(pictures: PicturePairs, blocks: Sequence[range]) -> Iterator[np.ndarray]:
    """Pixels (b, s, s, 3) of each block; the next block decodes while the current one is used."""

    def decode(rows: range) -> np.ndarray:
        return np.stack([pictures.pixels(row) for row in rows])

    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(decode, rows) for rows in blocks[:1]]
        for following in [*blocks[1:], None]:
            pixels = ahead.pop().result()
            if following is not None:
                ahead.append(pool.submit(decode, following))
            yield pixels


def _arrays(place: Path, rows: int, example: Sequence[np.ndarray]) -> list[np.memmap]:
    """Memory-mapped (rows, ...) fp16 arrays, one per tensor of the state."""
    place.mkdir(parents=True, exist_ok=True)
    arrays = []
    for number, state in enumerate(example):
        path = place / f"state_{number}.npy"
        shape = (rows, *state.shape[1:])
        begun = path.is_file() and (place / MARKER).is_file()
        arrays.append(
            np.lib.format.open_memmap(path, "r+")
            if begun
            else np.lib.format.open_memmap(path, "w+", np.float16, shape)
        )
    return arrays


def _digest(lower: LowerPart, pairs: Pairs, preprocess: Preprocess) -> str:
    digest = hashlib.sha256()
    tower = lower.tower
    for module in (*tower.stem_modules, *list(tower.blocks)[: lower.boundary]):
        for tensor in module.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
    content = {
        "weights": digest.hexdigest(),
        "boundary": lower.boundary,
        "preprocess": write_settings(preprocess),
        "images": str(pairs.images.resolve()),
        "keys": pairs.keys,
    }
    return digest_json(content)[:16]


def frozen_runner(lower: LowerPart, image_size: int) -> States:
    """The function that fills a cache: OpenVINO on a CPU, torch on a GPU."""
    device = next(lower.tower.parameters()).device
    if device.type == "cpu":
        from unprompt.index.runtime.openvino_graph import compile_module

        return compile_module(lower, image_size)

    def run(pixels: np.ndarray) -> Sequence[np.ndarray]:
        with torch.inference_mode():
            states = lower(torch.from_numpy(pixels).to(device))
        return [state.float().cpu().numpy() for state in states]

    return run
