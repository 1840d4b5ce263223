"""Metadata of every generator with changed bytes, types and values: what raises, how long it takes.

    python tests/metadata_mutations.py --count 20000

It needs `unprompt` and this folder on the path. The tests run a few hundred.
"""

import argparse
import copy
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from metadata_files import PARAMETERS, PROMPT, comment_block, graph, jpeg, stealth, with_texts, xmp

from unprompt.index.metadata import picture_metadata

CASES = Path(__file__).parents[2] / "shared" / "cases" / "metadata"
SLOW = 0.05  # seconds of CPU
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e300, float("nan"), float("inf"), 2**63, 10**40, "", "x",
    "\ud83e", "\0", "9" * 5000, [], [[]], {}, [None], ["4", 0], ["4", "0"], ["3", 0], [3, 0],
    [[], 0],
    {"a": {}}, {"class_type": 1, "inputs": []}, ["x"] * 50, "(" * 500, "[" * 500, ", " * 500,
    "Steps: 1, " * 100, '"' * 99, " " * 5000, [["4", 0], 0], {"inputs": {"positive": ["3", 0]}},
)  # fmt: skip


class Outcome(NamedTuple):
    """What happened to a number of mutated files."""

    count: int
    faults: list[str]  # one line per exception
    slowest: float  # seconds of CPU of the slowest file
    slow: int  # files that took more than SLOW
    found: int  # files that still gave a prompt


