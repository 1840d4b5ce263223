"""Draw Things: JSON in the UserComment of XMP or EXIF, and a settings text in the description."""

from unprompt.index.metadata.generators.settings_text import split_settings
from unprompt.index.metadata.texts import Texts
from unprompt.index.metadata.written import WrittenPrompt, write

_PROGRAM = "Draw Things"


def read_draw_things(texts: Texts) -> WrittenPrompt | None:
    """The prompt from the JSON, or else from the description."""
    for values in texts.objects("xmp:usercomment", "usercomment"):
        if "c" in values and ("uc" in values or "v2" in values):
            loras = values.get("lora")
            return write(
                _PROGRAM,
                values.get("c"),
                values.get("uc"),
                model=values.get("model"),
                loras=[
                    (one.get("model"), one.get("weight"))
                    for one in (loras if isinstance(loras, list) else ())
                    if isinstance(one, dict)
                ],
                seed=values.get("seed"),
                sampler=values.get("sampler"),
                steps=values.get("steps"),
                guidance=values.get("scale"),
                size=values.get("size"),
            )
    if _PROGRAM not in texts.get("xmp:creatortool") + texts.get("software"):
        return None
    for text in texts.named("xmp:description", "imagedescription", "description"):
        if found := _from_description(text):
            return found
    return None


def _from_description(text: str) -> WrittenPrompt | None:
    """Prompt lines, a line with `-` and the negative prompt, and a line of settings."""
    settings = split_settings(text)
    prompt, marked, negative = ("\n" + settings.prompt).rpartition("\n-")
    values = settings.values
    return write(
        _PROGRAM,
        prompt if marked else settings.prompt,
        negative if marked else settings.negative,
        model=values.get("model"),
        seed=values.get("seed"),
        sampler=values.get("sampler"),
        steps=values.get("steps"),
        guidance=values.get("guidance scale"),
        size=values.get("size"),
    )
