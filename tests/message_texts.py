"""The texts that users see when something goes wrong: read from the source, by their places."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDERS = ("index", "build", "inversion", "ui", "unprompt")
HOLE = "{}"  # stands for a value that is filled in
TELLING = re.compile(r"(Error|Exit|note|BadParameter|echo)$")  # names of calls whose text is shown
CONSTANT = re.compile(r"^_?[A-Z][A-Z_]*$")


class Text(NamedTuple):
    """One text with its file and line."""

    text: str
    place: str


def shown_texts() -> Iterator[Text]:
    """Texts of errors, notes and constants; of a function that makes advice, what it returns."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                for part in _telling(node):
                    for text in _strings(part):
                        yield Text(text, f"{path.relative_to(ROOT)}:{part.lineno}")


def _telling(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return [*node.args] if TELLING.search(name) else []
    if isinstance(node, ast.Return):
        return [] if node.value is None else [node.value]
    if isinstance(node, ast.Assign):
        return [node.value]
    return []


def _strings(part: ast.expr) -> Iterator[str]:
    """The texts of an expression, with HOLE for what is filled in."""
    inner: set[int] = set()
    for node in ast.walk(part):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(value) for value in node.values}
            values = [v.value if isinstance(v, ast.Constant) else HOLE for v in node.values]
            yield "".join(map(str, values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in inner:
                yield node.value
