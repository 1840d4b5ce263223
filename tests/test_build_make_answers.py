"""Answers of chat models in every shape that they come in."""

import json

import pytest

from unprompt.build.make.llm.answers import answers_of, parse_answer, read_completion
from unprompt.index.base.errors import ConfigError

TWO = ["a fox in the snow", "an owl, oil on canvas"]


@pytest.mark.parametrize(
    "answer",
    [
        "1. a fox in the snow\n2. an owl, oil on canvas",
        "Here are 2 prompts:\n\n1) a fox in the snow\n\n2) an owl, oil on canvas\n\nEnjoy!",
        "(1) a fox in the snow\n(2) an owl, oil on canvas",
        "- a fox in the snow\n* an owl, oil on canvas",
        "\u2022 a fox in the snow\n  \u2022 an owl, oil on canvas",
        "**1.** a fox in the snow\n**2.** **an owl, oil on canvas**",
        "**1. a fox in the snow**\n**2. an owl, oil on canvas**",
        "Prompt 1: a fox in the snow\nprompt #2: an owl, oil on canvas",
        '1. "a fox in the snow"\n2. \u201can owl, oil on canvas\u201d',
        "1. a fox\n   in the snow\n2. an owl,\n\toil on canvas",
        "<think>1. no\n2. not this</think>\n1. a fox in the snow\n2. an owl, oil on canvas",
        "a fox in the snow\nan owl, oil on canvas\n",
        "Sure!\na fox in the snow\nan owl, oil on canvas\nLet me know if you want more.",
        json.dumps(TWO),
        f"```json\n{json.dumps(TWO, indent=2)}\n```",
        f"Here they are:\n```\n{json.dumps({'prompts': TWO})}\n```\nI hope this helps.",
        json.dumps({"prompts": [{"prompt": text, "style": "none"} for text in TWO]}),
        "\n".join(json.dumps({"caption": text}) for text in TWO),
        '["a fox in the snow", "an owl, oil on canvas", "a dog that is cut',
        '{"prompts": [{"id": "x", "prompt": "a fox in the snow"}, '
        '{"prompt": "an owl, oil on canvas"',
        "1. a fox in the snow,\n2. an owl, oil on canvas,",
    ],
)  # fmt: skip
def test_prompts_are_found(answer: str) -> None:
    assert parse_answer(answer) == TWO


@pytest.mark.parametrize(
    "answer",
    ["", "  \n", "I'm sorry, but I can't help with that.", "Sure, here you go:", "[]", "```\n```"],
)
def test_no_prompt_is_made_up(answer: str) -> None:
    assert parse_answer(answer) == []


def test_what_looks_like_a_mark_but_is_none() -> None:
    lines = ["3d render of a fox", "2 owls", "35mm photo, f/1.4", "[close-up] a hand"]
    assert parse_answer("\n".join(lines)) == lines
    assert parse_answer('1. "one" and "two"\n2. it\'s a "fox"') == [
        '"one" and "two"',
        'it\'s a "fox"',
    ]


def completion(content: object, finish: object = "stop") -> dict[str, object]:
    return {"choices": [{"message": {"content": content}, "finish_reason": finish}]}


def test_a_completion_is_text_finish_and_usage() -> None:
    assert read_completion({**completion("hi"), "usage": {"n": 1}}) == ("hi", "stop", {"n": 1})
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert read_completion(completion(parts, None)) == ("ab", None, {})


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"choices": []}, {"choices": [{}]}, {"error": "x"}, completion(None),
     completion(" "), completion(7), {"choices": "abc"}],
)  # fmt: skip
def test_what_is_no_completion(body: object) -> None:
    with pytest.raises(ValueError, match="no choices|no text"):
        read_completion(body)


def test_answers_of_files() -> None:
    assert answers_of("a.txt", "1. x\n2. y") == ["1. x\n2. y"]
    lines = [
        json.dumps("first"),
        "",
        json.dumps(completion("second")),
        json.dumps({"custom_id": "1", "response": {"body": completion("third")}}),
        json.dumps({"calls": 1, "digest": "settings of a log"}),
        json.dumps({"number": 0, "answer": "fourth"}),
        json.dumps({"number": 1, "answer": None}),
    ]
    assert answers_of("a.jsonl", "\n".join(lines)) == ["first", "second", "third", "fourth"]
    for line, said in (("{", "not valid JSON"), ("7", "wanted a string"), ('{"x": 1}', "wanted")):
        with pytest.raises(ConfigError, match=rf"a\.jsonl:2: .*{said}"):
            answers_of("a.jsonl", f'"fine"\n{line}')
