"""What the page shows -> HTML fragments, every text escaped: Inversion, pictures -> str."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image

from unprompt.index.manifest import Recall
from unprompt.inversion.inverter import Candidate, Inversion

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
            "pictures: any other picture gets the nearest scene prompt, not its own."
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
        f'<img src="{_inline(picture)}" alt=""></button>'
        for place, picture in enumerate(pictures)
    )
    return f'<div class="up-examples"><h2>Or try one of these</h2><div>{tiles}</div></div>'


def write_fault(message: str) -> str:
    """Why there is no answer."""
    return f'<div class="up-fault" role="alert">{escape(message[:1].upper() + message[1:])}</div>'


def write_answer(inversion: Inversion, truth: str | None = None) -> str:
    """The prompt, large, and the known prompts nearest to the answer, each with a copy button.

    `truth` is the prompt that a picture was drawn from, where the page knows it.
    """
    rows = "".join(_candidate(place, c) for place, c in enumerate(inversion.candidates, 1))
    drawn_from = f'<p class="up-truth">Drawn from: {escape(truth)}</p>' if truth else ""
    return (
        '<section class="up-answer" aria-live="polite"><h2>Prompt</h2>'
        f'<div class="up-prompt" data-copied><p class="up-text">{escape(inversion.prompt)}</p>'
        f"{_copy_button(inversion.prompt, 'Copy the prompt')}</div>{drawn_from}"
        f'<h2>Candidates</h2><ol class="up-candidates">{rows}</ol>'
        '<p class="up-note">Score: cosine of the known prompt&#x27;s vector to the recovered one. '
        "Share: its weight in the nearest-neighbour estimate.</p></section>"
    )


def write_neighbors(neighbors: Sequence[tuple[Candidate, Image.Image | None]]) -> str:
    """The evidence: the known pictures most like the query, heaviest first."""
    tiles = "".join(_tile(neighbor, picture) for neighbor, picture in neighbors)
    return (
        '<section class="up-evidence"><h2>Nearest known pictures</h2>'
        f'<div class="up-tiles">{tiles}</div></section>'
    )


def _candidate(place: int, candidate: Candidate) -> str:
    return (
        f'<li data-copied><span class="up-place">{place}</span>'
        f'<div><span class="up-text">{escape(candidate.prompt)}</span>'
        f"<small>score {candidate.score:.3f} · share {_percent(candidate.weight)}</small></div>"
        f"{_copy_button(candidate.prompt, f'Copy candidate {place}')}</li>"
    )


def _tile(neighbor: Candidate, picture: Image.Image | None) -> str:
    prompt = escape(neighbor.prompt)
    shown = (
        '<div class="up-blank">no picture stored</div>'
        if picture is None
        else f'<img src="{_inline(picture)}" alt="">'
    )
    return (
        f"<figure>{shown}<figcaption><span>{prompt}</span>"
        f"<small>similarity {neighbor.similarity:.3f} · share {_percent(neighbor.weight)}</small>"
        "</figcaption></figure>"
    )


def _copy_button(text: str, label: str) -> str:
    return (
        f'<button type="button" class="up-copy" data-copy="{escape(text)}" '
        f'aria-label="{label}">Copy</button>'
    )


def _inline(picture: Image.Image) -> str:
    # inline, so that no file of a query is left behind and nothing else has to be served
    tile, buffer = picture.convert("RGB"), io.BytesIO()
    tile.thumbnail((TILE_PX, TILE_PX))
    tile.save(buffer, "WEBP", quality=TILE_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _percent(share: float) -> str:
    return "&lt;1 %" if 0 < share < 0.01 else f"{share * 100:.0f} %"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
