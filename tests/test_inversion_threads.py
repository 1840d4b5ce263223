"""Threads that share the starter: each gets the answers that it would get alone; and its end."""

import gc
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_index_threads import open_files

import unprompt
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.index.exported.export import OpenVinoEncoder
from unprompt.index.runtime.self_check import synthetic_pictures
from unprompt.inversion.encoding import encode_pictures
from unprompt.inversion.inverter import STARTER

pytestmark = pytest.mark.slow
THREADS = 8


@pytest.fixture(scope="module")
def starter() -> Iterator[unprompt.Inverter]:
    with unprompt.load() as inverter:
        yield inverter


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Drawings of the starter's own world, and clouds, of several sizes."""
    drawn = ScenesRenderer(128).render(sample_prompts(2, 997), [0, 1])
    clouds = synthetic_pictures(2, 160)
    return [Image.fromarray(pixels) for pixels in (*drawn, *clouds)]


def whole(answer: unprompt.Inversion) -> tuple[str, bytes]:
    return json.dumps(answer.as_json(), sort_keys=True), answer.vector.tobytes()


def test_threads_get_the_answers_of_one(
    starter: unprompt.Inverter, pictures: list[Image.Image]
) -> None:
    """Bit by bit; beside calls of several pictures, searches and encoded prompts."""
    alone = [whole(starter.invert(picture)) for picture in pictures]
    several = [whole(answer) for answer in starter.invert(pictures[:3])]
    queries = np.array(starter.index.vectors.reconstruct_n(0, 4))
    found = starter.index.search(queries, 10).rows
    composer = starter.composer
    assert composer is not None and composer.encoder is not None
    texts = ["a red fox in the snow", "an owl", "three boats, oil painting", "a cup"] * 3
    vectors = composer.encoder.encode(texts)

    def use(number: int) -> bool:
        kind, place = number % 6, number % len(pictures)
        if kind == 3:
            return [whole(answer) for answer in starter.invert(pictures[:3])] == several
        if kind == 4:
            return np.array_equal(starter.index.search(queries, 10).rows, found)
        if kind == 5:
            return np.array_equal(composer.encoder.encode(texts), vectors)
        return whole(starter.invert(pictures[place])) == alone[place]

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(use, range(3 * THREADS)))


def test_keys_do_not_depend_on_the_other_pictures_of_a_call(
    starter: unprompt.Inverter, pictures: list[Image.Image]
) -> None:
    """And an answer to several differs from that to one by rounding at most."""
    encoders = list({id(m.encoder): m.encoder for w in starter.worlds for m in w.members}.values())
    assert len(encoders) == 3
    repeated = list(islice(cycle(pictures), 9))
    together = encode_pictures(encoders, repeated, 3)
    for encoder, keys in zip(encoders, together, strict=True):
        for picture, key in zip(pictures, keys, strict=False):
            assert encoder.encode([picture]).tobytes() == key.tobytes()
        assert encoder.encode(repeated).tobytes() == keys.tobytes()
        assert isinstance(encoder, OpenVinoEncoder)
        assert "_pool" not in vars(encoder), "no network for batches was compiled"
    for picture, answer in zip(pictures, starter.invert(pictures), strict=True):
        one = starter.invert(picture)
        assert (one.prompt, one.world) == (answer.prompt, answer.world)
        np.testing.assert_allclose(one.vector, answer.vector, atol=1e-5)


def test_a_closed_inverter_frees_files_and_networks_and_says_so(
    pictures: list[Image.Image],
) -> None:
    before = open_files(STARTER)
    with unprompt.load() as inverter:
        assert inverter.invert(pictures[0], unprompt.Query(negative=True)).prompt
        index, encoder, world = inverter.index, inverter.encoder, inverter.worlds[0]
    gc.collect()
    assert open_files(STARTER) == before
    assert isinstance(encoder, OpenVinoEncoder) and encoder._single is None
    inverter.close()
    calls: list[Any] = [
        lambda: inverter.invert(pictures[0]),
        lambda: inverter.invert(pictures),
        lambda: inverter.invert_images([pictures[0]]),
        lambda: inverter.worlds,
        lambda: inverter.index,
        lambda: inverter.fallback,
        lambda: inverter.router,
        lambda: inverter.composer,
        lambda: inverter.composer_of(world),
        lambda: inverter.use_gpus(),
        lambda: inverter.estimate([]),
        lambda: inverter.__enter__(),
    ]
    for call in calls:
        with pytest.raises(unprompt.ClosedError, match=r"inverter is closed.*unprompt\.load"):
            call()
    for late in (encoder.encode, lambda pictures: encoder.encode_pixels(np.stack(pictures))):
        with pytest.raises(unprompt.ClosedError, match="encoder is closed"):
            late(pictures[:1])
    with pytest.raises(unprompt.ClosedError, match="index"):
        index.search(np.zeros((1, 384), dtype=np.float32), 3)


def test_an_inverter_is_closed_under_threads_that_use_it(pictures: list[Image.Image]) -> None:
    """Calls that run finish with an answer; later ones say that it is closed."""
    inverter = unprompt.load()
    begun = Event()
    wanted = whole(inverter.invert(pictures[0]))

    def use(_: int) -> list[tuple[str, bytes]]:
        answers = []
        for _ in range(1000):
            try:
                answers.append(whole(inverter.invert(pictures[0])))
            except unprompt.ClosedError:
                return answers
            begun.set()
        raise AssertionError("it was never closed")

    with ThreadPoolExecutor(4) as pool:
        using = [pool.submit(use, number) for number in range(4)]
        begun.wait(120)
        inverter.close()
        answers = [answer for one in using for answer in one.result(120)]
    assert answers and set(answers) == {wanted}
