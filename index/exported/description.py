"""`encoder.json` of an exported tower <-> its settings: what it is, and nothing that is loaded.

The names in it, those of `config` too, say where a tower came from. Only the files beside it are
opened, under the fixed names of its runtime.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.settings import STRICT, read_settings
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.runtime.openvino_graph import GRAPH, WEIGHTS
from unprompt.index.towers.stored.architecture import Architecture
from unprompt.index.towers.trained_tower import HEAD, TOWER

DESCRIPTION = "encoder.json"
MAX_BYTES = 2**20
FILES = {"openvino": ({GRAPH, WEIGHTS},), "torch": ({TOWER}, {TOWER, HEAD})}
REMEDY = "Build it again with `unprompt build --stage encoder`, or fetch the bundle again."
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, config=STRICT)
class EncoderDescription:
    """An exported image tower."""

    space: Annotated[str, Field(min_length=1, max_length=256)]
    dim: Annotated[int, Field(ge=1, le=2**16)]
    config: EncoderConfig
    preprocess: Preprocess
    files: dict[str, Digest]
    trained_on: Annotated[str, Field(max_length=256)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    precision: Literal["f32", "bf16"] | None = None
    bf16_cosine: dict[Literal["mean", "lowest"], float] | None = None
    architecture: Architecture | None = None  # for the runtime torch

    def __post_init__(self) -> None:
        if set(self.files) not in FILES[self.config.runtime]:
            raise ConfigError(
                f"an encoder for the runtime {self.config.runtime} has the files "
                f"{' or '.join(', '.join(sorted(one)) for one in FILES[self.config.runtime])}, got "
                f"{', '.join(sorted(self.files)) or 'none'}"
            )
        if (self.architecture is None) != (self.config.runtime == "openvino"):
            raise ConfigError("an encoder has an architecture exactly for the runtime torch")


def describe_encoder(folder: Path) -> EncoderDescription:
    """Read `encoder.json`; raises DamagedFileError where it is missing or describes no tower."""
    return check_description(read_json(folder / DESCRIPTION, MAX_BYTES), folder)


def check_description(content: Any, folder: Path) -> EncoderDescription:
    """The content of `encoder.json` in `folder` as settings; errors as `describe_encoder`."""
    path = folder / DESCRIPTION
    if not isinstance(content, Mapping):
        raise DamagedFileError(f"{path} must hold settings by name. {REMEDY}")
    try:
        return read_settings(EncoderDescription, content, str(path))
    except ConfigError as error:
        raise DamagedFileError(f"{path} describes no tower: {error}\n{REMEDY}") from error
