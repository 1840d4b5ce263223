"""The first import of Gradio: returns the module, configured to stay off the network."""

import os
from types import ModuleType

from unprompt.index.base.errors import MissingDependencyError

SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    # Gradio makes a table of its last 10,000 events after each one. The page shows none of it.
    "GRADIO_ANALYTICS_MAX_EVENTS": "1",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",
    "MPLBACKEND": "agg",  # without it Gradio loads pyplot to ask for the backend, at an event
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
LOOPBACK = "127.0.0.1,localhost"


def load_gradio() -> ModuleType:
    """The module `gradio`; raises MissingDependencyError without the extra `demo`."""
    os.environ.update(SETTINGS)  # Gradio reads them at import
    # Gradio sends its own server a request to see that it is up. No proxy can answer that.
    no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if LOOPBACK not in no_proxy:
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = f"{no_proxy},{LOOPBACK}".lstrip(",")
    try:
        import gradio
    except ImportError as error:
        raise MissingDependencyError(
            f"the page needs Gradio, which cannot be imported ({error}); "
            "run `pip install 'unprompt[demo,cpu]'`"
        ) from error
    return gradio
