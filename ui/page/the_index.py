"""The tab for the index: its facts, and a search by text for known prompts; and `/search`."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from unprompt.index.base.errors import MissingDependencyError
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.float16 import widen
from unprompt.inversion.estimate.world import World
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.trust import name_world
from unprompt.ui.page.backend import Backend
from unprompt.ui.page.html import write_error
from unprompt.ui.page.one_picture import RAW, UNANSWERED
from unprompt.ui.page.server.failures import shown, told
from unprompt.ui.page.server.values import check_number, check_text
from unprompt.ui.page.summary import has_pictures, real_first

MAX_RESULTS = 50
SEARCH = {"concurrency_limit": 2, "concurrency_id": "search", **RAW}
BLOCK = 65_536  # target vectors converted to float32 at a time


def add_the_index(gr: Any, backend: Backend) -> None:
    """Add the facts, the search field and its results, and the endpoint `/search`."""
    gr.HTML(write_facts(real_first(backend.inverter.worlds)))
    with gr.Row():
        text = gr.Textbox(
            label="Search known prompts by meaning", placeholder="a fox in the snow", scale=4,
            elem_id="up-search",
        )  # fmt: skip
        count = gr.Slider(1, MAX_RESULTS, 10, step=1, label="Results", scale=1, elem_id="up-count")
    found = gr.HTML(elem_id="up-found")

    def search(text: Any, count: Any = 10) -> list[dict[str, Any]]:
        """Known prompts nearest in meaning to a text: prompt, score (cosine) and row_id of each.

        In a bundle of several worlds also the world of each.
        """
        asked = check_text("text", text)
        number = int(check_number("count", count, 1, MAX_RESULTS, whole=True))
        return search_prompts(backend.inverter, asked, number) if asked.strip() else []

    def show_results(text: Any, count: Any) -> str:
        return write_results(search(text, count))

    event = text.submit(
        shown(show_results, write_error), [text, count], found, api_visibility="private", **SEARCH
    )
    event.failure(None, None, found, js=f"() => {json.dumps(write_error(UNANSWERED))}")
    button = gr.Button(visible=False)  # Gradio makes an endpoint from an event only
    results = gr.JSON(label="prompts", visible=False)
    button.click(told(gr, search), [text, count], results, api_name="search", **SEARCH)


def search_prompts(inverter: Inverter, text: str, count: int) -> list[dict[str, Any]]:
    """The `count` known prompts whose vectors have the largest cosine to a text.

    All worlds are searched; a result of several worlds names its own. Each distinct prompt of a
    world appears once. Raises MissingDependencyError without a prompt encoder.
    """
    composers = (inverter.composer_of(world) for world in inverter.worlds)
    encoder = next((one.encoder for one in composers if one and one.encoder), None)
    if encoder is None:
        raise MissingDependencyError(
            "a search by text needs the prompt encoder; use a bundle that contains it "
            "(`fit.carry_encoder: true`), or run `pip install 'unprompt[build,cpu]'`"
        )
    [vector] = encoder.encode([text])
    found: list[dict[str, Any]] = []
    for world in inverter.worlds:
        named = {"world": world.name} if world.name else {}
        found += [result | named for result in _search_index(world.index, vector, count)]
    return sorted(found, key=lambda result: -result["score"])[:count]


def _search_index(index: PromptIndex, vector: np.ndarray, limit: int) -> list[dict[str, Any]]:
    """The `limit` prompts of one index that are nearest to a vector (d_prompt,), best first."""
    scores = np.concatenate(
        [
            widen(index.targets[start : start + BLOCK]) @ vector
            for start in range(0, len(index.targets), BLOCK)
        ]
    )
    ranked = np.argsort(-scores, kind="stable")
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
        f"<small>score {row['score']:.3f}{_of_world(row)}</small></div></li>"
        for row in results
    )
    return f'<ol class="up-candidates">{rows}</ol>'


def _of_world(result: dict[str, Any]) -> str:
    return f" · {escape(name_world(result['world']))}" if "world" in result else ""


def write_facts(worlds: Sequence[World]) -> str:
    """The facts about the main index of each world as HTML tables."""
    return "".join(_world_facts(world) for world in worlds)


def _world_facts(world: World) -> str:
    manifest, recall = world.index.manifest, world.index.manifest.recall
    pictures = f"{manifest.ntotal:,} pictures of " if has_pictures(world.index) else ""
    facts = {
        "Rows": f"{pictures}{manifest.prompts:,} prompts",
        "Keys": f"{manifest.keys}, {manifest.dim} dimensions",
        "Factory string": manifest.factory,
        "Recall": f"recall@{recall.k} {recall.value} over {recall.queries:,} queries"
        if recall
        else "not measured",
        **({"Image space": manifest.space} if has_pictures(world.index) else {}),
        "Prompt space": f"{manifest.target_space}, {manifest.target_dim} dimensions",
    }
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items()
    )
    heading = f"<h2>{escape(name_world(world.name))}</h2>" if world.name else ""
    return f'{heading}<table class="up-facts"><tbody>{rows}</tbody></table>'
