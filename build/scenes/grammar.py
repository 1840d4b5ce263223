"""The grammar of scene prompts: seed -> prompts, Scene -> prompt, prompt -> Scene."""

from collections.abc import Sequence

import numpy as np

from unprompt.build.scenes.parsing import parse_prompt
from unprompt.build.scenes.sampling import make_generator, sample_scene
from unprompt.build.scenes.scene import Scene, Thing
from unprompt.build.scenes.words.nouns import choose_article
from unprompt.build.scenes.words.phrases import (
    COUNTS,
    FRAMINGS,
    LIGHTS,
    PLAIN_LEADS,
    RELATIONS,
    SETTINGS,
    STYLES,
)

__all__ = ["Scene", "Thing", "parse_prompt", "sample_prompts", "write_prompt"]


def sample_prompts(count: int, seed: int) -> list[str]:
    """`count` distinct prompts; a longer sample of the same seed starts with the shorter one."""
    prompts: dict[str, None] = {}
    number = 0
    while len(prompts) < count:
        rng = make_generator("sample_prompts", seed, number)
        prompts.setdefault(write_prompt(sample_scene(rng), rng))
        number += 1
    return list(prompts)


def write_prompt(scene: Scene, rng: np.random.Generator | None = None) -> str:
    """A prompt that describes `scene`; `rng` varies the wording, None takes the plainest."""
    writer = _Writer(rng)
    lead, tails = writer.write_frame(scene)
    body = writer.write_things(scene)
    if scene.setting:
        said = SETTINGS[scene.setting]
        if writer.chance(0.25):
            body = f"{writer.pick(said.scenes)} with {body}"
        elif not lead and writer.chance(0.2):
            body = f"{writer.pick(said.places)}, {body}"
        else:
            body += f"{', ' if writer.chance(0.1) else ' '}{writer.pick(said.places)}"
    if scene.light:
        body += f"{', ' if writer.chance(0.5) else ' '}{writer.pick(LIGHTS[scene.light])}"
    prompt = ", ".join([f"{lead} {body}".strip(), *tails])
    if writer.chance(0.35):
        prompt = prompt[0].upper() + prompt[1:]
    return prompt + ("." if writer.chance(0.15) else "")


class _Writer:
    """Chooses among phrases; without a generator, the first one and no optional wording."""

    def __init__(self, rng: np.random.Generator | None) -> None:
        self._rng = rng

    def chance(self, probability: float) -> bool:
        return self._rng is not None and bool(self._rng.random() < probability)

    def pick(self, phrases: Sequence[str]) -> str:
        return phrases[0] if self._rng is None else phrases[int(self._rng.integers(len(phrases)))]

    def write_frame(self, scene: Scene) -> tuple[str, list[str]]:
        """The text before the things ("" or "... of"), and the phrases after them."""
        lead, tails = "", []
        if scene.style:
            if self.chance(0.45):
                tails.append(self.pick(STYLES[scene.style].tails))
            else:
                lead = self.pick(STYLES[scene.style].leads)
        if scene.framing:
            if lead or self.chance(0.3):
                tails.append(self.pick(FRAMINGS[scene.framing].tails))
            else:
                lead = self.pick(FRAMINGS[scene.framing].leads)
        if not lead and self.chance(0.15):
            lead = self.pick(PLAIN_LEADS)
        return lead, tails

    def write_things(self, scene: Scene) -> str:
        said = [self.write_thing(thing) for thing in scene.things]
        if scene.relation:
            text = f"{said[0]} {self.pick(RELATIONS[scene.relation])} {said[1]}"
            return text if len(said) == 2 else text + self.pick((" and ", ", with ")) + said[2]
        if len(said) == 3:
            return f"{said[0]}, {said[1]}{self.pick((' and ', ', and '))}{said[2]}"
        return self.pick((" and ", " with ")).join(said)

    def write_thing(self, thing: Thing) -> str:
        looks = " ".join(word for word in (thing.size, thing.colour) if word)
        noun = thing.object.name if thing.count == 1 else thing.object.plural
        phrase = f"{looks} {noun}".strip()
        if thing.count > 1:
            return f"{self.pick(COUNTS[thing.count])} {phrase}"
        return f"{choose_article(phrase)} {phrase}"
