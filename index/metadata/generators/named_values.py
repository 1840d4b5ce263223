"""Generators that write one JSON object, or one text per name: Easy Diffusion, mflux, Horde ..."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from unprompt.index.metadata.generators.a1111 import HORDE, HORDE_SPLIT, as_list
from unprompt.index.metadata.limits import MAX_NAMES
from unprompt.index.metadata.texts import Texts, as_object
from unprompt.index.metadata.written import WrittenPrompt, as_text, write

# Names in lower case with underscores -> the field; the first name with a value is taken.
_NAMES = {
    "prompt": ("prompt", "positive_prompt", "positiveprompt", "original_prompt", "text_prompt"),
    "negative": ("negative_prompt", "negativeprompt", "prompt_neg", "promptneg", "negative", "uc"),
    "model": (
        "model", "use_stable_diffusion_model", "stable_diffusion_model", "model_name",
        "base_model", "sd_model_name", "checkpoint",
    ),
    "seed": ("seed",),
    "sampler": ("sampler", "sampler_name", "samplername", "scheduler"),
    "steps": ("steps", "num_inference_steps"),
    "guidance": ("guidance_scale", "cfg_scale", "cfgscale", "guidance", "scale", "cfg"),
    "width": ("width",),
    "height": ("height",),
}  # fmt: skip
_JSON_PLACES = ("parameters", "usercomment", "comment", "prompt", "generation_data",
                "imagedescription", "description", "xpcomment", "nmkdiffusion", "metadata",
                "horde", "xmp:usercomment", "xmp:parameters")  # fmt: skip


def read_named_values(texts: Texts) -> WrittenPrompt | None:
    """The prompt under one of the usual names, in a JSON object or in texts of their own."""
    for found in texts.objects(*_JSON_PLACES):
        if written := from_values(found, texts.get("software")):
            return written
    values = {name: texts.get(name) for names in _NAMES.values() for name in names}
    values |= {name: texts.get(name) for name in ("use_lora_model", "lora_alpha")}
    others = sum(bool(value) for value in values.values()) - bool(values["prompt"])
    prompt = values["prompt"]
    if not prompt or prompt.startswith(("{", "[")) or not (others or _is_prose(prompt)):
        return None
    return from_values({name: value for name, value in values.items() if value},
                       texts.get("software"))  # fmt: skip


def from_values(found: dict[str, Any], software: str = "") -> WrittenPrompt | None:
    """The fields of one JSON object by the usual names, in it or in its object of parameters."""
    values = _flat(found)
    fields = {
        field: next((values[n] for n in names if values.get(n) not in (None, "")), None)
        for field, names in _NAMES.items()
    }
    generator = _generator(values, software)
    prompt, negative = as_text(fields.pop("prompt")), fields.pop("negative")
    if generator == HORDE or (HORDE_SPLIT in prompt and not negative):
        prompt, _, behind = prompt.partition(HORDE_SPLIT)
        negative = behind or negative
    model = fields.pop("model")
    size = fields.pop("width"), fields.pop("height")
    loras = list(_loras(values))
    return write(generator, prompt, negative, model=_name(model, values), size=size, loras=loras,
                 **fields)  # fmt: skip


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    """The object with lower-case names; its objects of parameters and of metadata are unpacked."""
    values: dict[str, Any] = {}
    layers = [found]
    for name in ("params", "parameters", "metadata", "request", "payload", "input", "extra"):
        inner = as_object(found.get(name))
        layers += [inner] if inner else []
    for layer in layers:
        for name, value in islice(layer.items(), MAX_NAMES):
            values.setdefault(name.lower().replace(" ", "_").replace("-", "_"), value)
    return values


def _generator(values: dict[str, Any], software: str) -> str:
    if "mflux_version" in values:
        return "mflux"
    if "use_stable_diffusion_model" in values or "stable_diffusion_model" in values:
        return "Easy Diffusion"
    named = (values.get(name) for name in ("software", "generator", "app", "program", "source"))
    program = next(filter(None, map(as_text, named)), "") or software
    if "horde" in program.lower() or "horde" in values or "worker_id" in values:
        return HORDE
    if isinstance(values.get("params"), dict) and isinstance(values.get("models"), list):
        return HORDE
    return program


def _name(model: Any, values: dict[str, Any]) -> Any:
    if isinstance(model, dict):
        return model.get("name") or model.get("model_name")
    if model is None:
        first = next(iter(as_list(values.get("models"))), None)
        return first.get("name") if isinstance(first, dict) else first
    return model


def _loras(values: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """(name, weight), from objects or from lists of names and of weights."""
    for names, weights in (
        ("lora_paths", "lora_scales"), ("use_lora_model", "lora_alpha"), ("loras", "loraweights"),
    ):  # fmt: skip
        found, scales = values.get(names), values.get(weights)
        listed = found if isinstance(found, list) else [found] if isinstance(found, str) else []
        by_place = scales if isinstance(scales, list) else [scales]
        for place, one in enumerate(listed):
            if isinstance(one, dict):
                name = one.get("name") or one.get("model") or one.get("lora_name")
                yield name, one.get("weight", one.get("strength"))
            elif isinstance(one, str):
                name = one.replace("\\", "/").rpartition("/")[2]
                yield name, by_place[place] if place < len(by_place) else None


def _is_prose(text: str) -> bool:
    return len(text.split(None, 2)) > 1
