"""The open parts of a bundle: pictures -> keys by every tower -> what every world answers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from unprompt.index.base.machine import own_cores
from unprompt.index.encoders.protocols import ImageEncoder
from unprompt.index.exported.export import OpenVinoEncoder
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.composers import Composers
from unprompt.inversion.encoding import encode_pictures
from unprompt.inversion.estimate.fallback import Fallback
from unprompt.inversion.estimate.router import Router
from unprompt.inversion.estimate.world import Asked, World, ask_worlds
from unprompt.inversion.query import Query


class Loaded:
    """Worlds, router, fallback and composers of a bundle. Any thread may call any method."""

    def __init__(
        self,
        worlds: Sequence[World],
        router: Router | None,
        fallback: Fallback | None,
        folder: Path | None,
        threads: int | None,
        low_memory: bool,
    ):
        """See `Inverter`."""
        self.worlds = tuple(worlds)
        self.router = router
        self.fallback = fallback
        self.threads = threads or own_cores()
        self.composers = Composers(self.worlds, folder, threads, 1 if low_memory else None)
        self._low_memory = low_memory

    @property
    def indexes(self) -> list[PromptIndex]:
        """Every index once."""
        members = [member for world in self.worlds for member in world.members]
        classes = [] if self.fallback is None else [self.fallback.classes]
        found = [*(member.index for member in members), *classes]
        return list({id(index): index for index in found}.values())

    @property
    def encoders(self) -> list[ImageEncoder]:
        """The image encoder of every member once, without that of the fallback."""
        members = [member for world in self.worlds for member in world.members]
        return list({id(member.encoder): member.encoder for member in members}.values())

    def ask(self, images: Sequence[Image.Image], query: Query) -> Asked:
        """Every picture to every world; the router chooses. Each tower runs once."""
        encoders = self.encoders
        encoded = dict(zip(map(id, encoders), self.encode(encoders, images), strict=True))
        keys = [[encoded[id(member.encoder)] for member in w.members] for w in self.worlds]
        return ask_worlds(self.worlds, self.router, keys, query.blend)

    def encode(
        self, encoders: Sequence[ImageEncoder], images: Sequence[Image.Image]
    ) -> list[np.ndarray]:
        """The keys (n, d) of every encoder. With low memory they run, and are freed, in turn."""
        if not self._low_memory:
            return encode_pictures(encoders, images, self.threads)
        keys = []
        for encoder in encoders:
            keys += encode_pictures([encoder], images, self.threads)
            if isinstance(encoder, OpenVinoEncoder):
                encoder.release()
        return keys

    def close(self) -> None:
        """Close files and free networks. No other call may run."""
        parts: list[PromptIndex | ImageEncoder] = [*self.indexes, *self.encoders]
        if self.fallback is not None:
            parts.append(self.fallback.encoder)
        for part in parts:
            if isinstance(part, PromptIndex | OpenVinoEncoder):
                part.close()
        self.composers.close()
        self.worlds, self.router, self.fallback = (), None, None
