"""The tab for one picture: an upload -> its prompt, candidates and neighbors; and `/invert`."""

import json
from dataclasses import dataclass
from typing import Any

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.machine import own_cores
from unprompt.inversion.query import Query
from unprompt.ui.page.backend import Backend
from unprompt.ui.page.html import (
    COPY,
    EXAMPLES,
    OWN,
    script,
    write_error,
    write_examples,
    write_placeholder,
    write_waiting,
)
from unprompt.ui.page.server.failures import shown, told
from unprompt.ui.page.settings import CANDIDATES, Settings, add_settings

# Gradio's preprocessing decodes the file first and hides what is wrong with it. Without it a
# handler gets every value as the client sent it: of any type and size.
RAW = {"preprocess": False}
# Events of this group run beside each other, and beside those of batches and searches.
AT_ONCE = {"concurrency_limit": max(2, own_cores()), "concurrency_id": "inversion"}
PRIVATE = {"api_visibility": "private", "trigger_mode": "always_last", **AT_ONCE}
UNANSWERED = "The server has not answered. It may be busy; try again."


@dataclass(frozen=True)
class OnePicture:
    """The components that events read and write."""

    picture: Any
    answer: Any
    neighbors: Any
    examples: Any  # None for a bundle without examples
    settings: Settings


def add_one_picture(gr: Any, backend: Backend) -> None:
    """Add the picture, the examples, the settings and the answer, and connect them."""
    with gr.Row(elem_id="up-body"):
        with gr.Column(scale=2, min_width=280):
            picture = _add_picture(gr)
            examples = None
            if backend.groups:
                examples = gr.HTML(write_examples(backend.groups), js_on_load=script(EXAMPLES))
            settings = add_settings(gr, backend.inverter.blend)
        with gr.Column(scale=3, min_width=300):
            answer = gr.HTML(write_placeholder(), js_on_load=script(f"{COPY}; {OWN}"))
    neighbors = gr.HTML(js_on_load=script(OWN))
    _connect(gr, backend, OnePicture(picture, answer, neighbors, examples, settings))
    _add_endpoint(gr, backend, picture)


def _add_picture(gr: Any) -> Any:
    return gr.Image(
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        label="picture",
        show_label=False,
        buttons=[],
        height=340,
        elem_id="up-picture",
        placeholder="Drop or paste a picture, or click to select one",
        alt_text="The uploaded picture",
    )


def _connect(gr: Any, backend: Backend, tab: OnePicture) -> None:
    """Invert when a picture arrives, and again when a setting changes."""
    settings = tab.settings

    def invert_upload(upload: Any, *values: Any) -> tuple[Any, str, str]:
        return gr.skip(), *backend.answer(upload, settings.query(values))

    def invert_example(click: gr.EventData, *values: Any) -> tuple[str, str, str]:
        path = str(backend.examples[_number(click, len(backend.examples))].path)
        return path, *backend.answer({"path": path}, settings.query(values))

    def invert_again(upload: Any, *values: Any) -> tuple[Any, Any]:
        if not upload:
            return gr.skip(), gr.skip()
        return backend.answer(upload, settings.query(values))

    values = settings.components
    query, answer = [tab.picture, *values], [tab.answer, tab.neighbors]
    whole = [tab.picture, *answer]
    _clear_first(tab)
    again = {"fn": shown(invert_again, lambda why: (write_error(why), "")), "inputs": query}
    events = [
        tab.picture.upload(
            shown(invert_upload, lambda why: (None, write_error(why), "")), query, whole,
            show_progress="minimal", **RAW, **PRIVATE,
        )
    ]  # fmt: skip
    if tab.examples is not None:
        events.append(
            tab.examples.click(
                shown(invert_example, lambda why: (None, write_error(why), "")), values, whole,
                show_progress="minimal", **RAW, **PRIVATE,
            )
        )  # fmt: skip
    restored = settings.reset.click(
        lambda: settings.defaults, None, values, show_progress="hidden", **PRIVATE
    )
    events += [
        listen(outputs=answer, show_progress="minimal", **again, **RAW, **PRIVATE)
        for listen in (*settings.changes(), restored.then)
    ]
    for event in events:
        event.failure(None, None, answer, js=_set(write_error(UNANSWERED)))


def _clear_first(tab: OnePicture) -> None:
    """Take the last answer off the page as soon as another picture comes, in the browser itself.

    Gradio runs the listeners of an event in the order in which they are added.
    """
    answer = [tab.answer, tab.neighbors]
    for arrives, text in (
        (tab.picture.upload, write_waiting()),
        (tab.examples and tab.examples.click, write_waiting()),
        (tab.picture.clear, write_placeholder()),
    ):
        if arrives:
            arrives(None, None, answer, js=_set(text), api_visibility="private")


def _set(answer: str) -> str:
    """A function for the browser: this answer, and no neighbors."""
    return f"() => [{json.dumps(answer)}, '']"


def _number(click: Any, count: int) -> int:
    """The number of the example that was clicked, which the client names."""
    data = click._data  # of any type
    number = data.get("number") if isinstance(data, dict) else None
    if type(number) is not int or not 0 <= number < count:
        raise ConfigError(f"there are {count} examples; click one of them")
    return number


def _add_endpoint(gr: Any, backend: Backend, picture: Any) -> None:
    """Add `/invert`: a picture file -> (prompt, answer), for gradio_client and plain HTTP."""

    def invert(picture: Any) -> tuple[str, dict[str, Any]]:
        """Recover the prompt of a picture: the prompt, and the whole answer as JSON."""
        inversion = backend.invert(picture, Query(CANDIDATES))
        return inversion.prompt, inversion.as_json()

    # Gradio makes an endpoint from an event only, so an invisible button carries it.
    button = gr.Button(visible=False)
    results = [gr.Textbox(label="prompt", visible=False), gr.JSON(label="answer", visible=False)]
    button.click(told(gr, invert), picture, results, api_name="invert", **RAW, **AT_ONCE)
