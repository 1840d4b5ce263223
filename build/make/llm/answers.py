"""The answer of a chat model, as text -> its prompts: JSON, numbered, bulleted or plain lines."""

import json
import re
from collections.abc import Iterator
from typing import Any

from unprompt.index.base.errors import ConfigError

KEYS = ("prompt", "caption", "text", "description")  # of a JSON object that holds one prompt
_FENCE = re.compile(r"^\s*(?:```|~~~).*$", re.MULTILINE)
_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)
_NUMBER = r"(?:(?:prompt|example)\s+#?\d{1,4}\s*[:.)]|\(?\d{1,4}[.):])"
_MARK = re.compile(
    rf"^\s*(?:[*_]{{0,2}}{_NUMBER}[*_]{{0,2}}|[-*+\u2022\u2013])\s+(?P<text>\S.*)$", re.IGNORECASE
)
_JSON = re.compile(r"^\s*[\[{]", re.MULTILINE)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_QUOTES = (('"', '"'), ("'", "'"), ("\u201c", "\u201d"))
_REMARK = re.compile(
    r"(?:i'm sorry|i am sorry|sorry,|i can(?:'|\u2019|no)t|as an ai|sure|certainly|of course|"
    r"here (?:are|is)|here's|let me know|i hope|absolutely|note:|enjoy)\b",
    re.IGNORECASE,
)
MAX_PREFACE_WORDS = 12  # in a line that ends in a colon


def parse_answer(answer: str) -> list[str]:
    """The prompts of an answer, in order; empty if it holds none.

    The text around a numbered or bulleted list is ignored. JSON that was cut short gives its
    complete strings.
    """
    text = _FENCE.sub("", _THINKING.sub("", answer)).strip()
    found = _from_marks(text) or _from_json(text) or _from_lines(text)
    return [prompt for prompt in (_unwrap(part) for part in found) if prompt]


def read_completion(body: Any) -> tuple[str, str | None, dict[str, Any]]:
    """The text, the finish reason and the usage of a chat completion.

    Raises ValueError if the body is not a chat completion with text.
    """
    try:
        choice = body["choices"][0]
        content = choice["message"]["content"]
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError(f"no choices[0].message.content in {_shown(body)}") from error
    if isinstance(content, list):  # parts, as some servers send them
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"the message has no text: {_shown(choice)}")
    finish, usage = choice.get("finish_reason"), body.get("usage")
    return (
        content,
        None if finish is None else str(finish),
        usage if isinstance(usage, dict) else {},
    )


def answers_of(name: str, content: str) -> list[str]:
    """The answers in a file: one per line of a .jsonl, one in all of any other file.

    A line is a string, an object with `answer`, or a completion, alone or in the output of a batch.
    """
    if not name.lower().endswith((".jsonl", ".ndjson")):
        return [content]
    found = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            value = json.loads(line) if line.strip() else ""
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{name}:{number}: not valid JSON ({error})") from error
        answer = _answer_in(value)
        if answer is None:
            raise ConfigError(
                f"{name}:{number}: wanted a string, an object with `answer`, or a chat "
                f"completion, got {_shown(value)}"
            )
        found.append(answer)
    return [answer for answer in found if answer]


def _answer_in(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return None
    if "answer" in value or "calls" in value:  # a call log; its first line holds settings
        return str(value.get("answer") or "")
    response = value.get("response")
    body = response.get("body") if isinstance(response, dict) else value
    try:
        return read_completion(body)[0]
    except ValueError:
        return None


def _from_json(text: str) -> list[str]:
    """The prompts of the JSON values at starts of lines; empty if there is no JSON."""
    decoder = json.JSONDecoder()
    found: list[str] = []
    start = _JSON.search(text)
    while start:
        try:
            value, end = decoder.raw_decode(text, start.end() - 1)
        except (ValueError, RecursionError):
            return found + list(_whole_strings(text[start.start() :]))
        found += list(_strings(value))
        start = _JSON.search(text, end)
    return found


def _strings(value: Any) -> Iterator[str]:
    """The prompts in a JSON value: strings in lists, or one known key per object."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield item
            else:
                yield from _strings(item)
    elif isinstance(value, dict):
        known = next((value[key] for key in KEYS if isinstance(value.get(key), str)), None)
        if known is not None:
            yield known
        else:
            for item in value.values():
                if isinstance(item, list | dict):
                    yield from _strings(item)


def _whole_strings(text: str) -> Iterator[str]:
    """Complete strings of invalid JSON: those in lists, and the values of known keys."""
    key: str | None = None
    for match in _STRING.finditer(text):
        try:
            string = str(json.loads(match[0]))
        except ValueError:
            continue
        if text[match.end() :].lstrip().startswith(":"):
            key = string
        else:
            if key is None or key in KEYS:
                yield string
            key = None


def _from_marks(text: str) -> list[str]:
    """Lines behind a number or bullet; an indented line without one continues the last."""
    found: list[str] = []
    open_item = False
    for line in text.splitlines():
        match = _MARK.match(line)
        if match:
            found.append(match["text"])
        elif open_item and line.strip() and line[0].isspace():
            found[-1] += f" {line.strip()}"
        open_item = bool(match) or (open_item and bool(line.strip()))
    return found


def _from_lines(text: str) -> list[str]:
    """Every line of an answer without marks, except remarks to the reader."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if re.search(r"\w", line) and not _is_remark(line)]


def _is_remark(line: str) -> bool:
    preface = line.endswith(":") and len(line.split()) <= MAX_PREFACE_WORDS
    return preface or bool(_REMARK.match(line))


def _unwrap(text: str) -> str:
    """Remove bold marks, surrounding quotes and a comma at the end."""
    text = text.strip().rstrip(",").strip("*_` ")
    for opening, closing in _QUOTES:
        if len(text) > 2 and text.startswith(opening) and text.endswith(closing):
            inner = text[1:-1]
            if opening not in inner and closing not in inner:
                return inner.strip()
    return text


def _shown(value: Any, most: int = 200) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else f"{text[:most]} ..."
