"""The worlds of a bundle -> one composer each, loaded when it is first used, in another thread."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.inversion.compose.beam_search import Composer
from unprompt.inversion.compose.phrases import load_bank
from unprompt.inversion.compose.prompt_encoder import load_matching_encoder
from unprompt.inversion.estimate.world import World

T = TypeVar("T")


class Composers:
    """One composer per world with phrases; all share one prompt encoder. Threads may share it."""

    def __init__(
        self,
        worlds: Sequence[World],
        bundle: Path | None,
        threads: int | None = None,
        streams: int | None = None,
    ):
        self._worlds = tuple(worlds)
        self._bundle = bundle
        self._threads, self._streams = threads, streams
        self._encoder: Future[PromptEncoder | None] | None = None
        self._composers: dict[str | None, Future[Composer]] = {}
        self._loading = RLock()

    def begin(self) -> None:
        """Load what any answer needs while the towers run: the encoder, and an only composer."""
        if len(self._worlds) == 1:
            self._start(self._worlds[0])
        elif any(world.phrases is not None for world in self._worlds):
            self._start_encoder()

    def of(self, world: World) -> Composer | None:
        """The composer of a world, or None if the world has no phrases."""
        started = self._start(world)
        return None if started is None else started.result()

    def close(self) -> None:
        """Free the composers and their encoder, once what loads has loaded."""
        with self._loading:
            started: list[Future[Any]] = list(self._composers.values())
            if self._encoder is not None:
                started.append(self._encoder)
        wait(started)
        self._composers.clear()
        self._encoder = None

    def _start(self, world: World) -> "Future[Composer] | None":
        phrases = world.phrases
        if phrases is None:
            return None
        with self._loading:
            if world.name not in self._composers:
                self._composers[world.name] = _in_thread(lambda: self._load(world, phrases))
            return self._composers[world.name]

    def _load(self, world: World, phrases: Path) -> Composer:
        from unprompt.index.towers.clip_tokens import fits_clip

        encoder = self._start_encoder()
        bank = load_bank(phrases, world.index.manifest.target_dim)
        return Composer(world.index, bank, encoder.result(), fits_clip)

    def _start_encoder(self) -> "Future[PromptEncoder | None]":
        with self._loading:
            if self._encoder is None:
                space = self._worlds[0].index.manifest.target_space
                self._encoder = _in_thread(
                    lambda: load_matching_encoder(space, self._threads, self._bundle, self._streams)
                )
            return self._encoder


def _in_thread(make: Callable[[], T]) -> "Future[T]":
    pool = ThreadPoolExecutor(1)
    started = pool.submit(make)
    pool.shutdown(wait=False)
    return started
