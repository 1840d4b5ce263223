"""Drawn pictures (h, w, 3) uint8 -> encoded files, in threads while the next ones are drawn."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from PIL import Image

from unprompt.index.images.pictures import PictureFormat, PictureQuality, encode_picture

Item = TypeVar("Item")
Result = TypeVar("Result")


def shrink(picture: np.ndarray, shorter_px: int | None) -> np.ndarray:
    """Downscale the picture (h, w, 3) with antialiasing to a shorter side of `shorter_px`."""
    height, width = picture.shape[:2]
    shorter = min(height, width)
    if shorter_px is None or shorter <= shorter_px:
        return picture
    size = round(width * shorter_px / shorter), round(height * shorter_px / shorter)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def store(
    picture: np.ndarray, format: PictureFormat, quality: PictureQuality, shorter_px: int | None
) -> tuple[bytes, tuple[int, int]]:
    """The encoded picture and its (height, width)."""
    small = shrink(picture, shorter_px)
    height, width = small.shape[:2]
    return encode_picture(small, format, quality), (height, width)


def map_behind(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int
) -> Iterator[Result]:
    """Yield `function(item)` in order, computed in `threads` while `items` makes the next item.

    At most `ahead` results are pending. An error is raised where its result is due.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
