"""Scene + generator -> the picture before its style: backdrop, shadows, lit objects, foreground."""

import numpy as np
from PIL import Image, ImageFilter

from unprompt.build.scenes.layout import Placement, lay_out
from unprompt.build.scenes.picture import Picture, to_floats
from unprompt.build.scenes.scene import Scene
from unprompt.build.scenes.settings.backdrop import Backdrop
from unprompt.build.scenes.settings.painters import PAINTERS
from unprompt.build.scenes.sprites import SpriteSheet
from unprompt.build.scenes.styles.filters import UNSHADED
from unprompt.build.scenes.styles.lighting import (
    Lighting,
    cast_shadow,
    draw_lighting,
    grade,
    shade_sprite,
)

FRONT_OPACITY = 0.7


def compose(scene: Scene, sheet: SpriteSheet, size_px: int, rng: np.random.Generator) -> Picture:
    """Draw the scene; the generator is used for light, backdrop and layout, in this order."""
    light = draw_lighting(rng, scene.light)
    backdrop = PAINTERS[scene.setting](size_px, rng)
    sprites = [sheet.draw(thing) for thing in scene.things]
    placements = lay_out(scene, [s.shape[1] / s.shape[0] for s in sprites], rng)
    canvas = _Drawing(backdrop, light, size_px, shaded=scene.style not in UNSHADED)
    for placement in placements:
        canvas.place(sprites[placement.thing], placement)
    return canvas.finish()


class _Drawing:
    """A picture being drawn: RGB, and the mask of the objects placed so far."""

    def __init__(self, backdrop: Backdrop, light: Lighting, size_px: int, shaded: bool) -> None:
        self._backdrop = backdrop
        self._light = light
        self._size_px = size_px
        self._shaded = shaded
        self._image = Image.fromarray(backdrop.rgb)
        self._ink = Image.new("L", (size_px, size_px), 0)

    def place(self, sprite: np.ndarray, placement: Placement) -> None:
        fitted = self._fit(sprite, placement)
        left = round(placement.x * self._size_px - fitted.width / 2)
        feet = round(placement.base * self._size_px)
        top = feet - fitted.height
        if placement.floating:
            self._drop_soft_shadow(fitted, left, top)
        else:
            self._drop_shadow(fitted, left, feet)
        self._image.paste(fitted, (left, top), fitted)
        mask = fitted.getchannel("A")
        self._ink.paste(mask, (left, top), mask)

    def finish(self) -> Picture:
        front = self._backdrop.front
        if front is not None:
            veil = front.getchannel("A").point(lambda alpha: int(alpha * FRONT_OPACITY))
            self._image.paste(front, (0, 0), veil)
        return Picture(grade(to_floats(self._image), self._light), to_floats(self._ink))

    def _fit(self, sprite: np.ndarray, placement: Placement) -> Image.Image:
        height, width = sprite.shape[:2]
        scale = self._size_px * min(placement.width / width, placement.height / height)
        target = (max(4, round(width * scale)), max(4, round(height * scale)))
        image = Image.fromarray(sprite)
        if placement.mirror:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = image.resize(target, Image.Resampling.HAMMING, reducing_gap=2.0)
        image = image.rotate(placement.turn, Image.Resampling.BILINEAR, expand=True)
        if not self._shaded:
            return image
        return Image.fromarray(shade_sprite(np.asarray(image), self._light, self._backdrop.ambient))

    def _drop_shadow(self, sprite: Image.Image, left: int, feet: int) -> None:
        strength = self._backdrop.shadow
        if strength <= 0:
            return
        soft = 0.012 * self._size_px if self._shaded else 0.5
        shadow, offset = cast_shadow(sprite, self._light, soft)
        pad = int(soft * 2)
        top = feet - shadow.height + pad - round(0.015 * self._size_px)
        self._darken(shadow, left + offset, top, strength)

    def _drop_soft_shadow(self, sprite: Image.Image, left: int, top: int) -> None:
        if not self._shaded:
            return
        pad = round(0.04 * self._size_px)
        halo = Image.new("L", (sprite.width + 2 * pad, sprite.height + 2 * pad), 0)
        halo.paste(sprite.getchannel("A"), (pad, pad))
        halo = halo.filter(ImageFilter.BoxBlur(pad * 0.5))
        self._darken(halo, left - pad, top - pad + pad // 3, 0.35)

    def _darken(self, shadow: Image.Image, left: int, top: int, strength: float) -> None:
        mask = shadow.point(lambda alpha: int(alpha * strength))
        tone = (14, 12, 30)
        self._image.paste(Image.new("RGB", shadow.size, tone), (left, top), mask)
