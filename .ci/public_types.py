"""How a program uses the library: `make types` checks it with `mypy --strict`; nothing runs it."""

from pathlib import Path
from typing import assert_type

import numpy as np
from PIL import Image

import unprompt
from unprompt import Inversion, Inverter, Query


def use(stream: "list[bytes]") -> None:
    """Every public name has the type that its documentation gives."""
    inverter = unprompt.load()
    assert_type(inverter, Inverter)
    assert_type(inverter.invert("picture.png"), Inversion)
    assert_type(inverter.invert(Path("picture.png"), Query(candidates=3)), Inversion)
    assert_type(inverter.invert(b"..."), Inversion)
    assert_type(inverter.invert(Image.new("L", (1, 1))), Inversion)
    assert_type(inverter.invert(np.zeros((1, 1, 3), np.uint8)), Inversion)
    with open("picture.png", "rb") as file:
        assert_type(inverter.invert(file), Inversion)
    assert_type(inverter.invert(["a.png", "b.png"]), list[Inversion])
    assert_type(inverter.invert(content for content in stream), list[Inversion])
    assert_type(unprompt.build("scenes-tiny", overrides={"corpus.count": 800}), Path)
    assert_type(unprompt.train("scenes-tiny", "clip"), Path)
    assert_type(
        [score.mean_cosine for score in unprompt.evaluate("scenes-tiny").scores], list[float]
    )
    assert_type(unprompt.PromptIndex.load(Path("index")).search(np.zeros((1, 3)), 2).rows.ndim, int)
    assert issubclass(unprompt.UnreadableImageError, unprompt.UnpromptError)
    assert_type(unprompt.__version__, str)
