"""Scene prompts: what is sampled parses back, reads as English, and errors name the word."""

import pytest

from unprompt.build.scenes.grammar import (
    Scene,
    Thing,
    parse_prompt,
    sample_prompts,
    write_prompt,
)
from unprompt.build.scenes.sampling import make_generator, sample_scene
from unprompt.build.scenes.words.colours import COLOURS
from unprompt.build.scenes.words.phrases import (
    FRAMINGS,
    LIGHTS,
    RELATIONS,
    SETTINGS,
    SIZES,
    STYLES,
)
from unprompt.build.scenes.words.vocabulary import load_objects
from unprompt.index.base.errors import PromptError


def test_every_sampled_scene_parses_back_to_itself() -> None:
    for number in range(4000):
        rng = make_generator("round trip", number)
        scene = sample_scene(rng)
        assert parse_prompt(write_prompt(scene, rng)) == scene


def test_every_object_parses_back_in_both_numbers_with_colour_and_size() -> None:
    for found in load_objects().values():
        for count in (1, 3):
            for colour, size in ((None, None), ("red", "tiny"), ("orange", "giant")):
                scene = Scene((Thing(found, colour, count, size),), setting="forest", style="neon")
                assert parse_prompt(write_prompt(scene)) == scene


def test_every_phrase_parses_to_its_name() -> None:
    for name, said in SETTINGS.items():
        for place in said.places:
            assert parse_prompt(f"a fox {place}").setting == name
            assert parse_prompt(f"{place}, a fox").setting == name
        for shown in said.scenes:
            assert parse_prompt(f"{shown} with a fox").setting == name
    for slot, table in (("style", STYLES), ("framing", FRAMINGS)):
        for name, said in table.items():
            for lead in said.leads:
                assert getattr(parse_prompt(f"{lead} a fox"), slot) == name
            for tail in said.tails:
                assert getattr(parse_prompt(f"a fox, {tail}"), slot) == name
    for name, lights in LIGHTS.items():
        for light in lights:
            assert parse_prompt(f"a fox {light}").light == name
    for name, relations in RELATIONS.items():
        for relation in relations:
            assert parse_prompt(f"a fox {relation} a house").relation == name


def test_samples_are_distinct_stable_and_prefixes_of_longer_ones() -> None:
    prompts = sample_prompts(2000, 7)
    assert len(set(prompts)) == 2000
    assert sample_prompts(50, 7) == prompts[:50]
    assert sample_prompts(50, 8) != prompts[:50]


def test_samples_use_the_whole_grammar() -> None:
    scenes = [parse_prompt(prompt) for prompt in sample_prompts(3000, 1)]
    assert {scene.style for scene in scenes} == {None, *STYLES}
    assert {scene.setting for scene in scenes} == {None, *SETTINGS}
    assert {scene.relation for scene in scenes} == {None, *RELATIONS}
    things = [thing for scene in scenes for thing in scene.things]
    assert {thing.count for thing in things} == {1, 2, 3, 4}
    assert {thing.colour for thing in things} == {None, *COLOURS}
    assert {thing.size for thing in things} == {None, *SIZES}
    assert len({thing.object.name for thing in things}) > 0.9 * len(load_objects())


@pytest.mark.parametrize(
    ("scene", "prompt"),
    [
        ((("fox", None, 1),), "a fox"),
        ((("fox", None, 2),), "two foxes"),
        ((("elephant", None, 1),), "an elephant"),
        ((("elephant", "red", 1),), "a red elephant"),
        ((("fox", "orange", 1),), "an orange fox"),
        ((("sheep", None, 4),), "four sheep"),
        ((("unicorn", None, 1), ("hourglass", None, 1)), "a unicorn and an hourglass"),
        ((("pair of glasses", "blue", 3),), "three blue pairs of glasses"),
        ((("person bowing", None, 2), ("mouse", None, 3)), "two people bowing and three mice"),
        ((("X-ray", None, 1), ("USB cable", None, 1)), "an X-ray and a USB cable"),
    ],
)
def test_wording_by_hand(scene: tuple[tuple[str, str | None, int], ...], prompt: str) -> None:
    objects = load_objects()
    things = tuple(Thing(objects[name], colour, count) for name, colour, count in scene)
    assert write_prompt(Scene(things)) == prompt
    assert parse_prompt(prompt) == Scene(things)


def test_a_full_prompt_by_hand() -> None:
    objects = load_objects()
    scene = parse_prompt(
        "A watercolor painting of two tiny red foxes behind a house with a garden in the snow"
    )
    assert scene == Scene(
        things=(Thing(objects["fox"], "red", 2, "tiny"), Thing(objects["house with a garden"])),
        style="watercolor",
        setting="snow",
        relation="behind",
    )


def test_parsing_forgives_case_space_and_the_full_stop() -> None:
    wanted = parse_prompt("pixel art of two foxes next to a french press in a forest")
    assert (
        parse_prompt("  PIXEL ART OF  Two Foxes next to a French press,\nin a forest. ") == wanted
    )


@pytest.mark.parametrize(
    ("prompt", "word", "nearest"),
    [
        ("a unicron in a forest", "'unicron'", "unicorn"),
        ("an oil painting of a red elefant", "'elefant'", "elephant"),
        ("a fox in a forrest", "'in a forrest'", "in a forest"),
        ("a fox, in the style of stained glas", "'in the style of stained glas'", "stained glass"),
        ("a purpel fox", "'purpel fox'", "purple"),
    ],
)
def test_errors_name_the_word_and_the_nearest(prompt: str, word: str, nearest: str) -> None:
    with pytest.raises(PromptError) as caught:
        parse_prompt(prompt)
    assert word in str(caught.value)
    assert nearest in str(caught.value)


def test_errors_of_prompts_cut_short_or_contradictory() -> None:
    with pytest.raises(PromptError, match="empty"):
        parse_prompt("  . ")
    with pytest.raises(PromptError, match="should follow"):
        parse_prompt("a fox next to")
    with pytest.raises(PromptError, match="two styles, 'neon' and 'mosaic'"):
        parse_prompt("a neon sign of a fox, mosaic tiles")
    with pytest.raises(PromptError, match="xqzzkw"):
        parse_prompt("a xqzzkw")
