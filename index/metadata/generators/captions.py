"""A bare text without settings: `parameters` is a prompt, a description is one unless it is not."""

from unprompt.index.metadata.generators.a1111 import from_settings
from unprompt.index.metadata.generators.settings_text import split_settings
from unprompt.index.metadata.texts import Texts, looks_like_json
from unprompt.index.metadata.written import WrittenPrompt, write

_CAPTIONS = ("imagedescription", "usercomment", "xpcomment", "description", "xmp:description",
             "iptc:caption")  # fmt: skip
# Starts of what cameras, phones and editors write there, in lower case.
_NOT_PROMPTS = (
    "screenshot", "created with", "made with", "edited with", "processed with", "captured with",
    "olympus digital camera", "sony dsc", "digital camera", "minolta digital camera", "default",
    "kodak digital", "untitled", "signature:", "file written by", "optimized by", "compressed by",
    "charset=", "binary comment", "http://", "https://", "<", "{", "[", "ai generated image",
)  # fmt: skip


def read_captions(texts: Texts) -> WrittenPrompt | None:
    """The prompt from `parameters`, from XMP's own field for it, or from a description.

    Photographs have descriptions too: with the tags of a camera in the file none is taken.
    """
    for text in texts.named("parameters"):
        if not looks_like_json(text) and (found := from_settings(split_settings(text))):
            return found
    for text in texts.named("xmp:aipromptinformation"):
        if found := write(texts.get("xmp:aisystemused"), text):
            return found
    if texts.camera:
        return None
    program = texts.get("software") or texts.get("xmp:creatortool") or texts.get("iptc:program")
    for text in texts.named(*_CAPTIONS):
        if _is_prompt(text) and (found := write(program, text)):
            return found
    return None


def _is_prompt(text: str) -> bool:
    start = text[:40].strip().lower()
    words = len(text.split(None, 2)) > 1 or (not text.isascii() and len(text) > 3)
    return words and not start.startswith(_NOT_PROMPTS)
