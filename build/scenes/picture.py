"""A drawn scene: RGB float32 (s, s, 3) in 0..1, its object mask (s, s), and image operations."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from unprompt.build.scenes.words.colours import LUMA


@dataclass(frozen=True)
class Picture:
    """RGB in 0..1, and `ink`, the mask (s, s) that is 1 where an object covers the backdrop."""

    rgb: np.ndarray
    ink: np.ndarray

    @property
    def size_px(self) -> int:
        return int(self.rgb.shape[0])


def to_image(rgb: np.ndarray) -> Image.Image:
    """Float (s, s, 3) or (s, s) in 0..1 -> Pillow image."""
    return Image.fromarray((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8))


def to_floats(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, dtype=np.float32) / 255


def blur(rgb: np.ndarray, radius: float) -> np.ndarray:
    """Approximate a Gaussian blur by two box blurs; a large radius works on a smaller copy."""
    picture = to_image(rgb)
    shrink = 4 if radius >= 8 else 2 if radius >= 3 else 1
    box = ImageFilter.BoxBlur(radius * 0.85 / shrink)
    if shrink == 1:
        return to_floats(picture.filter(box).filter(box))
    small = picture.reduce(shrink).filter(box).filter(box)
    return to_floats(small.resize(picture.size, Image.Resampling.BILINEAR))


def shrink(picture: Picture, across: int) -> tuple[np.ndarray, np.ndarray]:
    """Saturated RGB (across, across, 3) and mask (across, across), averaged per square."""
    target = (across, across)
    rgb = to_image(saturate(picture.rgb, 1.25)).resize(target, Image.Resampling.BOX)
    return to_floats(rgb), to_floats(to_image(picture.ink).resize(target, Image.Resampling.BOX))


def find_luma(rgb: np.ndarray) -> np.ndarray:
    return rgb @ LUMA


def saturate(rgb: np.ndarray, factor: float) -> np.ndarray:
    grey = find_luma(rgb)[..., None]
    return np.clip(grey + (rgb - grey) * factor, 0, 1)


def find_strongest(rgb: np.ndarray) -> np.ndarray:
    """Maximum of the channels, (s, s, 3) -> (s, s); several times faster than np.max."""
    return np.maximum(np.maximum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])


def find_edges(values: np.ndarray) -> np.ndarray:
    """Gradient magnitude of (s, s), or its maximum over the channels of (s, s, 3)."""
    down = np.abs(np.diff(values, axis=0, prepend=values[:1]))
    across = np.abs(np.diff(values, axis=1, prepend=values[:, :1]))
    edges = down + across
    return edges if edges.ndim == 2 else find_strongest(edges)


def displace(values: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Take each pixel from (row + down, column + across), clipped at the border."""
    size = values.shape[0]
    rows = np.clip(np.arange(size)[:, None] + np.rint(down).astype(np.intp), 0, size - 1)
    columns = np.clip(np.arange(size)[None, :] + np.rint(across).astype(np.intp), 0, size - 1)
    flat = values.reshape(size * size, *values.shape[2:])
    return np.take(flat, rows * size + columns, axis=0)


def quantise(rgb: np.ndarray, ink: np.ndarray, colours: int) -> np.ndarray:
    """Reduce the picture to `colours` typical colours, without dithering.

    Half of them come from the objects, so that a small green cactus stays green in a desert.
    """
    step = max(1, rgb.shape[0] // 64)
    sample, covered = rgb[::step, ::step], ink[::step, ::step] > 0.5
    half = colours // 2
    palette = np.concatenate(
        [_find_typical(sample[covered], half), _find_typical(sample[~covered], colours - half)]
    )
    chart = Image.new("P", (1, 1))
    chart.putpalette(np.resize(palette, (256, 3)).tobytes())
    printed = to_image(rgb).quantize(palette=chart, dither=Image.Dither.NONE)
    return to_floats(printed.convert("RGB"))


def _find_typical(pixels: np.ndarray, colours: int) -> np.ndarray:
    """(k, 3) in 0..1 -> at most (colours, 3) as uint8."""
    if not len(pixels):
        return np.empty((0, 3), dtype=np.uint8)
    strip = to_image(pixels[None]).quantize(colours, method=Image.Quantize.MEDIANCUT)
    palette = strip.getpalette() or []
    return np.array(palette[: 3 * colours], dtype=np.uint8).reshape(-1, 3)
