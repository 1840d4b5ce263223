"""A ComfyUI graph -> the samplers that made the saved picture, and the settings around them."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from unprompt.index.metadata.generators.comfy.conditioning import EMBEDDINGS
from unprompt.index.metadata.generators.comfy.graph import (
    Graph,
    Node,
    downstream,
    linked,
    links,
    upstream,
)

_SAMPLING = {
    "seed", "noise_seed", "steps", "sampler_name", "sigmas", "noise", "sampler", "cfg", "denoise",
}  # fmt: skip
_CONDITIONED = ("positive", "guider", *EMBEDDINGS)
_MODEL_NAMES = (
    "ckpt_name", "unet_name", "model_name", "base_ckpt_name", "gguf_name", "model_path",
    "checkpoint", "unet",
)  # fmt: skip
_MODEL_WAYS = ("model", "guider", "pipe", "basic_pipe", "detailer_pipe", "base_ctx", "context")
_NUMBER_NAMES = ("seed", "noise_seed", "value", "int", "float", "number", "int_value", "a")
_MOST_INPUTS, _DEPTH = 200, 8


def find_ends(graph: Graph) -> list[str]:
    """The nodes that save pictures; without any, those that show them; or else nodes unused."""
    for word in ("save", "preview", "output"):
        ends = [
            name
            for name, node in graph.items()
            if word in node.kind.lower() and next(links(graph, node), None) is not None
        ]
        if ends:
            return ends
    used = {target for node in graph.values() for target in links(graph, node)}
    return [name for name in graph if name not in used] or list(graph)


def find_samplers(graph: Graph, reached: Iterable[str]) -> list[str]:
    """The samplers among `reached`, the first to run first, then those that go on from them.

    `reached` holds nodes from the saved picture upwards, nearest first.
    """
    found = [name for name in reached if _is_sampler(graph[name])]
    found.reverse()
    further = (name for name in downstream(graph, found) if _is_sampler(graph[name]))
    return list(dict.fromkeys([*found, *further]))


def read_fields(graph: Graph, nodes: list[Node]) -> dict[str, Any]:
    """Model, LoRAs, seed, sampler, steps, guidance and size, from the first node that has each."""
    chain = [graph[name] for name in upstream(graph, _model_roots(graph, nodes[:1]))]
    sigmas = [graph[name] for name in _targets(graph, nodes[:1], ("sigmas", "noise", "sampler"))]
    latents = [
        graph[name] for name in _targets(graph, nodes, ("latent_image", "latent", "samples"))
    ]
    near = [*nodes, *sigmas]
    return {
        "model": next((v for node in chain for v in _named(node, _MODEL_NAMES)), None),
        "loras": [lora for node in chain for lora in _loras(node)],
        "seed": _first(graph, near, ("seed", "noise_seed")),
        "sampler": next((v for node in near for v in _named(node, ("sampler_name",))), None),
        "steps": _first(graph, near, ("steps",)),
        "guidance": _guidance(graph, nodes),
        "size": (_first(graph, latents, ("width",)), _first(graph, latents, ("height",))),
    }


def _is_sampler(node: Node) -> bool:
    return any(name in node.inputs for name in _CONDITIONED) and not _SAMPLING.isdisjoint(
        node.inputs
    )


def _model_roots(graph: Graph, nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        yield from links(graph, node, lambda name: name in _MODEL_WAYS)


def _targets(graph: Graph, nodes: Iterable[Node], names: tuple[str, ...]) -> list[str]:
    found = (linked(graph, node.inputs.get(name)) for node in nodes for name in names)
    return [name for name in found if name is not None]


def _guidance(graph: Graph, nodes: list[Node]) -> Any:
    """The guidance of a Flux node before the first sampler, or else the cfg of it or its guider."""
    guiders = [graph[name] for name in _targets(graph, nodes[:1], ("guider",))]
    near = [*nodes[:1], *guiders]
    cfg = _first(graph, near, ("cfg",))
    if cfg in (None, 1):
        waiting = _targets(graph, near, ("positive", "conditioning"))
        for _ in range(_DEPTH):
            if not waiting:
                break
            node = graph[waiting[0]]
            if "guidance" in node.inputs:
                return _number(graph, node.inputs["guidance"])
            waiting = _targets(graph, [node], ("conditioning", "positive"))
    return cfg


def _first(graph: Graph, nodes: Iterable[Node], names: tuple[str, ...]) -> Any:
    """The first number under one of these names."""
    for node in nodes:
        for name in names:
            number = _number(graph, node.inputs.get(name))
            if number is not None:
                return number
    return None


def _number(graph: Graph, value: Any) -> Any:
    """A number, also from the nodes that an input is linked to."""
    for _ in range(_DEPTH):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        name = linked(graph, value)
        if name is None:
            return None
        inputs = graph[name].inputs
        value = next((inputs[one] for one in _NUMBER_NAMES if one in inputs), None)
    return None


def _named(node: Node, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        value = node.inputs.get(name)
        if isinstance(value, dict):  # as nodes with a picture beside each name keep it
            value = value.get("content")
        if isinstance(value, str) and value:
            yield value


def _loras(node: Node) -> Iterator[tuple[Any, Any]]:
    """(name, weight) of a LoRA loader, of a stack of LoRAs, or of rgthree's Power Lora Loader."""
    inputs = node.inputs
    for name, value in islice(inputs.items(), _MOST_INPUTS):
        if isinstance(value, dict) and name.lower().startswith("lora_"):
            if value.get("on") is not False:
                yield value.get("lora") or value.get("content"), value.get("strength")
        elif isinstance(value, str) and name.startswith("lora_name"):
            end = name.removeprefix("lora_name")
            weights = ("strength_model", "lora_model_strength", "strength", f"lora_wt{end}",
                       f"model_str{end}")  # fmt: skip
            found = next((w for one in weights if (w := inputs.get(one)) is not None), None)
            if inputs.get(f"switch{end}") != "Off":
                yield value, found
