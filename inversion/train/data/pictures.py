"""Training pairs -> batches: uint8 pixels (b, s, s, 3) or cached states, and targets (b, d)."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unprompt.index.base.durable import stable_id
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.images.pictures import open_picture
from unprompt.index.images.shard_pictures import ImageShards
from unprompt.inversion.train.data.pairs import Pairs

Batch = tuple[tuple[Tensor, ...], Tensor]  # inputs, targets
Augment = Callable[[np.ndarray, int], np.ndarray]


class PicturePairs(Dataset):
    """A dataset that decodes pictures on access, by whole batches of row numbers."""

    def __init__(self, pairs: Pairs, preprocess: Preprocess, augment: Augment | None, seed: int):
        self._pairs = pairs
        self._preprocess = preprocess
        self._augment = augment
        self._seed = seed
        self._shards: ImageShards | None = None  # opened in the process that reads

    def __len__(self) -> int:
        return len(self._pairs)

    def pixels(self, row: int) -> np.ndarray:
        """The pixels of one picture for the tower: uint8 (s, s, 3)."""
        if self._shards is None:
            self._shards = ImageShards(self._pairs.images)
        key = self._pairs.keys[row]
        picture = self._preprocess([open_picture(self._shards.image(key), key)])[0]
        if self._augment is None:
            return picture
        return self._augment(picture, stable_id("augment", self._seed, row) % 2**63)

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        pixels = np.stack([self.pixels(row) for row in rows])
        return (torch.from_numpy(pixels),), torch.from_numpy(self._pairs.targets[list(rows)])


def make_batches(order: np.ndarray, size: int) -> list[list[int]]:
    """Row numbers in order -> whole batches. A smaller batch remains only if it is the only one."""
    count = max(1, len(order) // size)
    return [order[place * size : (place + 1) * size].tolist() for place in range(count)]


def share_of(batch: list[int], rank: int, processes: int) -> list[int]:
    """The rows of a batch for one process. All shares have the same length."""
    usable = len(batch) - len(batch) % processes
    return batch[:usable][rank::processes] or batch[:1]


def load_batches(dataset: Dataset, batches: list[list[int]], workers: int) -> Iterator[Batch]:
    """Load the batches in order; `workers` processes decode ahead."""
    yield from DataLoader(
        dataset, batch_sampler=batches, num_workers=workers, collate_fn=_as_fetched
    )


def _as_fetched(batch: Batch) -> Batch:
    return batch
