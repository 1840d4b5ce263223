"""SwarmUI: a JSON object with `sui_image_params`."""

from unprompt.index.metadata.generators.a1111 import as_list
from unprompt.index.metadata.texts import Texts, as_object
from unprompt.index.metadata.written import WrittenPrompt, write


def read_swarm(texts: Texts) -> WrittenPrompt | None:
    """The parameters of the picture, from any free text."""
    for found in texts.objects():
        values = as_object(found.get("sui_image_params"))
        if values is None:
            continue
        weights = as_list(values.get("loraweights"))
        loras = as_list(values.get("loras"))
        weighted = zip(loras, [*weights, *[None] * len(loras)], strict=False)
        return write(
            "SwarmUI",
            values.get("prompt"),
            values.get("negativeprompt"),
            model=values.get("model"),
            loras=list(weighted),
            seed=values.get("seed"),
            sampler=values.get("sampler"),
            steps=values.get("steps"),
            guidance=values.get("cfgscale"),
            size=(values.get("width"), values.get("height")),
        )
    return None
