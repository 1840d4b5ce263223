"""The seven colours of prompts; recolours a drawing, RGB (h, w, 3), and keeps its shading."""

import numpy as np

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 34, 38),
    "orange": (245, 128, 18),
    "yellow": (250, 210, 20),
    "green": (52, 164, 60),
    "blue": (34, 96, 220),
    "purple": (132, 56, 190),
    "pink": (248, 110, 178),
}
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
OUTLINE_LUMA = 0.16
HIGHLIGHT = 0.8


def recolour(rgb: np.ndarray, alpha: np.ndarray, colour: str) -> np.ndarray:
    """Recolour uint8 (h, w, 3) by its opaque part, alpha (h, w); outlines and highlights remain.

    The object's median brightness becomes the named colour. Darker pixels become shades of it,
    lighter ones tints, so that a white bear and a black bat both take the colour.
    """
    target = np.array(COLOURS[colour], dtype=np.float32) / 255
    luma = (rgb.astype(np.float32) / 255) @ LUMA
    inside = luma[alpha > 127]
    fill = inside[inside > OUTLINE_LUMA]
    if fill.size < 0.3 * inside.size:
        luma = np.sqrt(luma) * 0.7 + 0.3
        fill = luma[alpha > 127]
    typical = float(np.median(fill)) if fill.size else 0.5
    darker = np.clip(luma / typical, 0, 1)[..., None]
    lighter = np.clip((luma - typical) / max(1 - typical, 0.15), 0, 1)[..., None] * HIGHLIGHT
    tinted = target * darker
    tinted += (1 - target) * lighter
    return (np.clip(tinted, 0, 1) * 255 + 0.5).astype(np.uint8)
