"""The tab of the index: what is loaded, and a search for prompts by text."""

from html import escape
from typing import Any

import numpy as np

from unprompt.index.base.errors import MissingDependencyError, UnpromptError
from unprompt.index.store.manifest import IndexManifest
from unprompt.index.vectors.float16 import widen
from unprompt.inversion.inverter import Inverter
from unprompt.ui.page.html import write_fault
from unprompt.ui.page.one_picture import Answering

MOST = 50


def add_index(gr: Any, answering: Answering) -> None:
    """Facts, a search field and its results; `/search` is its endpoint."""
    manifest = answering.inverter.index.manifest
    gr.HTML(write_facts(manifest))
    with gr.Row():
        text = gr.Textbox(
            label="Search the prompts of the index", placeholder="a fox in the snow", scale=4,
            elem_id="up-search",
        )  # fmt: skip
        count = gr.Slider(1, MOST, 10, step=1, label="Results", scale=1, elem_id="up-count")
    found = gr.HTML(elem_id="up-found")

    def search(text: str, count: int = 10) -> list[dict[str, Any]]:
        """Known prompts nearest in meaning to a text: prompt, score (cosine), row_id."""
        try:
            return search_prompts(answering.inverter, text, int(count))
        except UnpromptError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def show(text: str, count: int) -> str:
        if not text.strip():
            return ""
        try:
            return write_found(search_prompts(answering.inverter, text, int(count)))
        except UnpromptError as error:
            return write_fault(str(error))

    text.submit(show, [text, count], found, api_visibility="private")
    trigger = gr.Button(visible=False)
    results = gr.JSON(label="prompts", visible=False)
    trigger.click(search, [text, count], results, api_name="search")


def search_prompts(inverter: Inverter, text: str, count: int) -> list[dict[str, Any]]:
    """The `count` known prompts whose vectors are nearest to the text's."""
    composer = inverter.composer
    if composer is None or composer.encoder is None:
        raise MissingDependencyError(
            "searching by text needs the prompt encoder: a bundle that carries it "
            "(`fit.carry_encoder: true`), or pip install 'unprompt[build,cpu]'"
        )
    [vector] = composer.encoder.encode([text])
    index = inverter.index
    scores = np.concatenate(
        [
            widen(index.targets[start : start + 65_536]) @ vector
            for start in range(0, len(index.targets), 65_536)
        ]
    )
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    for row in np.argsort(-scores, kind="stable"):
        there = index.read_values([row], "prompt_id", "prompt", "row_id")
        identity = there["prompt_id"][0]
        if identity not in seen:
            seen.add(identity)
            found.append(
                {
                    "prompt": there["prompt"][0],
                    "score": round(float(scores[row]), 4),
                    "row_id": there["row_id"][0],
                }
            )
        if len(found) == min(max(count, 1), MOST):
            break
    return found


def write_found(found: list[dict[str, Any]]) -> str:
    """Search results as HTML."""
    rows = "".join(
        f'<li><div><span class="up-text">{escape(row["prompt"])}</span>'
        f"<small>score {row['score']:.3f}</small></div></li>"
        for row in found
    )
    return f'<ol class="up-candidates">{rows}</ol>'


def write_facts(manifest: IndexManifest) -> str:
    """The manifest as a table."""
    recall = manifest.recall
    facts = {
        "Pictures": f"{manifest.ntotal:,} of {manifest.prompts:,} prompts",
        "Keys": f"{manifest.keys}, {manifest.dim} numbers",
        "Index": manifest.factory,
        "Recall": f"{recall.value} at {recall.k}, {recall.queries} queries"
        if recall
        else "unknown",
        "Encoder space": manifest.space,
        "Prompt space": f"{manifest.target_space}, {manifest.target_dim} numbers",
    }
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items()
    )
    return f'<table class="up-facts"><tbody>{rows}</tbody></table>'
