"""The texts of a picture file -> its prompt. FAMILIES lists the readers; a new one is one entry."""

from collections.abc import Callable
from itertools import islice

from unprompt.index.metadata.generators.a1111 import read_a1111
from unprompt.index.metadata.generators.captions import read_captions
from unprompt.index.metadata.generators.comfy.read import read_comfy
from unprompt.index.metadata.generators.draw_things import read_draw_things
from unprompt.index.metadata.generators.fooocus import read_fooocus
from unprompt.index.metadata.generators.invoke import read_invoke
from unprompt.index.metadata.generators.midjourney import read_midjourney
from unprompt.index.metadata.generators.named_values import read_named_values
from unprompt.index.metadata.generators.novelai import read_novelai
from unprompt.index.metadata.generators.swarm import read_swarm
from unprompt.index.metadata.texts import Texts, as_object
from unprompt.index.metadata.written import WrittenPrompt

Family = Callable[[Texts], WrittenPrompt | None]
FAMILIES: tuple[Family, ...] = (  # the first that finds a prompt wins; the surest stand first
    read_swarm,
    read_invoke,
    read_novelai,
    read_fooocus,
    read_draw_things,
    read_a1111,
    read_comfy,
    read_midjourney,
    read_named_values,
    read_captions,
)
# Texts of a PNG file that some writers put into one JSON object in another place.
_PACKED = {
    "prompt", "workflow", "parameters", "comment", "description", "software", "source", "title",
    "invokeai_metadata", "usercomment",
}  # fmt: skip
_MOST_PACKED = 200


def read_families(texts: Texts) -> WrittenPrompt | None:
    """The prompt that the first family finds; None where none does."""
    _unpack(texts)
    for family in FAMILIES:
        found = family(texts)
        if found is not None:
            return found
    return None


def _unpack(texts: Texts) -> None:
    """Add the texts inside JSON objects, as if each were a text of the file by its own name."""
    for found in list(texts.objects()):
        for name, value in list(islice(found.items(), _MOST_PACKED)):
            if isinstance(value, str) and name.lower() in _PACKED and _is_packed(name, value):
                texts.add(name, value)


def _is_packed(name: str, value: str) -> bool:
    """Whether a value was a text of its own: a prompt in words stays in its object."""
    return name.lower() != "prompt" or as_object(value) is not None
