"""The files of an exported prompt encoder -> its settings and its tokenizer, checked.

A tokenizer file can hold patterns that take for ever on some texts. This encoder's splits words by
rules without patterns, and no other is taken.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.safe.bounded_json import parse_json
from unprompt.index.base.safe.plain_files import read_bounded
from unprompt.index.base.settings import STRICT, read_settings
from unprompt.index.runtime.graph_file import declared_width
from unprompt.index.runtime.openvino_graph import GRAPH, WEIGHTS

DESCRIPTION, TOKENIZER = "encoder.json", "tokenizer.json"
MAX_TOKENIZER = 16 * 2**20  # bytes
PARTS = {  # of a tokenizer, and the kinds that are taken
    "model": ("WordPiece",),
    "normalizer": ("BertNormalizer",),
    "pre_tokenizer": ("BertPreTokenizer",),
    "post_processor": ("TemplateProcessing", "BertProcessing"),
    "decoder": ("WordPiece",),
}
REMEDY = "Fetch the bundle again."
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, config=STRICT)
class PromptEncoderDescription:
    """`encoder.json` of an exported prompt encoder."""

    space: Annotated[str, Field(min_length=1, max_length=256)]
    files: dict[str, Digest]
    precision: Literal["f32", "bf16"] = "f32"


def describe_prompt_encoder(folder: Path, dim: int) -> PromptEncoderDescription:
    """Read `encoder.json`; the graph beside it makes vectors of `dim` numbers.

    Raises DamagedFileError for any other folder.
    """
    path = folder / DESCRIPTION
    content = read_json(path)
    if not isinstance(content, Mapping):
        raise DamagedFileError(f"{path} must hold settings by name. {REMEDY}")
    try:
        described = read_settings(PromptEncoderDescription, content, str(path))
    except ConfigError as error:
        raise DamagedFileError(f"{error}\n{REMEDY}") from error
    width = declared_width(folder / GRAPH)
    if set(described.files) != {GRAPH, WEIGHTS} or width != dim:
        raise DamagedFileError(
            f"{folder} holds {', '.join(described.files)} and makes vectors of {width} numbers, "
            f"wanted {GRAPH}, {WEIGHTS} and {dim}. {REMEDY}"
        )
    return described


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`; raises DamagedFileError for one with patterns, or none."""
    from tokenizers import Tokenizer

    path = folder / TOKENIZER
    try:
        content = read_bounded(path, MAX_TOKENIZER)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {error}. {REMEDY}") from error
    described = parse_json(content, str(path))
    for part, kinds in PARTS.items():
        found = described.get(part) if isinstance(described, dict) else None
        kind = found.get("type") if isinstance(found, dict) else None
        if kind not in kinds:
            raise DamagedFileError(f"{path}: {part} must be {kinds[0]}, got {kind!r}. {REMEDY}")
    try:
        return Tokenizer.from_str(content.decode("utf-8"))
    except Exception as error:  # tokenizers raises nothing narrower
        raise DamagedFileError(f"{path} is broken: {error}. {REMEDY}") from error
