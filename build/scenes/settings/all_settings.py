"""A setting's name, or None for a plain studio -> its painter."""

from collections.abc import Callable

import numpy as np

from unprompt.build.scenes.settings import built as built_settings
from unprompt.build.scenes.settings import land as land_settings
from unprompt.build.scenes.settings import studio as studio_settings
from unprompt.build.scenes.settings import water_and_sky as water_and_sky_settings
from unprompt.build.scenes.settings import woods as woods_settings
from unprompt.build.scenes.settings.backdrop import Backdrop

PAINTERS: dict[str | None, Callable[[int, np.random.Generator], Backdrop]] = {
    None: studio_settings.paint_studio,
    "forest": woods_settings.paint_forest,
    "jungle": woods_settings.paint_jungle,
    "desert": land_settings.paint_desert,
    "outer space": water_and_sky_settings.paint_space,
    "moon": water_and_sky_settings.paint_moon,
    "under the sea": water_and_sky_settings.paint_undersea,
    "snow": land_settings.paint_snow,
    "sunset": water_and_sky_settings.paint_sunset,
    "city at night": built_settings.paint_city,
    "meadow": land_settings.paint_meadow,
    "mountains": land_settings.paint_mountains,
    "wooden table": built_settings.paint_table,
    "stage": built_settings.paint_stage,
    "rain": built_settings.paint_rain,
    "beach": water_and_sky_settings.paint_beach,
    "clouds": water_and_sky_settings.paint_clouds,
    "cave": built_settings.paint_cave,
    "kitchen": built_settings.paint_kitchen,
    "library": built_settings.paint_library,
    "road": land_settings.paint_road,
}
