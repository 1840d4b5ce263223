"""What styles, settings, relations, light and framing are called in a prompt: name -> phrases."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StylePhrases:
    """`leads` open a prompt ("an oil painting of"), `tails` close one (", oil on canvas")."""

    leads: tuple[str, ...]
    tails: tuple[str, ...]


@dataclass(frozen=True)
class SettingPhrases:
    """`places` say where the things are, `scenes` are what a picture "of ... with" them shows."""

    places: tuple[str, ...]
    scenes: tuple[str, ...]


STYLES: dict[str, StylePhrases] = {
    "flat vector": StylePhrases(
        ("a flat vector illustration of", "flat design of", "a minimal vector drawing of"),
        ("flat vector art", "in a flat design style", "minimal vector illustration"),
    ),
    "watercolor": StylePhrases(
        ("a watercolor painting of", "a watercolor of", "a loose watercolor sketch of"),
        ("in watercolor", "watercolor on paper", "painted in soft watercolors"),
    ),
    "oil painting": StylePhrases(
        ("an oil painting of", "a thick oil painting of", "an impressionist painting of"),
        ("oil on canvas", "painted in oils", "with visible oil brush strokes"),
    ),
    "pencil sketch": StylePhrases(
        ("a pencil sketch of", "a pencil drawing of", "a hand-drawn sketch of"),
        ("pencil on paper", "drawn in pencil", "graphite sketch"),
    ),
    "pixel art": StylePhrases(
        ("pixel art of", "a pixel art picture of", "an 8-bit sprite of"),
        ("pixel art", "8-bit style", "in the style of a retro video game"),
    ),
    "black and white photo": StylePhrases(
        ("a black and white photo of", "a black and white photograph of", "a grainy film still of"),
        ("black and white photography", "in black and white", "monochrome, film grain"),
    ),
    "neon": StylePhrases(
        ("a neon sign of", "glowing neon art of", "a neon light drawing of"),
        ("in glowing neon", "neon lights on black", "in the style of a neon sign"),
    ),
    "vintage poster": StylePhrases(
        ("a vintage poster of", "a retro travel poster of", "an old screen print of"),
        ("vintage poster", "in the style of a vintage poster", "retro screen print"),
    ),
    "blurry dream": StylePhrases(
        ("a blurry dream of", "a dreamy soft-focus picture of", "a hazy dreamlike image of"),
        ("like a blurry dream", "dreamy soft focus", "hazy and dreamlike"),
    ),
    "stained glass": StylePhrases(
        ("a stained glass window of", "stained glass art of", "a stained glass picture of"),
        ("stained glass", "in the style of stained glass", "as a stained glass window"),
    ),
    "comic book": StylePhrases(
        ("a comic book panel of", "a pop art print of", "a comic drawing of"),
        ("comic book style", "with halftone dots, pop art", "in the style of a comic book"),
    ),
    "chalk drawing": StylePhrases(
        ("a chalk drawing of", "a chalkboard drawing of", "a colored chalk sketch of"),
        ("chalk on a blackboard", "drawn in colored chalk", "chalkboard art"),
    ),
    "mosaic": StylePhrases(
        ("a mosaic of", "a roman mosaic of", "a ceramic tile mosaic of"),
        ("mosaic tiles", "as a tile mosaic", "in the style of a roman mosaic"),
    ),
    "cross-stitch": StylePhrases(
        ("a cross-stitch of", "a cross-stitch pattern of", "an embroidered picture of"),
        ("cross-stitch", "embroidered on linen", "in the style of cross-stitch"),
    ),
}

SETTINGS: dict[str, SettingPhrases] = {
    "forest": SettingPhrases(
        ("in a forest", "in the woods", "among tall pine trees"), ("a forest", "a pine forest")
    ),
    "jungle": SettingPhrases(
        ("in a jungle", "deep in the jungle", "in a tropical rainforest"), ("a lush jungle",)
    ),
    "desert": SettingPhrases(
        ("in a desert", "in the desert", "among sand dunes"), ("a desert", "a sandy desert")
    ),
    "outer space": SettingPhrases(
        ("in outer space", "in space", "floating among the stars"),
        ("outer space", "a starry galaxy"),
    ),
    "moon": SettingPhrases(
        ("on the moon", "on the surface of the moon"), ("the surface of the moon",)
    ),
    "under the sea": SettingPhrases(
        ("under the sea", "underwater", "at the bottom of the ocean"), ("an underwater scene",)
    ),
    "snow": SettingPhrases(
        ("in the snow", "in a snowy field", "on a snowy winter day"), ("a snowy landscape",)
    ),
    "sunset": SettingPhrases(
        ("at sunset", "in front of a glowing sunset", "under a sunset sky"), ("a sunset",)
    ),
    "city at night": SettingPhrases(
        ("in a city at night", "in the city at night", "under the city lights"),
        ("a city at night", "a city skyline at night"),
    ),
    "meadow": SettingPhrases(
        ("in a meadow", "in a green meadow", "in a field of flowers"), ("a flowery meadow",)
    ),
    "mountains": SettingPhrases(
        ("in the mountains", "high in the mountains", "below snowy peaks"),
        ("a mountain landscape",),
    ),
    "wooden table": SettingPhrases(
        ("on a wooden table", "on a table", "on an old wooden table"), ("a wooden table",)
    ),
    "stage": SettingPhrases(
        ("on a stage", "on a theater stage", "in the spotlight on a stage"), ("a theater stage",)
    ),
    "rain": SettingPhrases(
        ("in the rain", "in pouring rain", "on a rainy day"), ("a rainy street",)
    ),
    "beach": SettingPhrases(
        ("on a beach", "on a sandy beach", "by the sea"), ("a beach", "a tropical beach")
    ),
    "clouds": SettingPhrases(
        ("in the clouds", "high in the sky", "floating above the clouds"), ("a cloudy sky",)
    ),
    "cave": SettingPhrases(
        ("in a cave", "in a dark cave", "inside a crystal cave"), ("a crystal cave",)
    ),
    "kitchen": SettingPhrases(
        ("in a kitchen", "in a tiled kitchen", "on a kitchen counter"), ("a kitchen",)
    ),
    "library": SettingPhrases(
        ("in a library", "in an old library", "in front of bookshelves"), ("an old library",)
    ),
    "road": SettingPhrases(
        ("on a road", "on a country road", "in the middle of the road"), ("a country road",)
    ),
}

RELATIONS: dict[str, tuple[str, ...]] = {
    "next to": ("next to", "beside"),
    "left of": ("to the left of",),
    "right of": ("to the right of",),
    "above": ("above", "floating above", "hovering over"),
    "behind": ("behind", "standing behind"),
    "inside": ("inside",),
    "in front of": ("in front of", "posing in front of"),
    "on top of": ("on top of", "balanced on", "sitting on top of"),
}

LIGHTS: dict[str, tuple[str, ...]] = {
    "golden": ("in warm golden light", "at golden hour"),
    "moonlit": ("by moonlight", "in cold blue moonlight"),
    "dramatic": ("with dramatic lighting", "in dramatic low-key light"),
    "bright": ("in bright sunlight", "in bright, even light"),
}

# leads, then tails
FRAMINGS: dict[str, StylePhrases] = {
    "close-up": StylePhrases(("a close-up of", "an extreme close-up of"), ("close-up",)),
    "wide": StylePhrases(("a wide shot of", "a distant view of"), ("wide shot", "seen from afar")),
}

SIZES = ("tiny", "giant")
COUNTS: dict[int, tuple[str, ...]] = {2: ("two", "a couple of"), 3: ("three",), 4: ("four",)}
PLAIN_LEADS = ("a picture of", "an image of", "an illustration of")
