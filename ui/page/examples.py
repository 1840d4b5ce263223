"""A bundle -> the example pictures of the page, in groups: photographs, and scenes drawn for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from unprompt.index.base.errors import MissingDependencyError
from unprompt.ui.page.photographs import find_photographs, write_credits
from unprompt.ui.page.summary import BundleSummary

SIZE_PX = 256
# From `sample_prompts(60, seed=2024)`. No corpus holds them: corpora use other seeds for prompts,
# and the seeds of their pictures are 64-bit digests.
SCENES = (
    ("a moka pot behind a hot dog in a field of flowers.", 7),
    ("a neon sign of three strawberries beside a hibiscus in the woods", 7),
    ("A stained glass picture of a wheelbarrow in the desert", 7),
    ("three pink tropical drinks on the moon", 7),
    ("Pixel art of a red gear in a desert", 7),
    ("A yellow shrine gate in the snow", 7),
)


class Example(NamedTuple):
    """A picture that a visitor can click, and what the page says of it beside the answer."""

    note: str
    picture: Image.Image
    path: Path


class ExampleGroup(NamedTuple):
    """Examples of one kind."""

    heading: str
    examples: Sequence[Example]
    credit: str = ""  # sources and licenses, shown below the pictures


def make_examples(folder: Path, bundle: BundleSummary) -> list[ExampleGroup]:
    """Write the examples for the worlds of a bundle into `folder`.

    Photographs are for a bundle of several worlds, scenes for one that knows scenes. A group is
    left out where no installed package has its pictures.
    """
    groups = []
    if len(bundle.worlds) > 1 and not bundle.only_scenes:
        groups.append(_photographs(folder))
    if bundle.draws_scenes:
        drawn = draw_scenes(folder)
        other = "Or a scene, drawn from a prompt" if groups and groups[0].examples else ""
        groups.append(ExampleGroup(other or "Or try one of these", drawn))
    return [group for group in groups if group.examples]


def draw_scenes(folder: Path) -> list[Example]:
    """Render SCENES into `folder` as PNG; an empty list without the extra `scenes`."""
    try:
        from unprompt.build.scenes.renderer import ScenesRenderer

        pictures = ScenesRenderer(SIZE_PX).render(*zip(*SCENES, strict=True))
    except (ImportError, MissingDependencyError):
        return []
    return [
        _write(f"Rendered from: {prompt}", Image.fromarray(drawn), folder / f"example-{place}.png")
        for place, ((prompt, _), drawn) in enumerate(zip(SCENES, pictures, strict=True), start=1)
    ]


def _photographs(folder: Path) -> ExampleGroup:
    found = find_photographs()
    examples = [
        _write(
            f"A photograph, made from no prompt: {one.title}, {one.credit}",
            picture,
            folder / f"photograph-{place}.png",
        )
        for place, (one, picture) in enumerate(found, start=1)
    ]
    credit = write_credits([one for one, _ in found])
    return ExampleGroup("Or try a photograph", examples, credit)


def _write(note: str, picture: Image.Image, path: Path) -> Example:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return Example(note, picture, path)
