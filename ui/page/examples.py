"""A folder -> example pictures, rendered into it; none without the extra `scenes`."""

from pathlib import Path
from typing import NamedTuple

from PIL import Image

from unprompt.index.base.errors import MissingDependencyError

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
    """A picture that a visitor can click, with its true prompt."""

    prompt: str
    picture: Image.Image
    path: Path


def draw_examples(folder: Path) -> list[Example]:
    """Render SCENES into `folder` as PNG; an empty list without the extra `scenes`."""
    try:
        from unprompt.build.scenes.renderer import ScenesRenderer

        pictures = ScenesRenderer(SIZE_PX).render(*zip(*SCENES, strict=True))
    except (ImportError, MissingDependencyError):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    examples = []
    for place, ((prompt, _), drawn) in enumerate(zip(SCENES, pictures, strict=True), start=1):
        path, picture = folder / f"example-{place}.png", Image.fromarray(drawn)
        picture.save(path)
        examples.append(Example(prompt, picture, path))
    return examples
