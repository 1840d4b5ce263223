"""Recover the prompt behind a generated image, as a vector and as text.

    import unprompt

    answer = unprompt.load().invert("picture.png")
    answer.prompt, answer.vector, answer.expected_cosine, answer.candidates

`load` opens a bundle, `build` makes one from prompts, `train` trains its tower, `evaluate` scores
it, and `evaluate_pairs` scores any bundle on pictures with known prompts. Every error that bad
input or a broken file can cause is an UnpromptError. Each name is imported when it is first used,
so that `import unprompt` takes no time.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.2.0"
__all__ = [
    "ClosedError",
    "ConfigError",
    "CorpusError",
    "DamagedFileError",
    "EndpointError",
    "Inversion",
    "Inverter",
    "MissingDependencyError",
    "OutputInUseError",
    "PromptError",
    "PromptIndex",
    "Query",
    "SpaceMismatchError",
    "TrainingDivergedError",
    "UnpromptError",
    "UnreadableImageError",
    "UnsupportedPictureError",
    "__version__",
    "build",
    "evaluate",
    "evaluate_pairs",
    "load",
    "train",
]

if TYPE_CHECKING:
    from unprompt.api import build, evaluate, evaluate_pairs, load, train
    from unprompt.index.base.errors import (
        ClosedError,
        ConfigError,
        CorpusError,
        DamagedFileError,
        EndpointError,
        MissingDependencyError,
        OutputInUseError,
        PromptError,
        SpaceMismatchError,
        TrainingDivergedError,
        UnpromptError,
        UnreadableImageError,
        UnsupportedPictureError,
    )
    from unprompt.index.store.prompt_index import PromptIndex
    from unprompt.inversion.answer import Inversion
    from unprompt.inversion.inverter import Inverter
    from unprompt.inversion.query import Query
else:
    _MODULES = {
        "Inversion": "unprompt.inversion.answer",
        "Inverter": "unprompt.inversion.inverter",
        "PromptIndex": "unprompt.index.store.prompt_index",
        "Query": "unprompt.inversion.query",
        **dict.fromkeys(("build", "evaluate", "evaluate_pairs", "load", "train"), "unprompt.api"),
    }

    # `build` is a folder of this package too. A later import of it would set the attribute `build`
    # to that folder; the import here is the only one that sets it.
    importlib.import_module("unprompt.build")
    del globals()["build"]

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module 'unprompt' has no attribute {name!r}")
        module = importlib.import_module(_MODULES.get(name, "unprompt.index.base.errors"))
        globals()[name] = value = getattr(module, name)
        return value

    def __dir__():
        return __all__
