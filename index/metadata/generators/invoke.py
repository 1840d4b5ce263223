"""InvokeAI: `invokeai_metadata` of versions 3 to 5, `sd-metadata` of 2, `Dream` of 1 and 2."""

from collections.abc import Iterator
from typing import Any

from unprompt.index.metadata.generators.a1111 import as_list
from unprompt.index.metadata.texts import Texts, as_object
from unprompt.index.metadata.written import WrittenPrompt, as_text, join_texts, write

_PROGRAM = "InvokeAI"
_OPTIONS = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "guidance", "A": "sampler"}
_LONG_OPTIONS = {
    "steps": "steps", "seed": "seed", "width": "width", "height": "height",
    "cfg_scale": "guidance", "sampler": "sampler",
}  # fmt: skip
_MOST_WORDS = 200


def read_invoke(texts: Texts) -> WrittenPrompt | None:
    """The newest of InvokeAI's texts that holds a prompt."""
    for values in _metadata(texts):
        if found := _from_metadata(values):
            return found
    for values in texts.objects("sd-metadata"):
        if found := _from_version_2(values):
            return found
    dream = texts.get("dream")
    return _from_dream(dream) if dream else None


def _metadata(texts: Texts) -> Iterator[dict[str, Any]]:
    yield from texts.objects("invokeai_metadata")
    for values in texts.objects():
        if "positive_prompt" in values:
            yield values
        elif "invokeai_metadata" in values:
            yield as_object(values["invokeai_metadata"]) or {}
    for graph in texts.objects("invokeai_graph"):  # its node of metadata has the same names
        nodes = graph.get("nodes")
        for node in nodes.values() if isinstance(nodes, dict) else ():
            if isinstance(node, dict) and "positive_prompt" in node:
                yield node


def _from_metadata(values: dict[str, Any]) -> WrittenPrompt | None:
    model = values.get("model")
    return write(
        _PROGRAM,
        join_texts([values.get("positive_prompt"), values.get("positive_style_prompt")]),
        join_texts([values.get("negative_prompt"), values.get("negative_style_prompt")]),
        model=_name(model),
        loras=list(map(_lora, as_list(values.get("loras")))),
        seed=values.get("seed"),
        sampler=values.get("scheduler"),
        steps=values.get("steps"),
        guidance=values.get("cfg_scale", values.get("guidance")),
        size=(values.get("width"), values.get("height")),
    )


def _name(model: Any) -> Any:
    if not isinstance(model, dict):
        return model
    return model.get("name") or model.get("model_name")


def _lora(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return _name(value.get("model") or value.get("lora") or value), value.get("weight")


def _from_version_2(values: dict[str, Any]) -> WrittenPrompt | None:
    image = values.get("image")
    if not isinstance(image, dict):
        return None
    prompts = image.get("prompt")
    parts = [one.get("prompt") if isinstance(one, dict) else one for one in as_list(prompts)]
    prompt, negative = _split_brackets(join_texts(parts or [prompts]))
    return write(
        _PROGRAM,
        prompt,
        negative,
        model=values.get("model_weights"),
        seed=image.get("seed"),
        sampler=image.get("sampler"),
        steps=image.get("steps"),
        guidance=image.get("cfg_scale"),
        size=(image.get("width"), image.get("height")),
    )


def _from_dream(text: str) -> WrittenPrompt | None:
    """`"the prompt [the negative]" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms`, spaces optional."""
    text = as_text(text)
    if text.startswith('"'):
        hidden = text.replace('\\"', "''")  # quotes of the prompt itself
        end = hidden.find('" -', 1)
        end = hidden.rfind('"', 1) if end < 0 else end
        prompt, options = (text[1:end], text[end + 1 :]) if end > 0 else (text[1:], "")
        prompt = prompt.replace('\\"', '"')
    else:
        place = text.find(" -")
        prompt, options = (text, "") if place < 0 else (text[:place], text[place:])
    values = _options(options)
    prompt, negative = _split_brackets(prompt)
    size = values.pop("width", None), values.pop("height", None)
    return write(_PROGRAM, prompt, negative, size=size, **values)


def _options(text: str) -> dict[str, Any]:
    words = text[:10_000].split()[:_MOST_WORDS]
    values: dict[str, Any] = {}
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            if name in _LONG_OPTIONS:
                values.setdefault(_LONG_OPTIONS[name], value or following)
        elif word[:1] == "-" and word[1:2] in _OPTIONS:
            values.setdefault(_OPTIONS[word[1:2]], word[2:] or following)
    return values


def _split_brackets(prompt: str) -> tuple[str, str]:
    """A prompt of version 2 without what stands in [brackets], which is its negative prompt."""
    kept: list[str] = []
    negative: list[str] = []
    rest = prompt
    for _ in range(_MOST_WORDS):
        before, opened, behind = rest.partition("[")
        inside, closed, rest = behind.partition("]")
        if not closed:
            kept += [before, opened, inside]
            break
        kept.append(before)
        negative.append(inside.strip())
    else:
        kept.append(rest)
    return "".join(kept).strip(), ", ".join(filter(None, negative))
