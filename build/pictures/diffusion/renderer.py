"""The diffusers renderer: (prompts, seeds) -> images, uint8 (h, w, 3), in batches of one shape.

Each picture has its own generator on the CPU, so that its noise depends only on its seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from unprompt.build.pictures.diffusion.config import DiffusionConfig
from unprompt.build.pictures.diffusion.device import choose_batch_size, describe_device
from unprompt.build.pictures.diffusion.model import find_model
from unprompt.build.pictures.diffusion.pipeline import LoadedPipeline, load_pipeline, silence
from unprompt.build.pictures.diffusion.tokens import TokenCounter
from unprompt.build.renderer import Drawn
from unprompt.index.base.durable import digest_json
from unprompt.index.base.errors import ConfigError, UnpromptError

NAME = "diffusers"
LIBRARIES = ("diffusers", "torch", "transformers")
MODEL_NAMES = ("model", "revision", "variant")  # replaced by the digest of the files
SHOWN_CHARACTERS = 80


class DiffusersRenderer:
    """Draws with a pipeline that is loaded at the first picture, once per process.

    A batch is padded to its full size, so that the bytes of a picture do not depend on the others.
    """

    def __init__(self, config: DiffusionConfig):
        self._config = config
        self._model = find_model(config)
        self._batch_size: int | None = None

    @property
    def generator(self) -> str:
        deciding = {k: v for k, v in self._config.deciding.items() if k not in MODEL_NAMES}
        digest = digest_json({"weights": self._model.weights, **deciding})
        return f"{NAME}-{self._model.pipeline}-{digest[:12]}"

    @property
    def settings(self) -> Mapping[str, object]:
        return {
            "diffusion": self._config.deciding,
            "pipeline": self._model.pipeline,
            "weights": self._model.weights,
            "versions": {name: _version(name) for name in LIBRARIES},
        }

    @property
    def batch_size(self) -> int:
        if self._batch_size is None:
            self._batch_size = choose_batch_size(self._config, self._loaded.device)
        return self._batch_size

    @cached_property
    def _loaded(self) -> LoadedPipeline:
        return load_pipeline(self._config, self._model)

    @cached_property
    def _counter(self) -> TokenCounter:
        return TokenCounter(self._loaded.call)

    def draw(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """One result per prompt, in order.

        Raises UnpromptError where the memory of the device does not fit a single picture.
        """
        if len(prompts) != len(seeds):
            raise ConfigError(
                f"draw wants one seed a prompt, got {len(prompts)} prompts and {len(seeds)} seeds"
            )
        drawn: dict[int, Drawn] = {}
        facts: dict[int, Mapping[str, object]] = {}
        with silence():
            for place, prompt in enumerate(prompts):
                try:
                    facts[place] = self._count(prompt)
                except (ValueError, TypeError, UnicodeError) as error:
                    drawn[place] = Drawn(None, f"{_shown(prompt)} cannot be tokenised: {error}")
            left = list(facts)
            while left:
                batch = left[: self.batch_size]
                answers = self._try_batch([(prompts[n], seeds[n]) for n in batch])
                if answers is None:  # out of memory
                    self._halve()
                    continue
                for place, one in zip(batch, answers, strict=True):
                    drawn[place] = replace(one, facts={**facts[place], **self._circumstances()})
                left = left[len(batch) :]
        return [drawn[place] for place in range(len(prompts))]

    def _count(self, prompt: str) -> dict[str, object]:
        count = self._counter.count(prompt)
        if count is None:
            return {}
        return {
            "tokens": count.tokens,
            "token_limit": count.limit,
            "truncated": count.truncated,
        }

    def _circumstances(self) -> dict[str, object]:
        """Batch size, device, dtype and scheduler, as the rows record them."""
        return {
            "batch_size": self.batch_size,
            "device": describe_device(self._loaded.device),
            "dtype": self._loaded.dtype,
            "scheduler": self._loaded.scheduler,
        }

    def _try_batch(self, wanted: Sequence[tuple[str, int]]) -> list[Drawn] | None:
        """The results of (prompt, seed) pairs; None where memory ran out."""
        import torch

        try:
            images, blanked = self._call(wanted)
        except torch.OutOfMemoryError:
            return None
        finite = torch.isfinite(images).flatten(1).all(dim=1).tolist()
        pixels = images.nan_to_num().clamp(0, 1).mul(255).round().to(torch.uint8)
        arrays = pixels.permute(0, 2, 3, 1).cpu().numpy()
        return [
            _judge(prompt, np.ascontiguousarray(arrays[n]), finite[n], blanked[n])
            for n, (prompt, _) in enumerate(wanted)
        ]

    def _call(self, wanted: Sequence[tuple[str, int]]) -> tuple[Any, list[bool]]:
        """Run one full batch; returns (b, 3, h, w) in [0, 1] and which pictures are blanked."""
        import torch

        filler = [wanted[-1]] * (self.batch_size - len(wanted))
        prompts, seeds = zip(*wanted, *filler, strict=True)
        arguments: dict[str, Any] = dict(self._loaded.arguments)
        if self._loaded.takes_negative:
            arguments["negative_prompt"] = [self._config.negative_prompt] * len(prompts)
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        output = self._loaded.call(list(prompts), generator=generators, **arguments)
        flags = getattr(output, "nsfw_content_detected", None) or [False] * len(prompts)
        return output.images[: len(wanted)].float(), [bool(flag) for flag in flags]

    def _halve(self) -> None:
        """Halve the batch size; raises UnpromptError where it is 1 already."""
        import torch

        if self.batch_size == 1:
            raise UnpromptError(
                f"{self._loaded.device} has too little memory for one picture of "
                f"{self._config.model}; set render.diffusion.vae_tiling, a smaller height and "
                "width, or dtype fp16"
            )
        self._batch_size = self.batch_size // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _judge(prompt: str, picture: np.ndarray, finite: bool, blanked: bool) -> Drawn:
    """The picture, or the reason why it is not stored."""
    if blanked:
        return Drawn(None, f"the safety checker blanked the picture of {_shown(prompt)}")
    if not finite:
        return Drawn(
            None,
            f"the picture of {_shown(prompt)} holds values that are no numbers; "
            "set render.diffusion.dtype to bf16 or fp32",
        )
    if not picture.any():
        return Drawn(None, f"the picture of {_shown(prompt)} is black all over")
    return Drawn(picture)


def _shown(prompt: str) -> str:
    cut = prompt if len(prompt) <= SHOWN_CHARACTERS else prompt[: SHOWN_CHARACTERS - 3] + "..."
    return repr(cut.encode("utf-8", "replace").decode())


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
