"""The tab for one picture: an upload -> its prompt, candidates and neighbors; and `/invert`."""

from dataclasses import dataclass
from typing import Any

from unprompt.index.base.errors import UnpromptError
from unprompt.inversion.query import Query
from unprompt.ui.page.backend import Backend
from unprompt.ui.page.html import (
    COPY,
    EXAMPLES,
    script,
    write_error,
    write_examples,
    write_placeholder,
)
from unprompt.ui.page.settings import CANDIDATES, Settings, add_settings

# Gradio's preprocessing decodes the file first and hides what is wrong with it. Without it a
# handler gets the upload as the client sent it: a dict with the path.
RAW = {"preprocess": False}
ONE_AT_A_TIME = {"concurrency_limit": 1, "concurrency_id": "inversion"}
PRIVATE = {"api_visibility": "private", "trigger_mode": "always_last", **ONE_AT_A_TIME}


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
            # Gradio deletes every other file of its folder some time after its use.
            picture.keep_in_cache.update(str(example.path) for example in backend.examples)
            examples = None
            if backend.groups:
                examples = gr.HTML(write_examples(backend.groups), js_on_load=script(EXAMPLES))
            settings = add_settings(gr, backend.inverter.blend)
        with gr.Column(scale=3, min_width=300):
            answer = gr.HTML(write_placeholder(), js_on_load=script(COPY))
    neighbors = gr.HTML()
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

    def invert_upload(upload: dict[str, Any] | None, *values: Any) -> tuple[Any, str, str]:
        try:
            return gr.skip(), *backend.answer(upload, settings.query(values))
        except UnpromptError as error:
            return None, write_error(str(error)), ""

    def invert_example(click: gr.EventData, *values: Any) -> tuple[str, str, str]:
        path = str(backend.examples[int(click.number)].path)
        return path, *backend.answer({"path": path}, settings.query(values))

    def invert_again(upload: dict[str, Any] | None, *values: Any) -> tuple[Any, Any]:
        if not upload:
            return gr.skip(), gr.skip()
        try:
            return backend.answer(upload, settings.query(values))
        except UnpromptError as error:
            return write_error(str(error)), ""

    query = [tab.picture, *settings.components]
    answer = [tab.answer, tab.neighbors]
    shown = {"show_progress": "minimal", **PRIVATE}
    tab.picture.upload(invert_upload, query, [tab.picture, *answer], **RAW, **shown)
    tab.picture.clear(lambda: (write_placeholder(), ""), None, answer, **PRIVATE)
    if tab.examples is not None:
        tab.examples.click(invert_example, settings.components, [tab.picture, *answer], **shown)
    for changed in settings.changes():
        changed(invert_again, query, answer, **RAW, **shown)
    restored = settings.reset.click(
        lambda: settings.defaults, None, settings.components, show_progress="hidden", **PRIVATE
    )
    restored.then(invert_again, query, answer, **RAW, **shown)


def _add_endpoint(gr: Any, backend: Backend, picture: Any) -> None:
    """Add `/invert`: a picture file -> (prompt, answer), for gradio_client and plain HTTP."""

    def invert(picture: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
        """Recover the prompt of a picture: the prompt, and the whole answer as JSON."""
        try:
            inversion = backend.invert(picture, Query(CANDIDATES))
        except UnpromptError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return inversion.prompt, inversion.as_json()

    # Gradio makes an endpoint from an event only, so an invisible button carries it.
    button = gr.Button(visible=False)
    results = [gr.Textbox(label="prompt", visible=False), gr.JSON(label="answer", visible=False)]
    button.click(invert, picture, results, api_name="invert", **RAW, **ONE_AT_A_TIME)
