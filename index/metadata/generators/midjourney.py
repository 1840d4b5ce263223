"""Midjourney: a description with `--` parameters and a job id."""

from collections.abc import Iterator

from unprompt.index.metadata.limits import MAX_PROMPT_LENGTH
from unprompt.index.metadata.texts import Texts
from unprompt.index.metadata.written import WrittenPrompt, as_text, write

_PLACES = ("description", "xmp:description", "iptc:caption", "imagedescription", "comment")
_JOB = "Job ID:"
_PARAMETERS = {
    "ar", "aspect", "v", "version", "niji", "s", "stylize", "style", "chaos", "c", "q", "quality",
    "seed", "no", "iw", "weird", "w", "tile", "raw", "stop", "sref", "cref", "sw", "cw", "p", "hd",
    "profile", "personalize", "test", "testp", "creative", "upbeta", "uplight", "fast", "relax",
    "turbo", "draft", "exp", "oref", "ow", "repeat", "r", "video", "motion", "sv", "bs", "loop",
}  # fmt: skip
_MOST = 60


def read_midjourney(texts: Texts) -> WrittenPrompt | None:
    """The prompt without its parameters; what `--no` names is the negative prompt."""
    for text in texts.named(*_PLACES):
        found = from_description(text)
        if found:
            return found
    return None


def from_description(text: str) -> WrittenPrompt | None:
    """The prompt of a description with a job id or with parameters that Midjourney knows."""
    if len(text) > 2 * MAX_PROMPT_LENGTH:
        return None
    text = as_text(text)
    body, job, _ = text.partition(_JOB)
    prompt, values = _split_parameters(body)
    if not job and not {"v", "version", "ar", "aspect", "niji", "stylize", "s"} & set(values):
        return None
    version = values.get("v") or values.get("version")
    niji = values.get("niji")
    model = f"Niji {niji}" if niji else f"Midjourney {version}" if version else None
    return write("Midjourney", prompt, values.get("no"), model=model, seed=values.get("seed"))


def _split_parameters(text: str) -> tuple[str, dict[str, str]]:
    prompt, *parts = _pieces(text)
    values: dict[str, str] = {}
    for part in parts[:_MOST]:
        name, _, value = part.partition(" ")
        values.setdefault(name.lower(), value.strip(" ,"))
    return prompt.strip(), values


def _pieces(text: str) -> Iterator[str]:
    """The prompt, then one piece per known parameter; other words behind `--` stay in place."""
    kept: list[str] = []
    parts = f" {text}".split(" --")
    for part in parts:
        words = part.split(None, 1)
        if kept and words and words[0].lower() in _PARAMETERS:
            yield " --".join(kept)
            kept = [part]
        else:
            kept.append(part)
    yield " --".join(kept)
