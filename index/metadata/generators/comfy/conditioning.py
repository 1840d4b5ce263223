"""The `positive` or `negative` input of a sampler -> the texts behind it.

The walk passes ControlNet, guidance, combining and area nodes, and stops at zeroed conditionings.
"""

from collections.abc import Iterator
from typing import Any

from unprompt.index.metadata.generators.comfy.graph import Graph, Node, linked, links
from unprompt.index.metadata.generators.comfy.strings import Strings, text_names

POSITIVE, NEGATIVE = "positive", "negative"
EMBEDDINGS = ("text_embeds", "hyvid_embeds")  # inputs of samplers of videos
_OPPOSITE = {POSITIVE: NEGATIVE, NEGATIVE: POSITIVE}
_OTHER_WAYS = {  # inputs that do not lead to a conditioning
    "model", "clip", "vae", "image", "images", "pixels", "samples", "latent", "latent_image",
    "mask", "masks", "control_net", "style_model", "clip_vision", "clip_vision_output", "noise",
    "sampler", "sigmas", "upscale_model", "unet", "audio", "ipadapter", "insightface",
}  # fmt: skip


class Conditionings:
    """Collects the texts of one role over one graph; a node gives its texts once."""

    def __init__(self, graph: Graph, role: str) -> None:
        self._graph, self._role = graph, role
        self._strings = Strings(graph, role)
        self._seen: set[str] = set()

    def texts(self, sampler: Node) -> list[str]:
        """The texts behind the input of that role of a sampler, in order, those not given yet."""
        found: list[str] = []
        for value in self._roots(sampler):
            found += self._of_value(value)
        return found

    def _roots(self, sampler: Node) -> Iterator[Any]:
        if self._role in sampler.inputs:
            yield sampler.inputs[self._role]
            return
        for key in EMBEDDINGS:  # of both roles; an encoder with one text has the positive one
            name = linked(self._graph, sampler.inputs.get(key))
            if name is not None:
                both = f"{NEGATIVE}_prompt" in self._graph[name].inputs
                yield sampler.inputs[key] if both or self._role == POSITIVE else None
        name = linked(self._graph, sampler.inputs.get("guider"))
        guider = sampler if name is None else self._graph[name]
        if self._role in guider.inputs:
            yield guider.inputs[self._role]
        if self._role == POSITIVE:  # guiders of one conditioning have no negative one
            for key in ("conditioning", "cond1", "cond2", "cond"):
                yield guider.inputs.get(key)

    def _of_value(self, value: Any) -> list[str]:
        if isinstance(value, str):
            return [value]
        first = linked(self._graph, value)
        waiting, found = [first] if first is not None else [], []
        while waiting:
            name = waiting.pop()
            if name in self._seen:
                continue
            self._seen.add(name)
            node = self._graph[name]
            if "zeroout" in node.kind.lower().replace("_", ""):
                continue
            texts, further = self._step(node)
            found += texts
            waiting += reversed(further)
        return found

    def _step(self, node: Node) -> tuple[list[str], list[str]]:
        """The texts of a node, or else the nodes that its conditioning comes from."""
        if self._role in node.inputs:
            value = node.inputs[self._role]
            if isinstance(value, str):
                return [value], []
            return [], [name for name in [linked(self._graph, value)] if name is not None]
        if names := text_names(node, self._role):
            return [self._strings.resolve(node.inputs[name]) for name in names], []
        other = _OPPOSITE[self._role]
        return [], list(
            links(self._graph, node, lambda name: name not in _OTHER_WAYS and name != other)
        )
