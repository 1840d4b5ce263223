"""A block that loads models of transformers -> the same block without its console output."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_load_reports() -> Iterator[None]:
    """Suppress the expected warnings, tables and bars of model loaders."""
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    disabled = logging.root.manager.disable
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        transformers_logging.set_verbosity(verbosity)
        transformers_logging.enable_progress_bar()
