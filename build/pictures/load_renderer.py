"""Render settings -> the renderer they name, and how many processes and threads it is worth."""

from functools import lru_cache

from unprompt.build.pictures.config import RenderConfig
from unprompt.build.renderer import Renderer
from unprompt.index.base.machine import own_cores
from unprompt.index.engines.devices import cuda_devices
from unprompt.index.engines.engine import Demand

MAX_THREADS = 8


@lru_cache(maxsize=2)
def load_renderer(config: RenderConfig) -> Renderer:
    """The renderer that the settings name; loaded once a process."""
    if config.diffusion is not None:
        from unprompt.build.pictures.diffusion.renderer import DiffusersRenderer

        return DiffusersRenderer(config.diffusion)
    from unprompt.build.scenes.renderer import ScenesRenderer

    return ScenesRenderer(size_px=config.size_px)


def render_demand(config: RenderConfig) -> Demand:
    """Drawing scenes takes a core; a pipeline takes a GPU where there is one."""
    if config.diffusion is None:
        return Demand(own_cores())
    return Demand(devices=cuda_devices() if config.diffusion.device == "auto" else 0)


def encoding_threads(config: RenderConfig) -> int:
    """Threads a process that encode while it renders; scenes have a process a core already."""
    return 1 if config.diffusion is None else min(MAX_THREADS, own_cores())
