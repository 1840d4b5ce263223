"""Texts and pictures -> HTML fragments with every text escaped; and the page's CSS and scripts."""

import base64
import io
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from itertools import count
from pathlib import Path

from PIL import Image

from unprompt.ui.page.examples import Example, ExampleGroup
from unprompt.ui.page.summary import BundleSummary, WorldSummary

TILE_PX = 320
TILE_QUALITY = 85
# Calls of the functions in scripts.js, for `script`.
COPY = "listenForCopy(element)"
EXAMPLES = "listenForExamples(element, trigger)"
PASTE = "listenForPaste()"
OWN = "hideBesideOthers(element)"


def write_header(bundle: BundleSummary) -> str:
    """The name of the product, its purpose, and the loaded bundle."""
    facts = [_facts(world) for world in bundle.worlds]
    return (
        '<header class="up-head"><h1>unprompt</h1>'
        '<p class="up-lead">Recover the prompt behind a generated picture.</p>'
        f'<p class="up-loaded">Loaded <b>{escape(bundle.name)}</b>'
        f" · {' · '.join(facts)}</p></header>"
    )


def write_footer(bundle: BundleSummary) -> str:
    """The limits of the bundle, the privacy of uploads, and the license of the drawings."""
    lines = []
    if bundle.only_scenes:
        lines.append(
            "This bundle covers the drawn scenes world only, a stand-in for Stable Diffusion "
            "pictures. The page marks any other picture as outside the index."
        )
    elif len(bundle.worlds) > 1:
        names = escape(", ".join(world.name for world in bundle.worlds))
        lines.append(
            f"This bundle knows {len(bundle.worlds)} worlds: {names}. An answer says which of them "
            "it is from and how sure it is."
        )
    lines.append("Uploaded pictures stay on this machine. The server deletes them when it stops.")
    if bundle.draws_scenes:
        lines.append("Drawings: OpenMoji, CC BY-SA 4.0")
    return f'<footer class="up-foot">{"".join(f"<p>{line}</p>" for line in lines)}</footer>'


def write_placeholder() -> str:
    """The text that stands where the answer will appear."""
    return '<div class="up-empty">The prompt appears here.</div>'


def write_waiting() -> str:
    """The text that stands there while the server works."""
    return '<div class="up-empty" role="status">Recovering the prompt …</div>'


def write_examples(groups: Sequence[ExampleGroup]) -> str:
    """One button per example, numbered through all groups.

    `listenForExamples` reports the number of the clicked one.
    """
    number = count()
    return "".join(
        f'<div class="up-examples"><h2>{escape(group.heading)}</h2><div>'
        + "".join(_example_button(next(number), example) for example in group.examples)
        + f"</div>{f'<p>{escape(group.credit)}</p>' if group.credit else ''}</div>"
        for group in groups
    )


def beside(path: Path, html: str) -> str:
    """An answer that the page shows beside the picture with this path alone."""
    if not html:
        return ""
    return f'<div data-picture="{escape("/".join(path.parts[-2:]))}">{html}</div>'


def write_error(message: str) -> str:
    """An error message in the place of the answer."""
    return f'<div class="up-error" role="alert">{escape(message[:1].upper() + message[1:])}</div>'


def copy_button(text: str, label: str) -> str:
    """A button that copies `text` to the clipboard with `listenForCopy`; `label` is plain text."""
    return (
        f'<button type="button" class="up-copy" data-copy="{escape(text)}" '
        f'aria-label="{escape(label)}">Copy</button>'
    )


def inline_picture(picture: Image.Image) -> str:
    """A thumbnail of at most TILE_PX x TILE_PX as a WebP data URL, so that no file is served."""
    tile, buffer = picture.convert("RGB"), io.BytesIO()
    tile.thumbnail((TILE_PX, TILE_PX))
    tile.save(buffer, "WEBP", quality=TILE_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def percent(share: float) -> str:
    """A share of 0 to 1 as a percentage, escaped."""
    return "&lt;1 %" if 0 < share < 0.01 else f"{share * 100:.0f} %"


def weight(share: float) -> str:
    """A neighbor's weight as a signed percentage; local ridge regression gives negative ones."""
    return f"{'−' if share <= -0.0005 else ''}{abs(share) * 100:.1f} %"


def read_asset(name: str) -> str:
    """The text of a file beside this module: style.css or scripts.js."""
    return files("unprompt.ui.page").joinpath(name).read_text("utf-8")


def script(call: str) -> str:
    """The functions of scripts.js and one call: the `js_on_load` of a component."""
    return f"{read_asset('scripts.js')}\n{call};"


def _facts(world: WorldSummary) -> str:
    facts = [f"{world.rows:,} {_plural('picture', world.rows)}"] if world.has_pictures else []
    facts.append(f"{world.prompts:,} {_plural('prompt', world.prompts)}")
    if world.name:
        return f"{escape(world.name)}: {', '.join(facts)}"
    if world.recall:
        facts.append(f"index recall@{world.recall.k} {world.recall.value:.3f}")
    return " · ".join(facts)


def _example_button(number: int, example: Example) -> str:
    return (
        f'<button type="button" data-example="{number}" aria-label="Example {number + 1}">'
        f'<img src="{inline_picture(example.picture)}" alt=""></button>'
    )


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
