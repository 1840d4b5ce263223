"""A picture file that carries its prompt, as generators write it -> the prompt as a caption."""

from pathlib import Path

from unprompt.index.metadata.picture_metadata import read_metadata


def written_prompts(picture: Path | bytes) -> list[str]:
    """The prompt in the metadata of a picture; none where there is none. Never raises."""
    found = read_metadata(picture)
    return [] if found is None else [found.prompt]
