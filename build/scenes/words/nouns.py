"""English noun phrases: singular -> plural, and phrase -> article."""

IRREGULAR_PLURALS = {
    "bacterium": "bacteria",
    "cactus": "cacti",
    "child": "children",
    "die": "dice",
    "foot": "feet",
    "goose": "geese",
    "kiwi": "kiwis",
    "man": "men",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "tooth": "teeth",
    "woman": "women",
}
SAME_IN_PLURAL = frozenset("bison buffalo deer fish jellyfish moose sheep shrimp squid".split())
F_TO_VES = frozenset("elf knife leaf loaf scarf sheaf wolf".split())
O_TO_OES = frozenset("mango mosquito potato tomato tornado volcano".split())
# The noun that takes the plural precedes these words: "wedges of cheese", "people bowing".
AFTER_THE_HEAD = frozenset(
    "of with in from behind covering taking asleep bowing getting hiding hugging kneeling "
    "meditating nursing shrugging on".split()
)
VOWEL_LETTERS = "aeiou"
CONSONANT_SOUNDS = ("eu", "one", "uni", "usb", "uk")
VOWEL_SOUNDS = ("hour", "suv", "x-ray")


def pluralise(noun: str) -> str:
    """The plural of a noun phrase: "pair of glasses" -> "pairs of glasses"."""
    words = noun.split()
    head = next((i for i, word in enumerate(words) if word in AFTER_THE_HEAD), len(words)) - 1
    words[head] = _pluralise_word(words[head])
    if head and words[head - 1].endswith("'s"):
        owners = _pluralise_word(words[head - 1].removesuffix("'s"))
        words[head - 1] = owners + ("'" if owners.endswith("s") else "'s")
    return " ".join(words)


def _pluralise_word(word: str) -> str:
    lower = word.lower()
    if lower in SAME_IN_PLURAL or lower.endswith("fish"):
        return word
    if lower in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[lower]
    if lower.endswith("man") and lower != "human":
        return word[:-3] + "men"
    if lower in F_TO_VES:
        return word.removesuffix("e").removesuffix("f") + "ves"
    if lower.endswith(("s", "x", "z", "ch", "sh")) or lower in O_TO_OES:
        return word + "es"
    if lower.endswith("y") and lower[-2] not in VOWEL_LETTERS:
        return word[:-1] + "ies"
    return word + "s"


def choose_article(phrase: str) -> str:
    """`a` or `an`, by the sound that the phrase starts with."""
    lower = phrase.lower()
    if lower.startswith(VOWEL_SOUNDS):
        return "an"
    if lower.startswith(CONSONANT_SOUNDS):
        return "a"
    return "an" if lower[0] in VOWEL_LETTERS else "a"
