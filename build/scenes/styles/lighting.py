"""Generator -> Lighting; shading of a sprite, its shadow, and color grading of the picture."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

Rgb = tuple[float, float, float]
NAMED: dict[str, tuple[Rgb, float, float]] = {
    # tint, exposure, contrast
    "golden": ((1.14, 1.0, 0.76), 1.03, 1.05),
    "moonlit": ((0.66, 0.82, 1.18), 0.74, 1.05),
    "dramatic": ((1.04, 1.0, 0.94), 0.84, 1.4),
    "bright": ((1.02, 1.02, 1.0), 1.16, 1.0),
}


@dataclass(frozen=True)
class Lighting:
    """`side` is -1 for light from the left, 1 from the right; the rest grades the picture."""

    side: float
    height: float
    tint: Rgb
    exposure: float
    contrast: float
    vignette: float


def draw_lighting(rng: np.random.Generator, light: str | None) -> Lighting:
    """Random side, warmth and exposure around the values of the named light."""
    side = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.4, 1.0))
    warmth = float(rng.uniform(-0.06, 0.08))
    tint, exposure, contrast = NAMED.get(light or "", ((1.0, 1.0, 1.0), 1.0, 1.0))
    return Lighting(
        side=side,
        height=float(rng.uniform(0.5, 1.0)),
        tint=(tint[0] * (1 + warmth), tint[1], tint[2] * (1 - warmth)),
        exposure=exposure * float(rng.uniform(0.92, 1.08)),
        contrast=contrast,
        vignette=0.6 if light == "dramatic" else float(rng.uniform(0.08, 0.28)),
    )


def shade_sprite(sprite: np.ndarray, light: Lighting, ambient: Rgb) -> np.ndarray:
    """Shade RGBA uint8 (h, w, 4) as if rounded and lit from one side, tinted by `ambient`."""
    height, width = sprite.shape[:2]
    radius = max(2.0, 0.05 * max(height, width))
    alpha = Image.fromarray(np.ascontiguousarray(sprite[..., 3]))
    soft = np.asarray(alpha.filter(ImageFilter.BoxBlur(radius)), dtype=np.float32) / 255
    slope_y, slope_x = np.gradient(soft)
    relief = -(slope_x * -light.side + slope_y * -light.height) * (radius * 1.1)
    across = np.linspace(-1, 1, width, dtype=np.float32) * light.side
    down = np.linspace(1, -1, height, dtype=np.float32) * light.height
    glow = 1 + 0.08 * across[None, :] + 0.08 * down[:, None] + 0.55 * np.clip(-relief, -0.5, 0.5)
    lit = sprite.copy()
    shaded = sprite[..., :3] * (glow[..., None] * np.array(ambient, dtype=np.float32))
    lit[..., :3] = np.clip(shaded, 0, 255)
    return lit


def cast_shadow(sprite: Image.Image, light: Lighting, blur_px: float) -> tuple[Image.Image, int]:
    """The shadow of a standing sprite on the ground: a mask, and its x offset in px."""
    width, height = sprite.size
    depth = max(2, int(height * 0.26))
    lean = -light.side * height * 0.5
    span = int(width + abs(lean)) + 1
    offset = int(min(lean, 0))
    # A row y px above the feet moves sideways by its share of the lean.
    matrix = (1, lean / depth, offset - lean, 0, height / depth, 0)
    flat = sprite.getchannel("A").transform((span, depth), Image.Transform.AFFINE, matrix)
    pad = int(blur_px * 2)
    padded = Image.new("L", (span + 2 * pad, depth + 2 * pad), 0)
    padded.paste(flat, (pad, pad))
    return padded.filter(ImageFilter.BoxBlur(blur_px)), offset - pad


def grade(rgb: np.ndarray, light: Lighting) -> np.ndarray:
    """Apply exposure, tint, contrast and vignette to float32 (s, s, 3) in 0..1."""
    size = rgb.shape[0]
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    falloff = 1 - light.vignette * 0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2)
    gain = np.array(light.tint, dtype=np.float32) * light.exposure
    graded = rgb * gain * falloff[..., None]
    if light.contrast != 1.0:
        graded = 0.42 + (graded - 0.42) * light.contrast
    return np.clip(graded, 0, 1)
