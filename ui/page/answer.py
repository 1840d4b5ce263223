"""An Inversion -> the answer as HTML, every text escaped: prompt, trust, parts, candidates."""

from collections.abc import Sequence
from html import escape

from PIL import Image

from unprompt.inversion.answer import Candidate, Inversion
from unprompt.inversion.compose.settings import Origin
from unprompt.ui.page.html import copy_button, inline_picture, percent, weight

SHOWN_WEIGHTS = 12


def write_answer(inversion: Inversion, truth: str | None = None) -> str:
    """The prompt, large, how far to trust it, and the known prompts nearest to it.

    `truth` is the prompt that a picture was drawn from, where the page knows it.
    """
    rows = "".join(_candidate(place, c) for place, c in enumerate(inversion.candidates, 1))
    drawn_from = f'<p class="up-truth">Drawn from: {escape(truth)}</p>' if truth else ""
    return (
        '<section class="up-answer" aria-live="polite">'
        f"{_written(inversion)}<h2>Prompt</h2>"
        f'<div class="up-prompt" data-copied><p class="up-text">{_phrases(inversion)}</p>'
        f"{copy_button(inversion.prompt, 'Copy the prompt')}</div>"
        f"{_trust(inversion)}{drawn_from}{_parts(inversion)}"
        f'<h2>Candidates</h2><ol class="up-candidates">{rows}</ol>'
        '<p class="up-note">Score: cosine of the known prompt&#x27;s vector to the recovered one. '
        "Weight: what it counts in the nearest-neighbour estimate, below zero where it counts "
        "against.</p></section>"
    )


def write_neighbors(neighbors: Sequence[tuple[Candidate, Image.Image | None]]) -> str:
    """The evidence: the known pictures most like the query, heaviest first."""
    if not neighbors:
        return ""
    tiles = "".join(_tile(neighbor, picture) for neighbor, picture in neighbors)
    return (
        '<section class="up-evidence"><h2>Nearest known pictures</h2>'
        f'<div class="up-tiles">{tiles}</div></section>'
    )


def _written(inversion: Inversion) -> str:
    found = inversion.metadata_prompt
    if found is None:
        return ""
    return (
        f"<h2>Written in the file by {escape(found.generator)}</h2>"
        f'<div class="up-prompt up-written" data-copied><p class="up-text">{escape(found.prompt)}'
        f"</p>{copy_button(found.prompt, 'Copy the prompt of the file')}</div>"
    )


def _phrases(inversion: Inversion) -> str:
    if not inversion.phrases:
        return escape(inversion.prompt)
    return "".join(_phrase(origin) for origin in inversion.phrases)


def _phrase(origin: Origin) -> str:
    joint = origin.text[: len(origin.text) - len(origin.text.lstrip(", "))]
    sources = {
        "neighbor": f"from the known prompt: {origin.prompt}",
        "corpus": "a phrase that the corpus uses often",
        "given": "as asked for",
    }
    return (
        f'{escape(joint)}<span class="up-phrase up-{origin.source}" '
        f'title="{escape(sources[origin.source])}">{escape(origin.text[len(joint) :])}</span>'
    )


def _trust(inversion: Inversion) -> str:
    if inversion.outside:
        return (
            '<p class="up-trust up-outside"><b>Outside what this index knows.</b> The prompt names '
            "what a photo classifier sees; it was not recovered.</p>"
        )
    if inversion.expected_cosine is None:
        return ""
    value = inversion.expected_cosine
    width = 100 * max(0.0, value)
    return (
        '<div class="up-trust" role="meter" aria-label="Expected cosine" aria-valuemin="0" '
        f'aria-valuemax="1" aria-valuenow="{value:.2f}"><span>Expected cosine to the true prompt'
        f'</span><b>{value:.2f}</b><i><u style="width:{width:.0f}%"></u></i></div>'
    )


def _parts(inversion: Inversion) -> str:
    """Who contributed what: neighbours and head, and each neighbour's weight."""
    if inversion.outside:
        return ""
    alpha = inversion.alpha
    most = max((abs(n.weight) for n in inversion.neighbors), default=0.0) or 1.0
    bars = "".join(
        f"<u{' class=up-against' if n.weight < 0 else ''} "
        f'style="height:{max(4.0, 100 * abs(n.weight) / most):.0f}%" '
        f'title="{escape(f"{weight(n.weight)}: {n.prompt}")}"></u>'
        for n in inversion.neighbors[:SHOWN_WEIGHTS]
    )
    return (
        '<div class="up-parts"><div class="up-share" role="img" aria-label="Neighbours '
        f'{percent(alpha)}, regression {percent(1 - alpha)}">'
        f'<span style="flex-grow:{alpha:.3f}">neighbours {percent(alpha)}</span>'
        f'<span style="flex-grow:{1 - alpha:.3f}">regression {percent(1 - alpha)}</span></div>'
        f'<div class="up-weights" role="img" aria-label="Weights of the neighbours">{bars}</div>'
        "</div>"
    )


def _candidate(place: int, candidate: Candidate) -> str:
    return (
        f'<li data-copied><span class="up-place">{place}</span>'
        f'<div><span class="up-text">{escape(candidate.prompt)}</span>'
        f"<small>score {candidate.score:.3f} · weight {weight(candidate.weight)}</small></div>"
        f"{copy_button(candidate.prompt, f'Copy candidate {place}')}</li>"
    )


def _tile(neighbor: Candidate, picture: Image.Image | None) -> str:
    shown = (
        '<div class="up-blank">no picture stored</div>'
        if picture is None
        else f'<img src="{inline_picture(picture)}" alt="">'
    )
    return (
        f"<figure>{shown}<figcaption><span>{escape(neighbor.prompt)}</span>"
        f"<small>similarity {neighbor.similarity:.3f} · weight {weight(neighbor.weight)}</small>"
        "</figcaption></figure>"
    )
