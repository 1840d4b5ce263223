"""A backend -> the page as Gradio blocks: a header, three tabs and a footer."""

from typing import Any

from unprompt.ui.page.backend import Backend
from unprompt.ui.page.gradio_library import load_gradio
from unprompt.ui.page.html import PASTE, script, write_footer, write_header
from unprompt.ui.page.many_pictures import add_many_pictures
from unprompt.ui.page.one_picture import add_one_picture
from unprompt.ui.page.server.events import guard
from unprompt.ui.page.server.limits import Limits
from unprompt.ui.page.the_index import add_the_index

SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO_FONTS = ("ui-monospace", "Menlo", "Consolas", "monospace")


def build_page(backend: Backend) -> Any:
    """The page as `gr.Blocks`, not yet launched; raises MissingDependencyError without Gradio."""
    gr = load_gradio()
    with gr.Blocks(title="unprompt", analytics_enabled=False) as page:
        gr.HTML(write_header(backend.bundle), js_on_load=script(PASTE))
        with gr.Tab("One picture"):
            add_one_picture(gr, backend)
        with gr.Tab("Many pictures"):
            add_many_pictures(gr, backend)
        with gr.Tab("The index"):
            add_the_index(gr, backend)
        gr.HTML(write_footer(backend.bundle))
    # The gate keeps direct calls out too.
    page.queue(max_size=Limits().total_events, default_concurrency_limit=1, api_open=False)
    guard(gr, page)
    return page


def make_theme() -> Any:
    """Gradio's default theme in teal, with system fonts so that the browser fetches none."""
    gr = load_gradio()
    theme = gr.themes.Default(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        font=[gr.themes.Font(name) for name in SYSTEM_FONTS],
        font_mono=[gr.themes.Font(name) for name in MONO_FONTS],
    )
    # The theme's own gray has too little contrast at small sizes.
    return theme.set(body_text_color_subdued="*neutral_500")
