"""Files that want to stop, slow down or mix up the reading of metadata: they do not."""

import json
import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from metadata_files import (
    PARAMETERS,
    PROMPT,
    USER_COMMENT,
    box,
    chunk,
    exif,
    graph,
    jpeg,
    jpeg_comment,
    png,
    stealth,
    text_chunk,
    webp,
    with_texts,
    xmp,
)
from metadata_mutations import run

from unprompt.index.metadata.picture_metadata import read_metadata

HANG = 5.0  # seconds of CPU; each of these takes well under one
MANY = 100_000


def chain(count: int, joins: bool) -> bytes:
    """A graph with a chain of text nodes, each of which joins the one before to itself."""
    nodes = {
        str(100 + place): {"kind": "Concat", "text_a": [str(101 + place), 0], "text_b": [
            str(101 + place), 0] if joins else "x"}
        for place in range(count)
    }  # fmt: skip
    encoder = {"kind": "CLIPTextEncode", "text": ["100", 0]}
    return with_texts({"prompt": graph(["10", 0], **nodes, **{"10": encoder})})


def samplers(count: int) -> bytes:
    """A graph with many samplers that share a long chain of conditionings."""
    nodes = {
        f"c{place}": {"kind": "ConditioningCombine", "conditioning_1": [f"c{place + 1}", 0],
                      "conditioning_2": ["6", 0]}
        for place in range(count)
    } | {
        f"s{place}": {"kind": "KSampler", "seed": 1, "positive": ["c0", 0],
                      "latent_image": ["3", 0]}
        for place in range(count)
    }  # fmt: skip
    return with_texts({"prompt": graph(["c0", 0], **nodes)})


def overlapping() -> bytes:
    """EXIF blocks whose tags all name the same large value."""
    body = b"x" * 50_000
    entry = struct.pack(">HHII", USER_COMMENT, 7, len(body), 8 + 2 + 12_000 + 4)
    block = b"MM\0*" + struct.pack(">IH", 8, 1000) + entry * 1000 + bytes(4) + body
    return png(*[chunk(b"eXIf", block)] * 200)


def flood(count: int) -> bytes:
    """Texts of 30 kB that unpack to 30 MB each."""
    return png(*[chunk(b"zTXt", b"prompt\0\0" + zlib.compress(bytes(3 * 10**7)))] * count)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "spaces behind a dream": lambda: png(text_chunk("Dream", '"x"' + " " * MANY + "!", b"zTXt")),
    "spaces in a source": lambda: with_texts(
        {"Comment": {"sampler": "k"}, "Description": "d", "Source": " " * MANY + "!"}
    ),
    "colons": lambda: with_texts({"parameters": "a: " * MANY}),
    "quotes": lambda: with_texts({"parameters": 'Steps: 1, a: "x, ' * MANY}),
    "brackets": lambda: with_texts({"parameters": "Steps: 1, " + "a: [[[{" * MANY}),
    "objects": lambda: with_texts({"parameters": "Steps: 1, " + 'a: ["b", ' * MANY}),
    "lines of settings": lambda: with_texts({"parameters": "Seed: 1, Size: 1\n" * MANY}),
    "negative prompts": lambda: with_texts({"parameters": "Negative prompt:\n" * MANY}),
    "tags of LoRAs": lambda: with_texts({"parameters": "<lora:a:" * MANY}),
    "brackets of a dream": lambda: with_texts({"Dream": '"' + "[" * MANY + '"'}),
    "dashes": lambda: with_texts({"Description": "a --ar" * MANY}),
    "deep JSON": lambda: with_texts({"prompt": '{"a":' * MANY, "Comment": '{"a":[' * MANY}),
    "wide JSON": lambda: png(text_chunk("prompt", '{"a":[' + "[]," * 2_000_000 + "0]}", b"zTXt")),
    "long numbers": lambda: with_texts({"prompt": '{"a":' + "9" * MANY + "}"}),
    "a text that floods": lambda: flood(1),
    "many texts": lambda: png(*[text_chunk("parameters", "x" * 40_000, b"zTXt")] * 1000),
    "many names": lambda: png(*[text_chunk(f"k{n}", "a") for n in range(20_000)]),
    "doubling strings": lambda: chain(200, joins=True),
    "a long chain": lambda: chain(5000, joins=False),
    "samplers by conditionings": lambda: samplers(5000),
    "overlapping tags": overlapping,
    "a directory in itself": lambda: jpeg(
        (0xE1, b"Exif\0\0MM\0*" + struct.pack(">IHHHII", 8, 1, 0x8769, 4, 1, 8) + bytes(4))
    ),
    "entities": lambda: png(text_chunk("XML:com.adobe.xmp", b"<!DOCTYPE x [<!ENTITY a 'b'>]>"
                                       + xmp("<dc:description>&a;</dc:description>"), b"iTXt")),
    "deep XMP": lambda: webp(XMP_=xmp("<dc:description>" * 50_000)),
    "boxes in boxes": lambda: box(b"ftyp", b"avif") + box(
        b"meta", bytes(4) + box(b"iinf", bytes(6)) * 9000
        + box(b"iloc", b"\2\0\0\0\xff\xff" + b"\xff" * 400_000)),
    "a length of all pixels": lambda: stealth(b"x" * 900, "RGBA", (64, 160)).replace(b"x", b"y"),
    "UTF-16 without an order": lambda: jpeg_comment(b"UNICODE\0" + b"\xd8\x00" * 30_000),
}  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear_and_nothing_is_raised(make: Callable[[], bytes]) -> None:
    content = make()
    begun = time.process_time()
    read_metadata(content)
    assert time.process_time() - begun < HANG


def test_an_unpacked_flood_is_not_kept() -> None:
    import tracemalloc

    content = flood(3)
    tracemalloc.start()
    read_metadata(content)
    assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    tracemalloc.stop()


def test_the_prompt_behind_faulty_texts_is_still_read() -> None:
    content = png(
        text_chunk("prompt", "{cut"), chunk(b"zTXt", b"workflow\0\0not zlib"), chunk(b"iTXt", b""),
        chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"), text_chunk("Comment", "\0\0"),
        chunk(b"tEXt", b""),
        text_chunk("parameters", PARAMETERS),
    )  # fmt: skip
    found = read_metadata(content)
    assert found is not None and found.prompt == PROMPT


def test_lone_surrogates_are_replaced() -> None:
    found = read_metadata(with_texts({"invokeai_metadata": '{"positive_prompt": "half \\ud83e"}'}))
    assert found is not None and found.prompt == "half \ufffd"
    json.dumps(found.as_json(), ensure_ascii=False).encode()


def test_mutated_metadata_raises_nothing() -> None:
    outcome = run(300)
    assert not outcome.faults
    assert outcome.found > 50, "the mutations leave some whole"
    assert outcome.slowest < HANG


def test_pictures_never_get_the_prompts_of_others() -> None:
    """240 files, every second without a prompt, by 1, 2, 4 and 8 threads, ten times."""

    def file(number: int) -> bytes:
        if number % 2:
            return jpeg((0xE1, b"Exif\0\0" + exif({})))
        comment = PARAMETERS.replace(PROMPT, f"fox {number}").encode("utf-16-be")
        return jpeg_comment(b"UNICODE\0" + comment)

    files = [file(number) for number in range(240)]
    expected = [None if number % 2 else f"fox {number}" for number in range(240)]
    for threads in (1, 2, 4, 8):
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(10):
                found = list(pool.map(read_metadata, files))
                assert [one and one.prompt for one in found] == expected
