"""Fooocus and its relatives: a JSON object. Its AUTOMATIC1111 scheme is a settings text."""

from itertools import islice
from typing import Any

from unprompt.index.metadata.generators.a1111 import as_list
from unprompt.index.metadata.limits import MAX_NAMES
from unprompt.index.metadata.texts import Texts
from unprompt.index.metadata.written import WrittenPrompt, as_text, join_texts, write

_OWN = {"metadata_scheme", "full_prompt", "base_model", "base_model_name", "performance", "styles"}


def read_fooocus(texts: Texts) -> WrittenPrompt | None:
    """The prompt that the user typed, without the words of styles, unless it is empty."""
    scheme = "fooocus" in f"{texts.get('software')} {texts.get('fooocus_scheme')}"[:200].lower()
    for found in texts.objects():
        named = islice(found.items(), MAX_NAMES)
        values = {name.lower().replace(" ", "_"): value for name, value in named}
        program = as_text(values.get("software"))
        if not (scheme or "fooocus" in program.lower() or len(_OWN & set(values)) >= 2):
            continue
        full = as_list(values.get("full_prompt"))
        full_negative = as_list(values.get("full_negative_prompt"))
        negative = values.get("negative_prompt") or values.get("negative")
        return write(
            program or "Fooocus",
            as_text(values.get("prompt")) or join_texts(full),
            as_text(negative) or join_texts(full_negative),
            model=values.get("base_model") or values.get("base_model_name"),
            loras=_loras(values),
            seed=values.get("seed"),
            sampler=values.get("sampler") or values.get("sampler_name"),
            steps=values.get("steps"),
            guidance=values.get("guidance_scale", values.get("cfg")),
            size=values.get("resolution") or (values.get("width"), values.get("height")),
        )
    return None


def _loras(values: dict[str, Any]) -> list[tuple[Any, Any]]:
    """(name, weight), from lists or from the texts `name : weight` of lora_combined_1 and so on."""
    found = []
    for one in as_list(values.get("loras")):
        if isinstance(one, list) and len(one) >= 2:
            found.append((one[0], one[1]))
    for number in range(1, 11):
        combined = values.get(f"lora_combined_{number}")
        if isinstance(combined, str):
            name, _, weight = combined.rpartition(" : ")
            found.append((name or weight, weight if name else None))
    return found
