"""PAINTERS: the name of a setting, or None for a plain backdrop -> its painter."""

from collections.abc import Callable

import numpy as np

from unprompt.build.scenes.settings import built, land, studio, water_and_sky, woods
from unprompt.build.scenes.settings.backdrop import Backdrop

PAINTERS: dict[str | None, Callable[[int, np.random.Generator], Backdrop]] = {
    None: studio.paint_studio,
    "forest": woods.paint_forest,
    "jungle": woods.paint_jungle,
    "desert": land.paint_desert,
    "outer space": water_and_sky.paint_space,
    "moon": water_and_sky.paint_moon,
    "under the sea": water_and_sky.paint_undersea,
    "snow": land.paint_snow,
    "sunset": water_and_sky.paint_sunset,
    "city at night": built.paint_city,
    "meadow": land.paint_meadow,
    "mountains": land.paint_mountains,
    "wooden table": built.paint_table,
    "stage": built.paint_stage,
    "rain": built.paint_rain,
    "beach": water_and_sky.paint_beach,
    "clouds": water_and_sky.paint_clouds,
    "cave": built.paint_cave,
    "kitchen": built.paint_kitchen,
    "library": built.paint_library,
    "road": land.paint_road,
}
