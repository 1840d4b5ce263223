"""What the page shows -> HTML fragments, every text escaped: Inversion, pictures -> str."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image

from unprompt.index.store.manifest import Recall

TILE_PX = 320
TILE_QUALITY = 85


@dataclass(frozen=True)
class LoadedBundle:
    """What the page says about the bundle behind it."""

    name: str
    rows: int
    prompts: int
    recall: Recall | None
    draws_scenes: bool  # its pictures come from the scenes renderer


def write_header(loaded: LoadedBundle) -> str:
    """The product's name, what it does and what it has loaded."""
    facts = [f"{loaded.rows:,} {_plural('picture', loaded.rows)}"]
    facts.append(f"{loaded.prompts:,} {_plural('prompt', loaded.prompts)}")
    if loaded.recall:
        facts.append(f"index recall@{loaded.recall.k} {loaded.recall.value:.3f}")
    return (
        '<header class="up-head"><h1>unprompt</h1>'
        '<p class="up-lead">Recover the prompt behind a generated picture.</p>'
        f'<p class="up-loaded">Loaded <b>{escape(loaded.name)}</b>'
        f" · {' · '.join(facts)}</p></header>"
    )


def write_footer(loaded: LoadedBundle) -> str:
    """The limits of what is loaded, and whose drawings it shows."""
    lines = []
    if loaded.draws_scenes:
        lines.append(
            "This bundle knows the drawn scenes world only, which stands in for Stable Diffusion "
            "pictures: any other picture is said to be outside it."
        )
    lines.append("Pictures stay on this machine and are deleted when the page's server stops.")
    if loaded.draws_scenes:
        lines.append("Drawings: OpenMoji, CC BY-SA 4.0")
    return f'<footer class="up-foot">{"".join(f"<p>{line}</p>" for line in lines)}</footer>'


def write_invitation() -> str:
    """The answer's place before there is one."""
    return '<div class="up-empty">The prompt appears here.</div>'


def write_examples(pictures: Sequence[Image.Image]) -> str:
    """Pictures to click on; the script of the component reports which."""
    tiles = "".join(
        f'<button type="button" data-example="{place}" aria-label="Example {place + 1}">'
        f'<img src="{inline_picture(picture)}" alt=""></button>'
        for place, picture in enumerate(pictures)
    )
    return f'<div class="up-examples"><h2>Or try one of these</h2><div>{tiles}</div></div>'


def write_fault(message: str) -> str:
    """Why there is no answer."""
    return f'<div class="up-fault" role="alert">{escape(message[:1].upper() + message[1:])}</div>'


def copy_button(text: str, label: str) -> str:
    """A button that puts `text` on the clipboard; COPY_SCRIPT answers it."""
    return (
        f'<button type="button" class="up-copy" data-copy="{escape(text)}" '
        f'aria-label="{label}">Copy</button>'
    )


def inline_picture(picture: Image.Image) -> str:
    """The picture, small, as a data URL."""
    # inline, so that no file of a query is left behind and nothing else has to be served
    tile, buffer = picture.convert("RGB"), io.BytesIO()
    tile.thumbnail((TILE_PX, TILE_PX))
    tile.save(buffer, "WEBP", quality=TILE_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def percent(share: float) -> str:
    """A share as text."""
    return "&lt;1 %" if 0 < share < 0.01 else f"{share * 100:.0f} %"


def weight(share: float) -> str:
    """A neighbour's weight as text, its sign with it: local ridge weighs some below zero."""
    return f"{'−' if share <= -0.0005 else ''}{abs(share) * 100:.1f} %"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
