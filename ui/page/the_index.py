"""The tab for the index: its facts, and a search by text for known prompts; and `/search`."""

from html import escape
from typing import Any

import numpy as np

from unprompt.index.base.errors import MissingDependencyError, UnpromptError
from unprompt.index.store.manifest import IndexManifest
from unprompt.index.vectors.float16 import widen
from unprompt.inversion.inverter import Inverter
from unprompt.ui.page.backend import Backend
from unprompt.ui.page.html import write_error

MAX_RESULTS = 50
BLOCK = 65_536  # target vectors converted to float32 at a time


def add_the_index(gr: Any, backend: Backend) -> None:
    """Add the facts, the search field and its results, and the endpoint `/search`."""
    manifest = backend.inverter.index.manifest
    gr.HTML(write_facts(manifest))
    with gr.Row():
        text = gr.Textbox(
            label="Search known prompts by meaning", placeholder="a fox in the snow", scale=4,
            elem_id="up-search",
        )  # fmt: skip
        count = gr.Slider(1, MAX_RESULTS, 10, step=1, label="Results", scale=1, elem_id="up-count")
    found = gr.HTML(elem_id="up-found")

    def search(text: str, count: int = 10) -> list[dict[str, Any]]:
        """Known prompts nearest in meaning to a text: prompt, score (cosine) and row_id of each."""
        try:
            return search_prompts(backend.inverter, text, int(count))
        except UnpromptError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def show_results(text: str, count: int) -> str:
        if not text.strip():
            return ""
        try:
            return write_results(search_prompts(backend.inverter, text, int(count)))
        except UnpromptError as error:
            return write_error(str(error))

    text.submit(show_results, [text, count], found, api_visibility="private")
    button = gr.Button(visible=False)  # Gradio makes an endpoint from an event only
    results = gr.JSON(label="prompts", visible=False)
    button.click(search, [text, count], results, api_name="search")


def search_prompts(inverter: Inverter, text: str, count: int) -> list[dict[str, Any]]:
    """The `count` known prompts, 1 to MAX_RESULTS, whose vectors have the largest cosine to a text.

    Each distinct prompt appears once. Raises MissingDependencyError without a prompt encoder.
    """
    composer = inverter.composer
    if composer is None or composer.encoder is None:
        raise MissingDependencyError(
            "a search by text needs the prompt encoder; use a bundle that contains it "
            "(`fit.carry_encoder: true`), or run `pip install 'unprompt[build,cpu]'`"
        )
    [vector] = composer.encoder.encode([text])
    index = inverter.index
    scores = np.concatenate(
        [
            widen(index.targets[start : start + BLOCK]) @ vector
            for start in range(0, len(index.targets), BLOCK)
        ]
    )
    ranked = np.argsort(-scores, kind="stable")
    limit = min(max(count, 1), MAX_RESULTS)
    results: dict[int, dict[str, Any]] = {}  # by prompt id
    for start in range(0, len(ranked), 2 * limit):
        rows = ranked[start : start + 2 * limit]
        table = index.read_rows(rows, "prompt_id", "prompt", "row_id")
        for row, (identity, prompt, row_id) in zip(rows, table.iter_rows(), strict=True):
            score = round(float(scores[row]), 4)
            results.setdefault(identity, {"prompt": prompt, "score": score, "row_id": row_id})
            if len(results) == limit:
                return list(results.values())
    return list(results.values())


def write_results(results: list[dict[str, Any]]) -> str:
    """The results of `search_prompts` as HTML."""
    rows = "".join(
        f'<li><div><span class="up-text">{escape(row["prompt"])}</span>'
        f"<small>score {row['score']:.3f}</small></div></li>"
        for row in results
    )
    return f'<ol class="up-candidates">{rows}</ol>'


def write_facts(manifest: IndexManifest) -> str:
    """The facts of a manifest as an HTML table."""
    recall = manifest.recall
    facts = {
        "Rows": f"{manifest.ntotal:,} pictures of {manifest.prompts:,} prompts",
        "Keys": f"{manifest.keys}, {manifest.dim} dimensions",
        "Factory string": manifest.factory,
        "Recall": f"recall@{recall.k} {recall.value} over {recall.queries:,} queries"
        if recall
        else "not measured",
        "Image space": manifest.space,
        "Prompt space": f"{manifest.target_space}, {manifest.target_dim} dimensions",
    }
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items()
    )
    return f'<table class="up-facts"><tbody>{rows}</tbody></table>'