def seeds() -> list[dict[str, Any]]:
    """The texts of a file of each generator, by their names; values may be JSON."""
    nodes = graph(["10", 0], **{
        "10": {"kind": "ControlNetApplyAdvanced", "positive": ["11", 0], "negative": ["7", 0]},
        "11": {"kind": "CLIPTextEncodeSDXL", "text_g": ["12", 0], "text_l": "red"},
        "12": {"kind": "JoinStrings", "string1": "a", "string2": "b", "delimiter": " "},
        "13": {"kind": "LoraLoader", "lora_name": "l", "strength_model": 1, "model": ["4", 0]},
    })  # fmt: skip
    links = [[1, 4, 0, 3, 0, "M"], [2, 6, 0, 3, 1, "C"]]
    ui_nodes = [{"id": 3, "type": "KSampler", "widgets_values": [1, "r", 2], "inputs": [
        {"name": "positive", "link": 2}]},
        {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a fox"]}]  # fmt: skip
    caption = {"caption": {"base_caption": "a", "char_captions": [{"char_caption": "b"}]}}
    return [
        {"parameters": f'{PARAMETERS}, Civitai resources: [{{"type":"lora"}}], A: "b, c"'},
        {"prompt": nodes, "workflow": {"nodes": [], "links": links}},
        {"workflow": {"nodes": ui_nodes, "links": links}},
        {"invokeai_metadata": {"positive_prompt": PROMPT, "seed": 1, "steps": 2, "loras": [
            {"model": {"name": "l"}, "weight": 1}], "model": {"name": "m"}}},
        {"sd-metadata": {"image": {"prompt": [{"prompt": "a [b]", "weight": 1}], "seed": 1}}},
        {"Dream": '"a [b]" -s 50 -S 1 -W 64 -H 64 -C 7.5 -A k_lms'},
        {"Software": "NovelAI", "Source": "x", "Description": "d", "Comment": {
            "prompt": "p", "uc": "u", "v4_prompt": caption, "seed": 1, "scale": 5, "steps": 2}},
        {"parameters": {"metadata_scheme": "fooocus", "prompt": "p", "full_prompt": ["p", "q"],
                        "base_model": "b", "loras": [["l", 1, "h"]], "resolution": "(8, 8)"}},
        {"parameters": {"sui_image_params": {"prompt": "p", "loras": ["l"], "loraweights": ["1"]}}},
        {"prompt": "a fox", "negative_prompt": "b", "use_stable_diffusion_model": "m", "seed": "1"},
        {"UserComment": {"c": "p", "uc": "n", "v2": {}, "lora": [{"model": "l", "weight": 1}]}},
        {"Description": "a fox --ar 3:2 --no dog --v 6 Job ID: 1"},
        {"Comment": {"mflux_version": "1", "prompt": "p", "lora_paths": ["a/b"],
                     "lora_scales": [1]}},
        {"parameters": {"prompt": "p ### n", "params": {"seed": 1}, "models": ["m"]}},
        {"parameters": {"prompt": {"3": {}}, "extraMetadata": {"prompt": "p"}}},
    ]  # fmt: skip


def mutations(count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` files: values of another type, then texts with changed bytes, then changed files."""
    rng, known = random.Random(seed), seeds()
    files = [with_texts(one) for one in known] + [
        jpeg((0xE1, b"Exif\0\0" + comment_block(b"UNICODE\0" + PARAMETERS.encode("utf-16-be")))),
        jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp("<dc:description>a</dc:description>"))),
    ]
    if CASES.is_dir():
        files += [path.read_bytes() for path in sorted(CASES.iterdir()) if path.suffix != ".jsonl"]
        files = [content for content in files if len(content) < 50_000]
    for place in range(count):
        way = place % 3
        if way == 0:
            yield with_texts({n: _other_type(v, rng) for n, v in rng.choice(known).items()})
        elif way == 1:
            yield with_texts({n: _other_text(v, rng) for n, v in rng.choice(known).items()})
        else:
            yield _other_bytes(rng.choice(files), rng)


def run(count: int, seed: int = 0) -> Outcome:
    """Read `count` mutated files, without the guard that stands around the reader."""
    picture_metadata._read(stealth(b"a fox", "RGBA", (64, 160)))  # loads the libraries
    faults, slowest, slow, found = [], 0.0, 0, 0
    for place, content in enumerate(mutations(count, seed)):
        begun = time.process_time()
        try:
            found += picture_metadata._read(content) is not None
        except Exception as error:
            faults.append(f"{place}: {type(error).__name__}: {error}")
        took = time.process_time() - begun
        slowest, slow = max(slowest, took), slow + (took > SLOW)
    return Outcome(count, faults, slowest, slow, found)


def _other_type(value: Any, rng: random.Random) -> Any:
    """A JSON value with one or more of its values, at any depth, replaced by odd ones."""
    value = json.loads(json.dumps(value))
    if not isinstance(value, dict):
        return rng.choice([value, rng.choice(ODD)])
    for _ in range(rng.choice((1, 1, 2, 5))):
        inner: Any = value
        for _ in range(rng.randrange(1, 6)):
            keys = list(inner) if isinstance(inner, dict) else range(len(inner))
            if not keys:
                break
            key = rng.choice(list(keys))
            if not isinstance(inner[key], dict | list) or not inner[key] or rng.random() < 0.3:
                inner[key] = copy.deepcopy(rng.choice(ODD))
                break
            inner = inner[key]
    return value


def _other_text(value: Any, rng: random.Random) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    for _ in range(rng.choice((1, 2, 8))):
        place, width = rng.randrange(len(text) + 1), rng.choice((0, 0, 1, 20))
        added = rng.choice(('"', "{", "}", "[", "]", ",", ":", "\n", "\\", "\\ud83e", "é", "\0", "",
                            "Steps: 1", "Negative prompt: ", "<lora:", " --no ", "NaN", "1e999",
                            text[place : place + 30] * rng.randrange(9)))  # fmt: skip
        text = text[:place] + added + text[place + width :]
    return text.encode("utf-8", "replace").decode()


def _other_bytes(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 3, 10))):
        changed[rng.randrange(len(changed))] = rng.choice(
            (0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256))
        )
    end = rng.randrange(len(changed)) if rng.random() < 0.2 else len(changed)
    return bytes(changed[:end])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    outcome = run(arguments.count, arguments.seed)
    print("\n".join(outcome.faults[:20]))
    print(
        f"{outcome.count} files, {len(outcome.faults)} exceptions, {outcome.found} with a prompt; "
        f"slowest {outcome.slowest * 1e3:.1f} ms, {outcome.slow} above {SLOW * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
