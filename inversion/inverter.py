"""Pictures -> inversions: a prompt vector, a readable prompt, candidates and evidence for each."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast, overload

import numpy as np
from PIL import Image

from unprompt.index.base.blas_threads import one_blas_thread
from unprompt.index.base.in_threads import map_in_threads
from unprompt.index.base.machine import own_cores
from unprompt.index.bundle.bundle import ROUTER, read_bundle
from unprompt.index.decode.batches import picture_batches
from unprompt.index.encoders.protocols import ImageEncoder
from unprompt.index.exported.export import OpenVinoEncoder
from unprompt.index.images.blank import is_blank
from unprompt.index.images.sources import PictureSource, is_one_picture
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.answer import Inversion
from unprompt.inversion.compose.beam_search import Composer
from unprompt.inversion.composers import Composers
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.estimate.confidence import Confidence
from unprompt.inversion.estimate.fallback import Fallback, Screening, load_fallback
from unprompt.inversion.estimate.head import RegressionHead
from unprompt.inversion.estimate.member import Encoders, Estimates, Member
from unprompt.inversion.estimate.router import Router
from unprompt.inversion.estimate.world import Asked, World, ask_worlds, load_worlds
from unprompt.inversion.from_estimates import answer_from_classes, answer_from_neighbors
from unprompt.inversion.opening import OpenedPicture, open_source
from unprompt.inversion.query import Query

BATCH = 32  # pictures that are decoded and inverted together
STARTER = Path(__file__).parent / "starter"


class Inverter:
    """A loaded bundle. `invert` turns pictures into prompts.

    Several threads may share one inverter, and their calls run at the same time. Each thread gets
    the answers that it would get alone. Processes do not share one: each loads its own.
    """

    def __init__(
        self,
        worlds: Sequence[World],
        router: Router | None = None,
        fallback: Fallback | None = None,
        folder: Path | None = None,
        threads: int | None = None,
        low_memory: bool = False,
    ):
        """`router` chooses between several worlds; `fallback` serves one world without a router.

        `folder` is the bundle, which may carry the prompt encoder.
        """
        self.worlds = tuple(worlds)
        self.router = router
        self.fallback = fallback
        self._low_memory = low_memory
        self._composers = Composers(self.worlds, folder, threads)
        self._threads = threads or own_cores()

    @property
    def members(self) -> tuple[Member, ...]:
        """The members of the first world."""
        return self.worlds[0].members

    @property
    def blend(self) -> Blend:
        """The tuned settings of the first world."""
        return self.worlds[0].blend

    @property
    def confidence(self) -> Confidence | None:
        """The calibration of the first world on its own pictures."""
        return self.worlds[0].confidence

    @property
    def index(self) -> PromptIndex:
        """The index of the first world; `world_of` finds that of an answer."""
        return self.worlds[0].index

    @property
    def encoder(self) -> ImageEncoder:
        """The image encoder that made the keys of `index`."""
        return self.members[0].encoder

    @property
    def head(self) -> RegressionHead:
        """The regression head on the features of `encoder`."""
        return cast(RegressionHead, self.members[0].head)  # `main` always has one

    @classmethod
    def load(
        cls,
        bundle: Path | str | None = None,
        threads: int | None = None,
        low_memory: bool = False,
    ) -> "Inverter":
        """Load a bundle folder, or the starter that ships with the package.

        `threads` is the number of cores that OpenVINO may use for the towers; None is all.
        `low_memory` frees each tower after its part of a call: less memory, but a slower next
        call. Raises DamagedFileError for an incomplete or changed folder and SpaceMismatchError
        for parts that were made by different encoders.
        """
        folder = STARTER if bundle is None else Path(bundle)
        read_bundle(folder)
        towers = ThreadPoolExecutor(1)  # compiles the towers while this thread reads the rest
        try:
            routed = (folder / ROUTER).is_file()
            fallback = None if routed else load_fallback(folder, threads, towers)
            worlds, router = load_worlds(folder, Encoders(threads, towers))
            return cls(worlds, router, fallback, folder, threads, low_memory)
        finally:
            towers.shutdown(wait=False)

    @property
    def composer(self) -> Composer | None:
        """Turns vectors into prompts of the first world; loaded on first use.

        None if the bundle has no phrases.
        """
        return self.composer_of(self.worlds[0])

    def composer_of(self, world: World) -> Composer | None:
        """Turns vectors into prompts of a world; loaded on first use. None without phrases."""
        return self._composers.of(world)

    def world_of(self, answer: Inversion) -> World:
        """The world whose index holds the candidates and neighbors of an answer."""
        return next((world for world in self.worlds if world.name == answer.world), self.worlds[0])

    @overload
    def invert(self, pictures: PictureSource, query: Query = ...) -> Inversion: ...  # type: ignore[overload-overlap]

    @overload
    def invert(self, pictures: Iterable[PictureSource], query: Query = ...) -> list[Inversion]: ...

    def invert(
        self, pictures: PictureSource | Iterable[PictureSource], query: Query = Query()
    ) -> Inversion | list[Inversion]:
        """Recover the prompt of one picture, or of each of several.

        A picture is a path, the bytes of a file, a file open for reading bytes, a Pillow image, or
        a numpy array (h, w), (h, w, 2), (h, w, 3) or (h, w, 4) of uint8 or of floats from 0 to 1:
        gray, gray with alpha, RGB, RGBA. It is opened as `unprompt invert` opens it: first frame,
        turned as its EXIF block says, transparency on white, 16 bits scaled to 8, more than 4
        megapixels made smaller by 2, 4 or 8.

        One picture gives one Inversion. A list, a generator or any other iterable gives a list in
        the same order; at most 32 pictures are in memory at a time, and fewer large ones, so a
        generator may yield any number.

        Raises UnreadableImageError for a damaged file, and UnsupportedPictureError for a URL or
        any other value. Of several pictures the first such one ends the call; use
        `unprompt invert` where the others are to go on. Any thread may call this method.
        """
        if is_one_picture(pictures):
            one = open_source(cast(PictureSource, pictures), query.metadata)
            return self._invert_opened([one], query)[0]
        opened = (
            open_source(source, query.metadata, place)
            for place, source in enumerate(cast(Iterable[PictureSource], pictures))
        )
        answers: list[Inversion] = []
        for batch in picture_batches(opened, lambda picture: picture.image, BATCH):
            answers += self._invert_opened(batch, query)
            batch.clear()  # before the next pictures are read
        return answers

    def _invert_opened(self, opened: Sequence[OpenedPicture], query: Query) -> list[Inversion]:
        answers = self.invert_images([picture.image for picture in opened], query)
        return [
            replace(answer, metadata_prompt=picture.metadata_prompt)
            for answer, picture in zip(answers, opened, strict=True)
        ]

    def invert_images(
        self, images: Sequence[Image.Image], query: Query = Query()
    ) -> list[Inversion]:
        """RGB images as `open_picture` returns them, all in one batch -> one Inversion each.

        Without metadata prompts: the files are not at hand. Any thread may call this method.
        """
        if not images:
            return []
        with one_blas_thread():
            return self._invert(images, query)

    def _invert(self, images: Sequence[Image.Image], query: Query) -> list[Inversion]:
        screening = None
        if self.fallback is not None:
            screening = self.fallback.screen(self._encode(self.fallback.encoder, images))
        if query.compose and (screening is None or screening.novelty.min() <= 1.0):
            self._composers.begin()
        found = self._ask_worlds(images, query)

        def answer(place: int) -> Inversion:
            return self._answer(found, place, images[place], screening, query)

        return map_in_threads(answer, range(len(images)), self._threads)

    def _answer(
        self,
        found: Asked,
        place: int,
        image: Image.Image,
        screening: Screening | None,
        query: Query,
    ) -> Inversion:
        """The answer to the picture at `place` of a batch, by the world that the router chose."""
        chosen = found.world[place]
        world = self.worlds[chosen]
        answer = answer_from_neighbors(world.index, found.estimates[chosen], place, query)
        if found.expected is not None:
            answer = replace(answer, expected_cosine=float(found.expected[place]))
        outside = bool(found.outside[place])
        answer = replace(answer, world=world.name, outside=outside, blank=is_blank(image))
        return self._finish(answer, screening, place, query)

    def _ask_worlds(self, images: Sequence[Image.Image], query: Query) -> Asked:
        """Every picture to every world; the router chooses. Each tower runs once."""
        encoded: dict[int, np.ndarray] = {}
        for member in (member for world in self.worlds for member in world.members):
            if id(member.encoder) not in encoded:
                encoded[id(member.encoder)] = self._encode(member.encoder, images)
        keys = [[encoded[id(member.encoder)] for member in w.members] for w in self.worlds]
        return ask_worlds(self.worlds, self.router, keys, query.blend)

    def use_gpus(self) -> None:
        """Search all keys of every index exactly, on the GPUs that FAISS finds.

        Raises ConfigError if there is no GPU, or if an index keeps no keys.
        """
        indexes = [member.index for world in self.worlds for member in world.members]
        for index in {id(index): index for index in indexes}.values():
            index.use_gpus()

    def estimate(self, keys: Sequence[np.ndarray], blend: Blend | None = None) -> Estimates:
        """Keys of q pictures -> prompt vectors (q, d_prompt) of the first world by every method.

        `keys` holds one array (q, d_image) per member, from that member's encoder.
        """
        return self.worlds[0].estimate(keys, blend)

    def _encode(self, encoder: ImageEncoder, images: Sequence[Image.Image]) -> np.ndarray:
        keys = encoder.encode(images)
        if self._low_memory and isinstance(encoder, OpenVinoEncoder):
            encoder.release()
        return keys

    def _finish(
        self, answer: Inversion, screening: Screening | None, place: int, query: Query
    ) -> Inversion:
        """Add the composed prompt; or answer with ImageNet classes if the picture is outside."""
        if screening is not None:
            answer = replace(answer, novelty=float(screening.novelty[place]))
            if screening.novelty[place] > 1.0 and self.fallback is not None:
                keys = screening.keys[place : place + 1]
                return answer_from_classes(answer, self.fallback, keys, query)
        if not query.compose and not query.negative:
            return answer
        composer = self.composer_of(self.world_of(answer))
        if query.compose and composer is not None:
            rows = [candidate.row for candidate in answer.candidates]
            made = composer.compose(answer.vector, rows, query.words)
            answer = replace(
                answer, prompt=made.text, phrases=made.phrases, text_cosine=made.cosine
            )
        if query.negative and composer is not None:
            negative = composer.negative(answer.vector, query.words)
            answer = replace(answer, negative_prompt=negative)
        return answer
