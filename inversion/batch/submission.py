"""(image id, vector (d,)) pairs -> the csv of the Kaggle competition, one number per line.

The competition's header is `imgId_eId,val`. Line `fox_7` holds number 7 of the vector of the image
`fox`. Every image has one id, which is its file name without the suffix.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.bundle import INDEX, ROUTER
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.router import load_router
from unprompt.inversion.estimate.world import world_folder

HEADER = "imgId_eId,val"
RENAME = (
    "The id is the file name without folder and suffix; rename the files, or write a results file "
    "with --output, where every picture has a row of its own"
)


def write_submission(
    path: Path,
    vectors: Iterable[tuple[str, np.ndarray | None]],
    fill: Callable[[], np.ndarray] | None = None,
) -> int:
    """Write the file; returns the number of images. Each number is its shortest float32 text.

    A vector of None, of an unreadable image, becomes that of `fill`, which is called once at most;
    without `fill` the image is left out. Raises ConfigError for an id that comes twice or is empty,
    and for a vector that is not finite; then no file is written.
    """
    seen: set[str] = set()
    mean: np.ndarray | None = None
    with (
        write_atomically(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as out,
    ):
        out.write(HEADER + "\n")
        for image_id, vector in vectors:
            if vector is None and fill is not None:
                mean = fill() if mean is None else mean
                vector = mean
            if vector is None:
                continue
            if image_id in seen:
                raise ConfigError(f"two images of a submission have the id {image_id!r}. {RENAME}")
            seen.add(image_id)
            out.writelines(_lines(image_id, np.asarray(vector, dtype=np.float32)))
    return len(seen)


def _lines(image_id: str, vector: np.ndarray) -> list[str]:
    """The lines of one image; an id with a comma, a quote or a line break is quoted."""
    if not np.isfinite(vector).all():
        raise ConfigError(f"the vector of the image {image_id!r} is not finite; verify the bundle")
    quote = (
        '"' if any(mark in image_id for mark in ',"\r\n') or image_id != image_id.strip() else ""
    )
    escaped = image_id.replace('"', '""') if quote else image_id
    return [f"{quote}{escaped}_{n}{quote},{value!s}\n" for n, value in enumerate(vector)]


def check_ids(pictures: Iterable[tuple[str, str]]) -> None:
    """Raise ConfigError where two of the pictures (image id, name) have one id.

    An empty id belongs to a folder or file that could not be read, and may repeat.
    """
    names: dict[str, str] = {}
    shared: list[tuple[str, str, str]] = []
    for image_id, name in pictures:
        if image_id in names:
            shared.append((image_id, names[image_id], name))
        elif image_id:
            names[image_id] = name
    if shared:
        image_id, first, second = shared[0]
        others = f", and {len(shared) - 1} more pairs do" if len(shared) > 1 else ""
        raise ConfigError(
            f"{first} and {second} have the same id {image_id!r} in a submission{others}. {RENAME}"
        )


def mean_answer(bundle: Path) -> np.ndarray:
    """The mean prompt vector (d_prompt,) of a bundle, over its worlds, at unit length.

    It stands for a picture that cannot be read. No tower is loaded.
    """
    names = [""]
    if (bundle / ROUTER).is_file():
        names = [world.name for world in load_router(bundle).settings.worlds]
    folders = [world_folder(bundle, names, name) for name in names]
    means = [PromptIndex.load(folder / INDEX).mean_target for folder in folders]
    return np.asarray(to_unit_length(np.mean(means, axis=0)[None])[0], dtype=np.float32)
