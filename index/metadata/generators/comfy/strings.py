"""An input of a ComfyUI node -> its text, through primitives, joins, replacements and switches."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from unprompt.index.metadata.generators.comfy.graph import Graph, Node, linked
from unprompt.index.metadata.limits import MAX_PROMPT_LENGTH, MAX_STRING_DEPTH

_TEXT_NAMES = {
    "text", "text_g", "text_l", "prompt", "prompt_g", "prompt_l", "clip_l", "clip_g", "t5xxl",
    "llama", "bert", "mt5xl", "gemma", "user_prompt", "string", "strings", "value", "caption",
    "populated_text", "opt_text", "instruction", "description", "multiline_text", "tags",
    "text_input", "input_text", "prompt_text", "content",
}  # fmt: skip
_NUMBERED = ("text", "string", "prompt", "str", "part")  # text1, string_a, prompt_2 ...
_DELIMITERS = ("delimiter", "separator", "seperator", "sep")
_CHOICES = ("select", "input", "index", "choice", "selected")
_FILLED_IN = "populated_text"  # what ImpactWildcard nodes made of their template
_SHOWING = ("show", "display", "preview")  # nodes that repeat in text_0 what text is linked to
_MOST_PARTS = 100


def is_text_name(name: str) -> bool:
    """Whether an input of that name holds a prompt, or a part of one."""
    name = name.lower()
    if name in _TEXT_NAMES:
        return True
    for start in _NUMBERED:
        if name.startswith(start):
            rest = name[len(start) :].lstrip("_")
            return rest.isdigit() or (len(rest) == 1 and rest.isalpha())
    return False


def text_names(node: Node, role: str) -> list[str]:
    """The inputs of a node that hold the text of that role, `positive` or `negative`."""
    for name in (f"text_{role}", f"{role}_prompt", f"prompt_{role}"):
        if name in node.inputs:
            return [name]
    if _FILLED_IN in node.inputs:
        return [_FILLED_IN]
    return [name for name in node.inputs if is_text_name(name)][:_MOST_PARTS]


class Strings:
    """Resolves the texts of one graph for one role; every node once, however often it is used."""

    def __init__(self, graph: Graph, role: str) -> None:
        self._graph, self._role = graph, role
        self._known: dict[str, str] = {}

    def resolve(self, value: Any, depth: int = 0) -> str:
        """The text of an input: the value itself, or that of the node it is linked to."""
        if isinstance(value, list) and len(value) == 1:  # as nodes that show a text keep it
            value = value[0]
        if isinstance(value, str):
            return value[: MAX_PROMPT_LENGTH + 1]
        name = linked(self._graph, value)
        if name is None or depth > MAX_STRING_DEPTH:
            return ""
        if name not in self._known:
            self._known[name] = ""  # what a cycle reads
            self._known[name] = self._of_node(self._graph[name], depth + 1)[: MAX_PROMPT_LENGTH + 1]
        return self._known[name]

    def _of_node(self, node: Node, depth: int) -> str:
        inputs = node.inputs
        chosen = _chosen(inputs)
        if chosen is not None:
            return self.resolve(inputs[chosen], depth)
        names = text_names(node, self._role)
        if "find" in inputs and "replace" in inputs and names:
            return _replaced(
                *(self.resolve(inputs[n], depth) for n in (names[0], "find", "replace"))
            )
        parts = (self.resolve(inputs[name], depth) for name in names)
        showing = any(word in node.kind.lower() for word in _SHOWING)
        if names and not showing:
            return _joined(parts, _delimiter(inputs))
        if self._role in inputs:
            return self.resolve(inputs[self._role], depth)
        passed = [value for value in inputs.values() if isinstance(value, list)][:_MOST_PARTS]
        passed_on = (self.resolve(value, depth) for value in passed)
        return next(filter(None, chain(passed_on, parts)), "")


def _joined(parts: Iterable[str], delimiter: str) -> str:
    """The parts in one text, no more of them than a prompt holds."""
    taken, size = [], 0
    for part in filter(None, parts):
        taken.append(part)
        size += len(part)
        if size > MAX_PROMPT_LENGTH:
            break
    return delimiter.join(taken)


def _replaced(text: str, find: str, replacement: str) -> str:
    """The text with its replacements, unless there is nothing to find or it grows too long."""
    growth = text.count(find) * len(replacement) if find else 0
    return text.replace(find, replacement) if find and growth <= MAX_PROMPT_LENGTH else text


def _delimiter(inputs: dict[str, Any]) -> str:
    for name in _DELIMITERS:
        if isinstance(inputs.get(name), str):
            return inputs[name][:20].replace("\\n", "\n")
    return ", "


def _chosen(inputs: dict[str, Any]) -> str | None:
    """The input that a switch lets through; None for a node that is no switch."""
    for condition in ("boolean", "boolean_value", "condition", "switch"):
        if isinstance(inputs.get(condition), bool):
            name = "on_true" if inputs[condition] else "on_false"
            return name if name in inputs else None
    for name in _CHOICES:
        number = inputs.get(name, inputs.get(name.title()))
        if isinstance(number, int) and not isinstance(number, bool):
            ways = (f"{start}{number}" for start in ("input", "text", "text_", "string", "value"))
            return next((way for way in ways if way in inputs), None)
    return None
