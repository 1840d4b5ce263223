"""Pictures -> inversions: a prompt vector, a readable prompt, candidates and evidence for each."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast, overload

import numpy as np
from PIL import Image

from unprompt.index.bundle.bundle import ROUTER, read_bundle
from unprompt.index.decode.batches import picture_batches
from unprompt.index.encoders.protocols import ImageEncoder
from unprompt.index.images.sources import PictureSource, is_one_picture
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.threads.blas_threads import one_blas_thread
from unprompt.index.threads.closing import OpenUntilClosed
from unprompt.inversion.answer import Inversion
from unprompt.inversion.answering import answer_pictures
from unprompt.inversion.compose.beam_search import Composer
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.estimate.confidence import Confidence
from unprompt.inversion.estimate.fallback import Fallback, load_fallback
from unprompt.inversion.estimate.head import RegressionHead
from unprompt.inversion.estimate.member import Encoders, Estimates, Member
from unprompt.inversion.estimate.router import Router
from unprompt.inversion.estimate.world import World, load_worlds
from unprompt.inversion.loaded import Loaded
from unprompt.inversion.opening import OpenedPicture, open_source
from unprompt.inversion.query import Query

BATCH = 32  # pictures that are decoded and inverted together
STARTER = Path(__file__).parent / "starter"


class Inverter:
    """A loaded bundle. `invert` turns pictures into prompts.

    Several threads may share one inverter, and their calls run at the same time. Each thread gets
    the answers that it would get alone. Processes do not share one: each loads its own.

    `close`, or the end of a `with` block, frees its networks and files:

        with unprompt.load() as inverter:
            answers = inverter.invert(pictures)
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
        self._open = OpenUntilClosed("this inverter", "unprompt.load(bundle)")
        self._loaded = Loaded(worlds, router, fallback, folder, threads, low_memory)

    @property
    def worlds(self) -> tuple[World, ...]:
        """The worlds of the bundle; raises ClosedError after `close`, as all else here does."""
        self._open.check()
        return self._loaded.worlds

    @property
    def router(self) -> Router | None:
        """Chooses between several worlds."""
        self._open.check()
        return self._loaded.router

    @property
    def fallback(self) -> Fallback | None:
        """Answers pictures outside one world."""
        self._open.check()
        return self._loaded.fallback

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
            streams = 1 if low_memory else None
            fallback = None if routed else load_fallback(folder, threads, towers, streams)
            worlds, router = load_worlds(folder, Encoders(threads, towers, streams))
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
        with self._open.running():
            return self._loaded.composers.of(world)

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

        Raises UnreadableImageError for a damaged file, UnsupportedPictureError for a URL or any
        other value. Of several pictures the first such one ends the call; use `unprompt invert`
        where the others are to go on. Raises ClosedError after `close`. Any thread may call this
        method.
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
        with self._open.running(), one_blas_thread():
            return answer_pictures(self._loaded, images, query)

    def use_gpus(self) -> None:
        """Search all keys of every index exactly, on the GPUs that FAISS finds.

        Raises ConfigError if there is no GPU, or if an index keeps no keys.
        """
        with self._open.running():
            for index in self._loaded.indexes:
                index.use_gpus()

    def estimate(self, keys: Sequence[np.ndarray], blend: Blend | None = None) -> Estimates:
        """Keys of q pictures -> prompt vectors (q, d_prompt) of the first world by every method.

        `keys` holds one array (q, d_image) per member, from that member's encoder.
        """
        with self._open.running():
            return self._loaded.worlds[0].estimate(keys, blend)

    def close(self) -> None:
        """Free networks and files, once the calls that run have finished. May be called again.

        The inverter's indexes are closed too. Later calls raise ClosedError.
        """
        self._open.close()
        self._loaded.close()

    def __enter__(self) -> "Inverter":
        self._open.check()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
