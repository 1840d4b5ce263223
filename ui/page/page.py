"""A loaded inverter -> the page: a picture in, its prompt, candidates and neighbours out."""

from typing import Any

from unprompt.index.base.errors import UnpromptError
from unprompt.ui.page.gradio_library import load_gradio
from unprompt.ui.page.html import (
    LoadedBundle,
    write_examples,
    write_footer,
    write_header,
    write_invitation,
)
from unprompt.ui.page.many_pictures import add_batch
from unprompt.ui.page.one_picture import Answering, Parts, add_endpoint, connect
from unprompt.ui.page.settings import add_controls
from unprompt.ui.page.style import COPY_SCRIPT, CSS, EXAMPLE_SCRIPT, PASTE_SCRIPT
from unprompt.ui.page.the_index import add_index

HOST = "127.0.0.1"
MAX_WAITING = 32
MAX_UPLOAD = "20mb"
KEPT_SECONDS = 600  # a query picture is deleted after this long
SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO_FONTS = ("ui-monospace", "Menlo", "Consolas", "monospace")


def build_page(answering: Answering, loaded: LoadedBundle) -> Any:
    """The page as `gr.Blocks`, not yet launched; raises MissingDependencyError without Gradio."""
    gr = load_gradio()
    kept = (KEPT_SECONDS, KEPT_SECONDS)
    with gr.Blocks(title="unprompt", analytics_enabled=False, delete_cache=kept) as page:
        gr.HTML(write_header(loaded), js_on_load=PASTE_SCRIPT)
        with gr.Tab("One picture"):
            _add_single(gr, answering)
        with gr.Tab("Many pictures"):
            add_batch(gr, answering)
        with gr.Tab("The index"):
            add_index(gr, answering)
        gr.HTML(write_footer(loaded))
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=1)
    return page


def _add_single(gr: Any, answering: Answering) -> None:
    with gr.Row(elem_id="up-body"):
        with gr.Column(scale=2, min_width=280):
            picture = _add_picture(gr)
            chooser = _add_examples(gr, answering)
            controls = add_controls(gr, answering.inverter.blend)
        with gr.Column(scale=3, min_width=300):
            answer = gr.HTML(write_invitation(), js_on_load=COPY_SCRIPT)
    evidence = gr.HTML()
    connect(gr, answering, Parts(picture, answer, evidence, chooser, controls))
    add_endpoint(gr, answering, picture)


def launch_page(page: Any, port: int, auth: tuple[str, str] | None = None) -> str:
    """Serve the page on the loopback interface without blocking; returns its URL.

    With `auth` (a name and a password) everybody has to log in first.
    """
    try:
        _, url, _ = page.launch(
            server_name=HOST,
            server_port=port,
            auth=auth,
            share=False,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            max_file_size=MAX_UPLOAD,
            allowed_paths=[],
            strict_cors=True,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            run_history=False,
            enable_monitoring=False,
            footer_links=[],
            theme=_make_theme(),
            css=CSS,
        )
    except OSError as error:
        raise UnpromptError(
            f"cannot listen on port {port} of {HOST}: it is in use or not allowed; choose another "
            "with `--port`, or `--port 0` for any free one"
        ) from error
    return url


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
        placeholder="Drop or paste a picture, or click to pick one",
        alt_text="The picture whose prompt is sought",
    )


def _add_examples(gr: Any, answering: Answering) -> Any:
    if not answering.examples:
        return None
    pictures = [example.picture for example in answering.examples]
    return gr.HTML(write_examples(pictures), js_on_load=EXAMPLE_SCRIPT)


def _make_theme() -> Any:
    gr = load_gradio()
    # named system fonts: a theme's own fonts are fetched
    fonts, mono_fonts = (
        [gr.themes.Font(name) for name in names] for names in (SYSTEM_FONTS, MONO_FONTS)
    )
    theme = gr.themes.Default(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        font=fonts,
        font_mono=mono_fonts,
    )
    # the theme's own grey is too pale to read at small sizes
    return theme.set(body_text_color_subdued="*neutral_500")
