"""Pictures and the open parts of a bundle -> one Inversion per picture."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from PIL import Image

from unprompt.index.images.blank import is_blank
from unprompt.index.threads.in_threads import map_in_threads
from unprompt.inversion.answer import Inversion
from unprompt.inversion.estimate.fallback import Screening
from unprompt.inversion.estimate.world import Asked
from unprompt.inversion.from_estimates import answer_from_classes, answer_from_neighbors
from unprompt.inversion.loaded import Loaded
from unprompt.inversion.query import Query


class _Batch(NamedTuple):
    """Pictures, and what the worlds and the fallback found of them."""

    images: Sequence[Image.Image]
    found: Asked
    screening: Screening | None


def answer_pictures(loaded: Loaded, images: Sequence[Image.Image], query: Query) -> list[Inversion]:
    """RGB images, at least one -> an Inversion each; several are composed at the same time."""
    screening = None
    if loaded.fallback is not None:
        [keys] = loaded.encode([loaded.fallback.encoder], images)
        screening = loaded.fallback.screen(keys)
    if query.compose and (screening is None or screening.novelty.min() <= 1.0):
        loaded.composers.begin()
    batch = _Batch(images, loaded.ask(images, query), screening)

    def answer(place: int) -> Inversion:
        return _answer(loaded, batch, place, query)

    return map_in_threads(answer, range(len(images)), loaded.threads)


def _answer(loaded: Loaded, batch: _Batch, place: int, query: Query) -> Inversion:
    """The answer to one picture, by the world that the router chose.

    A picture outside is answered with ImageNet classes where the bundle has them.
    """
    found, chosen = batch.found, batch.found.world[place]
    world = loaded.worlds[chosen]
    answer = answer_from_neighbors(world.index, found.estimates[chosen], place, query)
    if found.expected is not None:
        answer = replace(answer, expected_cosine=float(found.expected[place]))
    outside, blank = bool(found.outside[place]), is_blank(batch.images[place])
    answer = replace(answer, world=world.name, outside=outside, blank=blank)
    if batch.screening is not None:
        answer = replace(answer, novelty=float(batch.screening.novelty[place]))
        if batch.screening.novelty[place] > 1.0 and loaded.fallback is not None:
            keys = batch.screening.keys[place : place + 1]
            return answer_from_classes(answer, loaded.fallback, keys, query)
    if not query.compose and not query.negative:
        return answer
    composer = loaded.composers.of(world)
    if query.compose and composer is not None:
        rows = [candidate.row for candidate in answer.candidates]
        made = composer.compose(answer.vector, rows, query.words)
        answer = replace(answer, prompt=made.text, phrases=made.phrases, text_cosine=made.cosine)
    if query.negative and composer is not None:
        negative = composer.negative(answer.vector, query.words)
        answer = replace(answer, negative_prompt=negative)
    return answer
