"""Render settings -> their renderer, and the processes and threads that it can use."""

from functools import lru_cache

from unprompt.build.pictures.config import RenderConfig
from unprompt.build.renderer import Renderer
from unprompt.index.base.machine import own_cores
from unprompt.index.engines.devices import cuda_devices
from unprompt.index.engines.engine import Demand

MAX_THREADS = 8


@lru_cache(maxsize=2)
def load_renderer(config: RenderConfig) -> Renderer:
    """The renderer of these settings, loaded once per process."""
    if config.diffusion is not None:
        from unprompt.build.pictures.diffusion.renderer import DiffusersRenderer

        return DiffusersRenderer(config.diffusion)
    from unprompt.build.scenes.renderer import ScenesRenderer

    return ScenesRenderer(size_px=config.size_px)


def render_demand(config: RenderConfig) -> Demand:
    """One process per core for scenes, one per GPU for a diffusion pipeline."""
    if config.diffusion is None:
        return Demand(own_cores())
    return Demand(devices=cuda_devices() if config.diffusion.device == "auto" else 0)


def encoding_threads(config: RenderConfig) -> int:
    """Encoding threads per process; one for scenes, which already run one process per core."""
    return 1 if config.diffusion is None else min(MAX_THREADS, own_cores())
