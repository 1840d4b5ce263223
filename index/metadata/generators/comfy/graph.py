"""A ComfyUI graph: nodes by their ids, the links between their inputs, and walks over them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from unprompt.index.metadata.limits import MAX_NODES


class Node(NamedTuple):
    """One node: its class, and its inputs by name, in order. A link is [node, slot]."""

    kind: str
    inputs: dict[str, Any]


Graph = dict[str, Node]


def read_graph(value: Any) -> Graph:
    """The nodes of a graph as ComfyUI queues it; empty for anything else.

    Values that are no nodes are left out.
    """
    if not isinstance(value, dict) or len(value) > MAX_NODES:
        return {}
    graph = {}
    for name, node in value.items():
        if not isinstance(node, dict) or not ("class_type" in node or "inputs" in node):
            continue
        kind, inputs = node.get("class_type"), node.get("inputs")
        graph[name] = Node(
            kind if isinstance(kind, str) else "", inputs if isinstance(inputs, dict) else {}
        )
    return graph


def linked(graph: Graph, value: Any) -> str | None:
    """The id of the node that an input is linked to; None for a plain value or a missing node."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    name, slot = value
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    known = isinstance(name, str) and isinstance(slot, int) and name in graph
    return name if known else None


def links(graph: Graph, node: Node, wanted: Callable[[str], bool] | None = None) -> Iterator[str]:
    """The ids of the nodes that a node's inputs are linked to, of the wanted inputs only."""
    for name, value in node.inputs.items():
        if wanted is None or wanted(name):
            target = linked(graph, value)
            if target is not None:
                yield target


def upstream(graph: Graph, starts: Iterable[str]) -> list[str]:
    """The nodes from `starts` against the direction of the links, nearest first, each once."""
    return _walk(starts, lambda name: links(graph, graph[name]))


def downstream(graph: Graph, starts: Iterable[str]) -> list[str]:
    """The nodes from `starts` in the direction of the links, nearest first, each once."""
    users: dict[str, list[str]] = {}
    for name, node in graph.items():
        for target in links(graph, node):
            users.setdefault(target, []).append(name)
    return _walk(starts, lambda name: users.get(name, ()))


def _walk(starts: Iterable[str], following: Callable[[str], Iterable[str]]) -> list[str]:
    found = dict.fromkeys(starts)
    waiting = deque(found)
    while waiting:
        for target in following(waiting.popleft()):
            if target not in found:
                found[target] = None
                waiting.append(target)
    return list(found)
