"""NovelAI, versions 1 to 4: Description and a JSON Comment; prompts of characters in version 4."""

from typing import Any

from unprompt.index.metadata.generators.a1111 import as_list
from unprompt.index.metadata.texts import Texts
from unprompt.index.metadata.written import WrittenPrompt, join_texts, write

_OWN = ("uc", "v4_prompt", "signed_hash", "request_type", "n_samples")


def read_novelai(texts: Texts) -> WrittenPrompt | None:
    """The prompt with those of its characters, a line each."""
    by_name = texts.get("software") == "NovelAI" or "NovelAI" in texts.get("source")
    for values in texts.objects("comment"):
        if not (by_name or sum(name in values for name in _OWN) >= 2):
            continue
        found = write(
            "NovelAI",
            _joined(values.get("v4_prompt"), values.get("prompt")) or texts.get("description"),
            _joined(values.get("v4_negative_prompt"), values.get("uc")),
            model=texts.get("source"),
            seed=values.get("seed"),
            sampler=values.get("sampler"),
            steps=values.get("steps"),
            guidance=values.get("scale"),
            size=(values.get("width"), values.get("height")),
        )
        if found:
            return found
    return (
        write("NovelAI", texts.get("description"), model=texts.get("source")) if by_name else None
    )


def _joined(captions: Any, plain: Any) -> str:
    """The base caption and those of the characters; `plain` where there is none."""
    caption = captions.get("caption") if isinstance(captions, dict) else None
    if not isinstance(caption, dict):
        return join_texts([plain])
    characters = [
        one.get("char_caption") if isinstance(one, dict) else one
        for one in as_list(caption.get("char_captions"))
    ]
    return join_texts([caption.get("base_caption") or plain, *characters])
