"""AUTOMATIC1111, Forge, SD.Next, Civitai, stable-diffusion.cpp and Fooocus: a settings text."""

from collections.abc import Iterator
from typing import Any

from unprompt.index.metadata.generators.settings_text import Settings, split_settings
from unprompt.index.metadata.texts import Texts, looks_like_json
from unprompt.index.metadata.written import WrittenPrompt, as_number, write

HORDE, HORDE_SPLIT = "AI Horde", "###"  # the prompt, then the negative prompt
_ALONE = (None, 0.0, 1.0)  # a guidance that is off, beside the distilled one of Flux


def read_a1111(texts: Texts) -> WrittenPrompt | None:
    """The first settings text among the free texts."""
    for text in texts.free():
        if looks_like_json(text):
            continue
        settings = split_settings(text)
        if settings.found and (found := from_settings(settings, texts.get("software"))):
            return found
    return None


def from_settings(settings: Settings, software: str = "") -> WrittenPrompt | None:
    """The prompt and the fields of a settings text; `software` is the program by another text."""
    values, prompt, negative = settings.values, settings.prompt, settings.negative
    generator = _generator(values)
    if "horde" in software[:200].lower():
        generator = HORDE
        prompt, _, behind = prompt.partition(HORDE_SPLIT)
        negative = negative or behind
    resources = [one for one in as_list(values.get("civitai resources")) if isinstance(one, dict)]
    return write(
        generator,
        prompt,
        negative,
        model=values.get("model") or _checkpoint(resources),
        loras=[*_resource_loras(resources), *_hashed_loras(values)],
        seed=values.get("seed"),
        sampler=values.get("sampler"),
        steps=values.get("steps"),
        guidance=_guidance(values),
        size=values.get("size"),
    )


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, or else an empty one."""
    return value if isinstance(value, list) else []


def _generator(values: dict[str, Any]) -> str:
    version = str(values.get("version") or "")[:100]
    if "civitai resources" in values or "civitai metadata" in values:
        return "Civitai"
    for name in ("Fooocus", "stable-diffusion.cpp", "ComfyUI", "SD.Next"):
        if name.lower() in f"{version} {str(values.get('app') or '')[:100]}".lower():
            return name
    forge = version[:1] == "f" and version[1:2].isdigit()
    return "Forge" if forge or version.startswith(("neo", "classic")) else "AUTOMATIC1111"


def _guidance(values: dict[str, Any]) -> float | None:
    names = ("cfg scale", "guidance scale", "guidance")
    plain = next(
        (n for n in (as_number(values.get(name)) for name in names) if n is not None), None
    )
    distilled = as_number(values.get("distilled cfg scale"))
    return distilled if distilled is not None and plain in _ALONE else plain


def _checkpoint(resources: list[dict[str, Any]]) -> Any:
    return next((r.get("modelName") for r in resources if r.get("type") == "checkpoint"), None)


def _resource_loras(resources: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    for resource in resources:
        if resource.get("type") in ("lora", "lycoris", "locon", "dora"):
            yield resource.get("modelName"), resource.get("weight")


def _hashed_loras(values: dict[str, Any]) -> Iterator[str]:
    hashes = values.get("lora hashes")
    for part in hashes[:10_000].split(",") if isinstance(hashes, str) else ():
        name, _, digest = part.partition(":")
        if digest:
            yield name
