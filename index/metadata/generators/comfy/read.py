"""ComfyUI: the queued graph in `prompt`, or else the workflow of the editor."""

from collections.abc import Iterator
from typing import Any

from unprompt.index.metadata.generators.comfy.conditioning import (
    NEGATIVE,
    POSITIVE,
    Conditionings,
)
from unprompt.index.metadata.generators.comfy.graph import Graph, Node, read_graph, upstream
from unprompt.index.metadata.generators.comfy.samplers import (
    find_ends,
    find_samplers,
    read_fields,
)
from unprompt.index.metadata.generators.comfy.strings import Strings, text_names
from unprompt.index.metadata.generators.comfy.workflow import read_workflow
from unprompt.index.metadata.generators.named_values import from_values
from unprompt.index.metadata.texts import Texts, as_object
from unprompt.index.metadata.written import WrittenPrompt, join_texts, write

_PROGRAM = "ComfyUI"
_GRAPHS = ("prompt", "xmp:prompt", "usercomment", "comment", "parameters", "imagedescription")
_WORKFLOWS = ("workflow", "xmp:workflow", "usercomment", "comment")


def read_comfy(texts: Texts) -> WrittenPrompt | None:
    """The prompt of the saved picture; a graph as it was queued comes before the editor's."""
    for value in texts.objects(*_GRAPHS):
        for graph in _graphs(value):
            if found := from_graph(graph):
                return found
        if found := _from_extra(value):
            return found
    for value in texts.objects(*_WORKFLOWS):
        for one in (value, as_object(value.get("workflow")) or {}):
            graph = read_workflow(one)
            if graph and (found := from_graph(graph)):
                return found
    return None


def from_graph(graph: Graph) -> WrittenPrompt | None:
    """The texts behind the samplers of the saved picture, one a line, and their settings."""
    reached = upstream(graph, find_ends(graph))
    samplers = [graph[name] for name in find_samplers(graph, reached)]
    nodes = samplers or _other_sources(graph, reached)
    positive, negative = Conditionings(graph, POSITIVE), Conditionings(graph, NEGATIVE)
    prompts = [text for node in nodes for text in positive.texts(node)]
    if not samplers and not any(prompts):
        prompts = _any_texts(graph, reached)
    unwanted = [text for node in nodes for text in negative.texts(node)]
    fields = read_fields(graph, nodes or [graph[name] for name in reached])
    return write(_PROGRAM, join_texts(prompts), join_texts(unwanted), **fields)


def _graphs(value: dict[str, Any]) -> Iterator[Graph]:
    """The graph, or the one inside an object of the server's or of the editor's."""
    inner = (as_object(value.get(name)) for name in ("prompt", "output"))
    for one in (value, *inner):
        graph = read_graph(one)
        if any(node.kind for node in graph.values()):
            yield graph


def _from_extra(value: dict[str, Any]) -> WrittenPrompt | None:
    """The prompt that Civitai's generator writes beside its graph."""
    extra = as_object(value.get("extraMetadata"))
    return from_values(extra, "Civitai") if extra else None


def _other_sources(graph: Graph, reached: list[str]) -> list[Node]:
    """Without a sampler in sight: loaders and pipes that hold a positive prompt, nearest first."""
    return [graph[name] for name in reached if POSITIVE in graph[name].inputs]


def _any_texts(graph: Graph, reached: list[str]) -> list[str]:
    """The texts of the nearest node with any: a service that makes pictures from a prompt."""
    strings = Strings(graph, POSITIVE)
    for name in reached:
        node = graph[name]
        texts = [strings.resolve(node.inputs[one]) for one in text_names(node, POSITIVE)]
        if any(texts):
            return texts
    return []
