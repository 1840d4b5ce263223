"""The kinds of pictures by name, and one picture of a kind by its number."""

from collections.abc import Callable

import numpy as np

from unprompt.build.kinds.blank import draw_blank
from unprompt.build.kinds.canvas import Dice, Drawn
from unprompt.build.kinds.codes import draw_codes
from unprompt.build.kinds.diagrams import draw_diagram
from unprompt.build.kinds.gradients import draw_gradient
from unprompt.build.kinds.maps import draw_map
from unprompt.build.kinds.noise import draw_noise
from unprompt.build.kinds.screens.charts import draw_chart
from unprompt.build.kinds.screens.chat import draw_chat
from unprompt.build.kinds.screens.code import draw_code
from unprompt.build.kinds.screens.pages import draw_page
from unprompt.build.kinds.screens.tables import draw_table
from unprompt.build.kinds.screens.windows import draw_windows
from unprompt.build.kinds.sketches import draw_sketch
from unprompt.index.base.durable import stable_id

Draw = Callable[[Dice], Drawn]

# Screens are one kind: numbers take the drawings of a kind in turn.
KINDS: dict[str, tuple[Draw, ...]] = {
    "noise": (draw_noise,),
    "blank": (draw_blank,),
    "gradient": (draw_gradient,),
    "screenshot": (draw_windows, draw_page, draw_code, draw_table, draw_chat),
    "chart": (draw_chart, draw_diagram),
    "line drawing": (draw_sketch,),
    "pattern": (draw_codes,),
    "map": (draw_map,),
}


def draw_kind(kind: str, number: int, seed: int = 0) -> Drawn:
    """Picture `number` of a kind; the same arguments give the same pixels and captions."""
    drawings = KINDS[kind]
    dice = np.random.default_rng(stable_id("kinds", seed, kind, number))
    return drawings[number % len(drawings)](dice)
