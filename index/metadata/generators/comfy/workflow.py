"""The workflow of ComfyUI's editor -> a graph as it would be queued, as far as names are known."""

from collections.abc import Iterator
from typing import Any

from unprompt.index.metadata.generators.comfy.graph import Graph, Node
from unprompt.index.metadata.limits import MAX_NODES

_MUTED = (2, 4)  # modes of a node that does not run
# Values of a node without names, in order; None is a control of the editor.
_WIDGETS: dict[str, tuple[str | None, ...]] = {
    "KSampler": ("seed", None, "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", None, "steps", "cfg", "sampler_name"),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "RandomNoise": ("noise_seed",),
    "FluxGuidance": ("guidance",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
}
_CONCRETE = ("CLIPTextEncode", "String", "Text", "Prompt", "Primitive")


def read_workflow(value: dict[str, Any]) -> Graph:
    """The nodes of a workflow with their links by name; empty for anything else.

    Nodes inside subgraphs are left out.
    """
    nodes, links = value.get("nodes"), value.get("links")
    if not isinstance(nodes, list) or not isinstance(links, list) or len(nodes) > MAX_NODES:
        return {}
    origins = dict(_origins(links))
    graph: Graph = {}
    for node in nodes:
        if not isinstance(node, dict) or node.get("mode") in _MUTED:
            continue
        named = node.get("type")
        kind = named if isinstance(named, str) else ""
        inputs = dict(_values(kind, node)) | dict(_links(node, origins))
        graph[str(node.get("id"))[:40]] = Node(kind, inputs)
    return graph


def _origins(links: list[Any]) -> Iterator[tuple[Any, list[Any]]]:
    """(id of a link, [node, slot] that it starts at)."""
    for link in links:
        if isinstance(link, list) and len(link) >= 3:
            number, node, slot = link[:3]
        elif isinstance(link, dict):
            number, node, slot = (link.get(n) for n in ("id", "origin_id", "origin_slot"))
        else:
            continue
        if isinstance(number, int) and isinstance(node, int | str):
            yield number, [str(node), slot if isinstance(slot, int) else 0]


def _links(node: dict[str, Any], origins: dict[Any, list[Any]]) -> Iterator[tuple[str, Any]]:
    inputs = node.get("inputs")
    for one in inputs if isinstance(inputs, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            number = one.get("link")
            if isinstance(number, int) and number in origins:
                yield one["name"], origins[number]


def _values(kind: str, node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, value) of the widgets of a node."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        yield from ((name, value) for name, value in values.items() if _is_plain(value))
        return
    if not isinstance(values, list):
        return
    for name, value in zip(_WIDGETS.get(kind) or _named_widgets(node), values, strict=False):
        if name and _is_plain(value):
            yield name, value
    if kind not in _WIDGETS and any(part in kind for part in _CONCRETE):
        texts = [value for value in values if isinstance(value, str)]
        if texts and not _named_widgets(node):
            yield "text", texts[0]


def _named_widgets(node: dict[str, Any]) -> tuple[str, ...]:
    """The names of the inputs that are widgets, which newer editors write, if no seed is there.

    The editor puts a control behind a seed, which has no name.
    """
    inputs = node.get("inputs")
    names = tuple(
        one["name"]
        for one in (inputs if isinstance(inputs, list) else ())
        if isinstance(one, dict) and "widget" in one and isinstance(one.get("name"), str)
    )
    return () if {"seed", "noise_seed"} & set(names) else names


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)
