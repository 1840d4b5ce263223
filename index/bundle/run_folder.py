"""A run folder -> the paths of all that lies in it, and whether the run is finished.

RUN/corpus      the prompts and their target vectors     RUN/train, RUN/clip   what was trained
RUN/images      the image shards                         RUN/bundle            what a query needs
RUN/embeddings  the keys, one folder per kind            RUN/report            scores and plots
RUN/stages      one record per stage                     RUN/final             a bundle of all rows
"""

from dataclasses import dataclass
from pathlib import Path

from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.bundle import ENCODER, FALLBACK, INDEX
from unprompt.index.sealed.seal import SEAL


@dataclass(frozen=True)
class RunFolder:
    """The layout of one run on disk; nothing is created or read before it is asked for."""

    path: Path

    @property
    def corpus(self) -> Path:
        """Prompts and their target vectors."""
        return self.path / "corpus"

    @property
    def images(self) -> Path:
        """Image shards that this run rendered or copied."""
        return self.path / "images"

    @property
    def embeddings(self) -> Path:
        """Keys, one folder per kind."""
        return self.path / "embeddings"

    @property
    def image_embeddings(self) -> Path:
        """Keys of all pictures, held-out ones included."""
        return self.embeddings / "image"

    @property
    def text_embeddings(self) -> Path:
        """Keys of the train prompts, from the text tower of the same CLIP."""
        return self.embeddings / "text"

    @property
    def bundle(self) -> Path:
        """What a query needs."""
        return self.path / "bundle"

    @property
    def final(self) -> Path:
        """A bundle that knows the held-out pictures too, where the config asks for it."""
        return self.path / "final"

    @property
    def encoder(self) -> Path:
        """The exported image tower."""
        return self.bundle / ENCODER

    @property
    def index(self) -> Path:
        """The prompt index."""
        return self.bundle / INDEX

    @property
    def fallback(self) -> Path:
        """What answers for pictures unlike the corpus."""
        return self.bundle / FALLBACK

    @property
    def report(self) -> Path:
        """Scores, plots and cases of `unprompt eval --report`."""
        return self.path / "report"

    def training(self, section: str) -> Path:
        """Checkpoints and metrics of the training that `section`, train or clip, configures."""
        return self.path / section

    def export(self, section: str) -> Path:
        """Best weights of that training."""
        return self.training(section) / "export"

    def require_finished(self) -> None:
        """Raises ConfigError unless the bundle is sealed and the image embeddings exist."""
        if not (self.bundle / SEAL).is_file() or not self.image_embeddings.is_dir():
            raise ConfigError(
                f"{self.path} is not a finished run (wanted {self.bundle} and "
                f"{self.image_embeddings}); run `unprompt build` first"
            )
