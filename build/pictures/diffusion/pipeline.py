"""The folder of a pipeline -> the pipeline on its device: solver, attention, VAE, compilation."""

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from unprompt.build.pictures.diffusion.config import DiffusionConfig, SchedulerConfig
from unprompt.build.pictures.diffusion.device import choose_device, choose_dtype
from unprompt.build.pictures.diffusion.model import INSTALL, ModelFolder
from unprompt.index.base.errors import ConfigError, MissingDependencyError
from unprompt.index.base.quiet import without_load_reports

DENOISERS = ("unet", "transformer", "prior")


class LoadedPipeline(NamedTuple):
    """A pipeline with the arguments of every call."""

    call: Any  # the diffusers pipeline
    device: str
    dtype: str
    arguments: Mapping[str, Any]  # the same for every picture
    scheduler: Mapping[str, Any]  # class and full configuration

    @property
    def takes_negative(self) -> bool:
        """Whether the pipeline accepts negative prompts."""
        return "negative_prompt" in _parameters(self.call)


def load_pipeline(config: DiffusionConfig, model: ModelFolder) -> LoadedPipeline:
    """Load the pipeline of `model` with the settings of `config`, without output or network.

    Raises ConfigError for an invalid folder or setting, MissingDependencyError without
    the extra `render`.
    """
    try:
        import torch
        from diffusers import DiffusionPipeline
    except ImportError as error:
        raise MissingDependencyError(f"rendering needs diffusers: {INSTALL}") from error
    device = choose_device(config)
    dtype = choose_dtype(config, device)
    with silence():
        try:
            pipeline = DiffusionPipeline.from_pretrained(
                str(model.path),
                dtype=getattr(torch, dtype),
                variant=config.variant,
                local_files_only=True,
            )
        except (OSError, ValueError, AttributeError, KeyError, TypeError, ImportError) as error:
            raise ConfigError(f"{model.path} cannot be loaded as a pipeline: {error}") from error
        arguments = _arguments(pipeline, config)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.scheduler = _scheduler(pipeline.scheduler, config.scheduler)
        pipeline.to(device)
        _set_memory_use(pipeline, config)
        _set_attention(pipeline, config)
        _compile(pipeline, config)
    scheduler = _describe_scheduler(pipeline.scheduler)
    return LoadedPipeline(pipeline, device, dtype, arguments, scheduler)


@contextmanager
def silence() -> Iterator[None]:
    """Suppress bars, and warnings of what is handled here."""
    from diffusers.utils import logging

    logging.disable_progress_bar()
    try:
        with without_load_reports():
            yield
    finally:
        logging.enable_progress_bar()


def _parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(type(pipeline).__call__).parameters


def _arguments(pipeline: Any, config: DiffusionConfig) -> dict[str, Any]:
    """The arguments of every call; raises ConfigError for one that the pipeline lacks."""
    wanted: dict[str, Any] = {
        "num_inference_steps": config.steps,
        "guidance_scale": config.guidance,
        "height": config.height,
        "width": config.width,
    }
    known = _parameters(pipeline)
    given = {name: value for name, value in wanted.items() if value is not None}
    needed = {"prompt", "generator", "output_type", *given}
    if config.negative_prompt:
        needed.add("negative_prompt")
    missing = sorted(needed - set(known))
    if missing or "image" in known and known["image"].default is inspect.Parameter.empty:
        raise ConfigError(
            f"{type(pipeline).__name__} does not take {', '.join(missing) or 'a prompt alone'}; "
            "render.diffusion needs a text-to-image pipeline and settings that it knows"
        )
    fixed = {"output_type": "pt", "num_images_per_prompt": 1}
    return given | {name: value for name, value in fixed.items() if name in known}


def _scheduler(own: Any, config: SchedulerConfig) -> Any:
    """The solver of the model, or of another class, with changed options."""
    kind: Any = type(own) if config.name is None else _scheduler_class(own, config.name)
    known = inspect.signature(kind).parameters
    unknown = sorted(set(config.options) - set(known))
    if unknown:  # diffusers would only warn
        raise ConfigError(
            f"render.diffusion.scheduler.options: {kind.__name__} has no option {unknown[0]!r}; "
            f"it has {', '.join(sorted(known))}"
        )
    try:
        return kind.from_config(own.config, **config.options)
    except (ValueError, NotImplementedError, ImportError) as error:
        raise ConfigError(f"render.diffusion.scheduler cannot work: {error}") from error


def _scheduler_class(own: Any, name: str) -> Any:
    import diffusers

    kind = getattr(diffusers, name, None)
    if isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin):
        return kind
    fitting = ", ".join(sorted(found.__name__ for found in own.compatibles))
    raise ConfigError(
        f"render.diffusion.scheduler.name: diffusers has no scheduler {name!r}; those that fit "
        f"this model: {fitting}"
    )


def _describe_scheduler(scheduler: Any) -> dict[str, Any]:
    settings = json.loads(scheduler.to_json_string())
    kept = {name: value for name, value in settings.items() if not name.startswith("_")}
    return {"name": type(scheduler).__name__, **kept}


def _denoiser(pipeline: Any) -> Any:
    for name in DENOISERS:
        found = getattr(pipeline, name, None)
        if found is not None:
            return found
    raise ConfigError(f"{type(pipeline).__name__} has none of {', '.join(DENOISERS)} to speed up")


def _set_memory_use(pipeline: Any, config: DiffusionConfig) -> None:
    import torch

    vae = getattr(pipeline, "vae", None)
    for wanted, name in (
        (config.vae_slicing, "enable_slicing"),
        (config.vae_tiling, "enable_tiling"),
    ):
        if wanted:
            if not hasattr(vae, name):
                raise ConfigError(f"the VAE of {type(pipeline).__name__} has no {name}")
            getattr(vae, name)()
    if config.channels_last:
        for part in (_denoiser(pipeline), vae):
            if part is not None:
                part.to(memory_format=torch.channels_last)


def _set_attention(pipeline: Any, config: DiffusionConfig) -> None:
    """Enable xFormers, which needs its library and a GPU; SDPA is the default of diffusers."""
    if config.attention == "sdpa":
        return
    try:
        import xformers  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "render.diffusion.attention xformers: pip install xformers, or leave it at sdpa"
        ) from error
    try:
        if getattr(pipeline, "unet", None) is not None:
            pipeline.enable_xformers_memory_efficient_attention()
        else:
            _denoiser(pipeline).set_attention_backend("xformers")
    except (ValueError, RuntimeError, ImportError) as error:
        raise ConfigError(f"render.diffusion.attention xformers cannot work: {error}") from error


def _compile(pipeline: Any, config: DiffusionConfig) -> None:
    """Compile the denoiser once: all batches have one shape."""
    if config.compile == "blocks":
        denoiser = _denoiser(pipeline)
        if not getattr(denoiser, "_repeated_blocks", None):
            raise ConfigError(f"{type(denoiser).__name__} names no blocks; set compile to whole")
        denoiser.compile_repeated_blocks()
    elif config.compile == "whole":
        _denoiser(pipeline).compile()
