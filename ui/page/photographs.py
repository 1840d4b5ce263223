"""Installed packages -> photographs in the public domain that they carry; no package is imported.

The page's own extra `demo` brings scikit-image, which states the license of each of its
photographs in `skimage.data`. Grace Hopper's portrait in matplotlib is a work of the US Navy.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.images.pictures import open_picture

SIZE_PX = 512  # of the longer side, at most
DISTRIBUTIONS = {"skimage": "scikit-image"}  # where a package is installed under another name


class Photograph(NamedTuple):
    """One photograph in an installed package."""

    package: str  # as it is imported
    file: str  # inside the package
    title: str
    credit: str  # photographer and license


PHOTOGRAPHS = (
    Photograph("skimage", "data/chelsea.png", "a cat", "Stéfan van der Walt, CC0"),
    Photograph("skimage", "data/coffee.png", "coffee", "Rachel Michetti, CC0"),
    Photograph("skimage", "data/rocket.jpg", "a rocket", "SpaceX, public domain"),
    Photograph("skimage", "data/astronaut.png", "an astronaut", "NASA, public domain"),
    Photograph(
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "Grace Hopper",
        "US Navy, public domain",
    ),
    Photograph("skimage", "data/hubble_deep_field.jpg", "galaxies", "NASA, public domain"),
)


def write_credits(photographs: Sequence[Photograph]) -> str:
    """The photographers, the licenses and the packages of some photographs, as one line."""
    credits = "; ".join(f"{one.title}: {one.credit}" for one in photographs)
    packages = dict.fromkeys(DISTRIBUTIONS.get(p.package, p.package) for p in photographs)
    return f"{credits}. From {' and '.join(packages)}."


def find_photographs(
    wanted: Sequence[Photograph] = PHOTOGRAPHS,
) -> list[tuple[Photograph, Image.Image]]:
    """Those of the wanted photographs that are installed, as RGB images, SIZE_PX a side at most."""
    found = []
    for photograph in wanted:
        path = _locate(photograph)
        if path is None:
            continue
        try:
            picture = open_picture(path, photograph.file)
        except UnreadableImageError:
            continue  # another version of the package
        picture.thumbnail((SIZE_PX, SIZE_PX))
        found.append((photograph, picture))
    return found


def _locate(photograph: Photograph) -> Path | None:
    """The file of a photograph, or None where the package or the file is not installed."""
    package = find_spec(photograph.package)
    folders = package.submodule_search_locations if package else None
    paths = [Path(folder, photograph.file) for folder in folders or ()]
    return next((path for path in paths if path.is_file()), None)
