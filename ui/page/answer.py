"""An Inversion -> HTML with every text escaped: prompt, confidence, weights, candidates."""

from collections.abc import Sequence
from html import escape

from PIL import Image

from unprompt.index.metadata.written import WrittenPrompt
from unprompt.inversion.answer import Candidate, Inversion
from unprompt.inversion.compose.settings import Origin
from unprompt.inversion.trust import describe_trust
from unprompt.ui.page.html import copy_button, inline_picture, percent, weight


def write_answer(inversion: Inversion, note: str | None = None) -> str:
    """The prompt, how sure it is, the weights of the estimates, and the candidates.

    `note` says where an example comes from: the prompt it was rendered from, or its photographer.
    """
    rows = "".join(_candidate(rank, c) for rank, c in enumerate(inversion.candidates, 1))
    about = f'<p class="up-truth">{escape(note)}</p>' if note else ""
    return (
        '<section class="up-answer" aria-live="polite">'
        f"{_metadata_prompt(inversion)}<h2>Prompt</h2>"
        f'<div class="up-prompt" data-copied><p class="up-text">{_phrases(inversion)}</p>'
        f"{copy_button(inversion.prompt, 'Copy the prompt')}</div>"
        f"{_trust(inversion)}{about}{_weights(inversion)}"
        f'<h2>Candidates</h2><ol class="up-candidates">{rows}</ol>'
        '<p class="up-note">Score: cosine between the vector of the known prompt and the recovered '
        "vector. Weight: share of the known prompt in the kNN estimate; a negative weight counts "
        "against it.</p></section>"
    )


def write_neighbors(neighbors: Sequence[tuple[Candidate, Image.Image | None]]) -> str:
    """The neighbors with their pictures (None: not available), largest weight first."""
    if not neighbors:
        return ""
    tiles = "".join(_tile(neighbor, picture) for neighbor, picture in neighbors)
    return (
        '<section class="up-evidence"><h2>Nearest known pictures</h2>'
        f'<div class="up-tiles">{tiles}</div></section>'
    )


def _metadata_prompt(inversion: Inversion) -> str:
    found = inversion.metadata_prompt
    if found is None:
        return ""
    return (
        f"<h2>Prompt in the file, written by {escape(found.generator)}</h2>"
        f'<div class="up-prompt up-metadata" data-copied><p class="up-text">{escape(found.prompt)}'
        f"</p>{copy_button(found.prompt, 'Copy the prompt in the file')}</div>"
        f"{_written_settings(found)}"
    )


def _written_settings(found: WrittenPrompt) -> str:
    """The negative prompt and the settings beside the prompt in the file, folded."""
    named = found.settings()
    if found.negative_prompt:
        named.insert(0, ("negative prompt", found.negative_prompt))
    if not named:
        return ""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in named)
    return (
        '<details class="up-written"><summary>Negative prompt and settings in the file</summary>'
        f"<dl>{rows}</dl></details>"
    )


def _phrases(inversion: Inversion) -> str:
    if not inversion.phrases:
        return escape(inversion.prompt)
    return "".join(_phrase(origin) for origin in inversion.phrases)


def _phrase(origin: Origin) -> str:
    joint = origin.text[: len(origin.text) - len(origin.text.lstrip(", "))]
    sources = {
        "neighbor": f"from the known prompt: {origin.prompt}",
        "corpus": "a frequent phrase of the corpus",
        "given": "given by the query",
    }
    return (
        f'{escape(joint)}<span class="up-phrase up-{origin.source}" '
        f'title="{escape(sources[origin.source])}">{escape(origin.text[len(joint) :])}</span>'
    )


def _trust(inversion: Inversion) -> str:
    """The warnings, how sure the answer is with the number behind, and the world it is from."""
    trust = describe_trust(inversion)
    warnings = "".join(
        f'<p class="up-outside">{escape(f"{warning[:1].upper()}{warning[1:]}.")}</p>'
        for warning in (trust.blank, trust.outside)
        if warning
    )
    world = f"<span>answered from: {escape(trust.world)}</span>" if trust.world else ""
    value = inversion.expected_cosine
    if trust.sure is None or value is None:
        return warnings
    return (
        f'{warnings}<div class="up-confidence" role="meter" aria-label="How sure" '
        f'aria-valuemin="0" aria-valuemax="1" aria-valuenow="{value:.2f}" '
        f'aria-valuetext="{escape(trust.sure)}">'
        f"<span>How sure: <b>{escape(trust.sure)}</b></span>{world}"
        f'<i><u style="width:{100 * max(0.0, value):.0f}%"></u></i>'
        f"<small>{value:.2f} is the cosine to expect between the answer and the true prompt; "
        "1 is the same meaning.</small></div>"
    )


def _weights(inversion: Inversion) -> str:
    """The weight of the kNN estimate and of the regression head, and a bar per neighbor."""
    if inversion.outside and inversion.world is None:
        return ""
    alpha = inversion.alpha
    largest = max((abs(n.weight) for n in inversion.neighbors), default=0.0) or 1.0
    bars = "".join(
        f"<u{' class=up-negative' if n.weight < 0 else ''} "
        f'style="height:{max(4.0, 100 * abs(n.weight) / largest):.0f}%" '
        f'title="{escape(f"{weight(n.weight)}: {n.prompt}")}"></u>'
        for n in inversion.neighbors
    )
    return (
        '<div class="up-estimates"><div class="up-share" role="img" aria-label="Neighbors '
        f'{percent(alpha)}, regression {percent(1 - alpha)}">'
        f'<span style="flex-grow:{alpha:.3f}">neighbors {percent(alpha)}</span>'
        f'<span style="flex-grow:{1 - alpha:.3f}">regression {percent(1 - alpha)}</span></div>'
        f'<div class="up-weights" role="img" aria-label="Weights of the neighbors">{bars}</div>'
        "</div>"
    )


def _candidate(rank: int, candidate: Candidate) -> str:
    return (
        f'<li data-copied><span class="up-rank">{rank}</span>'
        f'<div><span class="up-text">{escape(candidate.prompt)}</span>'
        f"<small>score {candidate.score:.3f} · weight {weight(candidate.weight)}</small></div>"
        f"{copy_button(candidate.prompt, f'Copy candidate {rank}')}</li>"
    )


def _tile(neighbor: Candidate, picture: Image.Image | None) -> str:
    shown = (
        '<div class="up-blank">no picture available</div>'
        if picture is None
        else f'<img src="{inline_picture(picture)}" alt="">'
    )
    return (
        f"<figure>{shown}<figcaption><span>{escape(neighbor.prompt)}</span>"
        f"<small>similarity {neighbor.similarity:.3f} · weight {weight(neighbor.weight)}</small>"
        "</figcaption></figure>"
    )
