"""What a generator wrote into a picture file, and its values of any type -> its fields."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from unprompt.index.metadata.decoding import mend
from unprompt.index.metadata.limits import MAX_FIELD_LENGTH, MAX_LORAS, MAX_PROMPT_LENGTH


class Lora(NamedTuple):
    """A LoRA that the generator applied."""

    name: str
    weight: float | None = None


@dataclass(frozen=True)
class WrittenPrompt:
    """The prompt in a picture file, with the settings beside it; None: the file does not say."""

    prompt: str  # of one or more lines; never empty
    negative_prompt: str  # empty if there is none
    generator: str  # the program: AUTOMATIC1111, ComfyUI, InvokeAI ...; unknown
    model: str | None = None
    loras: tuple[Lora, ...] = ()
    seed: int | None = None
    sampler: str | None = None
    steps: int | None = None
    guidance: float | None = None
    size: tuple[int, int] | None = None  # width, height in pixels, before any enlarging

    def as_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        loras = [lora._asdict() for lora in self.loras]
        return asdict(self) | {"loras": loras, "size": self.size and list(self.size)}

    def settings(self) -> list[tuple[str, str]]:
        """The known settings as (name, value) for people, without the prompts."""
        named = {
            "model": self.model,
            "LoRA": ", ".join(map(_shown, self.loras)),
            "seed": self.seed,
            "sampler": self.sampler,
            "steps": self.steps,
            "guidance": None if self.guidance is None else f"{self.guidance:g}",
            "size": self.size and f"{self.size[0]} x {self.size[1]}",
        }
        return [(name, str(value)) for name, value in named.items() if value not in (None, "")]


def write(generator: str, prompt: Any, negative: Any = None, **fields: Any) -> WrittenPrompt | None:
    """A WrittenPrompt from values of any type; None without a prompt or with one too long.

    `fields` are the optional fields of WrittenPrompt; `loras` holds names or (name, weight). A
    value that cannot be its field is left out.
    """
    text = as_text(prompt)
    if not text or len(text) > MAX_PROMPT_LENGTH:
        return None
    return WrittenPrompt(
        text,
        as_text(negative)[:MAX_PROMPT_LENGTH],
        as_name(generator) or "unknown",
        as_name(fields.get("model")),
        as_loras([*fields.get("loras", ()), *tagged_loras(text)]),
        as_seed(fields.get("seed")),
        as_name(fields.get("sampler")),
        as_whole(fields.get("steps"), 100_000),
        as_number(fields.get("guidance")),
        as_size(fields.get("size")),
    )


def as_text(value: Any) -> str:
    """A text with its line breaks as \\n; empty for anything else."""
    if not isinstance(value, str):
        return ""
    return mend(value.replace("\r\n", "\n").replace("\r", "\n")).strip()


def as_name(value: Any) -> str | None:
    """A short text on one line; None for anything else."""
    text = " ".join(as_text(value[:MAX_TEXT_OF_NAME] if isinstance(value, str) else value).split())
    return text[:MAX_FIELD_LENGTH] or None


MAX_TEXT_OF_NAME = 4 * MAX_FIELD_LENGTH


def as_whole(value: Any, most: int) -> int | None:
    """A whole number from 0 to `most`, also from its digits or a float; None for anything else."""
    if isinstance(value, str) and len(value) <= 24:
        try:
            value = int(value)
        except ValueError:
            value = as_number(value)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None


def as_seed(value: Any) -> int | None:
    """A seed: a whole number below 2^64."""
    return as_whole(value, 2**64 - 1)


def as_number(value: Any) -> float | None:
    """A finite number, also from its digits; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > 32:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_size(value: Any) -> tuple[int, int] | None:
    """(width, height) from two numbers, or from a text such as 512x768 or (512, 768)."""
    if isinstance(value, str) and len(value) <= 40:
        value = value.strip("() ").lower().replace("×", "x").replace(",", "x").split("x")
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    width, height = (as_whole(one.strip() if isinstance(one, str) else one, 10**6) for one in value)
    return (width, height) if width and height else None


def as_loras(values: Iterable[Any]) -> tuple[Lora, ...]:
    """Names, or (name, weight), as LoRAs: each name once, the first with a weight wins."""
    found: dict[str, float | None] = {}
    for value in values:
        name, weight = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        known = as_name(name)
        if known and known != "None" and (len(found) < MAX_LORAS or known in found):
            if found.get(known) is None:
                found[known] = as_number(weight)
    return tuple(Lora(name, weight) for name, weight in found.items())


def tagged_loras(prompt: str) -> list[tuple[str, str]]:
    """The LoRAs that a prompt names as <lora:name:weight>."""
    found = []
    for part in prompt.split("<lora:")[1 : MAX_LORAS + 1]:
        tag, closed, _ = part[:MAX_FIELD_LENGTH].partition(">")
        if closed:
            name, _, weight = tag.partition(":")
            found.append((name, weight.partition(":")[0]))
    return found


def join_texts(texts: Sequence[Any]) -> str:
    """The different texts among values of any type, a line break between them."""
    found = dict.fromkeys(filter(None, map(as_text, texts)))
    return "\n".join(found)


def _shown(lora: Lora) -> str:
    return lora.name if lora.weight is None else f"{lora.name} ({lora.weight:g})"
