"""Prompts (n,) -> prompts without syntax that only programs read.

The syntax is: tags of models and chats, command-line flags, attention weights, web addresses.
"""

import polars as pl

_TAG = (
    r"(?i)<(?:lora|lyco|lycoris|locon|loha|hypernet|embedding|ti):[^<>]*>"  # A1111: extra networks
    r"|<a?:\w+:\d+>|<[@#!&]+\d+>"  # Discord: an emoji, a mention
    r"|<[\w.:@|/-]*[a-z][\w.:@|/-]*>"  # a learned token, <unk>, <br>
    r"|\bembedding:[\w./\\-]+(?::\d*\.?\d+)?"  # ComfyUI
)
TAGGED = r"<|(?i:\bembedding:)"

_DASHES = r"(?:--|\x{2014}|\x{2013})\s*"
_NUMBERED = (
    r"ar|aspect|v|version|q|quality|s|stylize|stylise|c|chaos|seed|sameseed|iw|sw|cw|ow|sv|w|h|"
    r"width|height|stop|niji|repeat|r|weird|exp|n|steps|scale|cfg|uplight|upbeta|zoom"
)
_BARE = (
    r"beta|upbeta|uplight|upanime|uplow|hd|testp?|niji|creative|tile|video|fast|relax|turbo|raw|"
    r"draft|nostretch"
)
_FLAG = (
    rf"(?i){_DASHES}(?:{_NUMBERED})\s*[:=]?\s*\d+(?:\.\d+)?(?:\s*[:x/]\s*\d+)?[a-z]?\b[%,]?"
    rf"|{_DASHES}(?:{_BARE})\b"
    rf"|{_DASHES}(?:style|profile|p|cref|sref)\s+\S+"
    rf"|{_DASHES}no\s+(?:[^\x{{2014}}\x{{2013}}-]|-[^\s-])+"  # unwanted things, up to the next flag
    r"|\s-A\s+(?:k_)?(?:lms|ddim|plms|heun|euler|dpm)\w*"  # the flags of Discord bots
    r"|\s-(?:[nsSCWHhw]|seed|steps)\s*\d[\d.]*\b"
)
FLAGGED = r"--|\x{2014}|\x{2013}|\s-[A-Za-z]|::|^\s*[!/]"
_COMMAND = r"(?i)^\s*(?:!dream|!imagine|/dream|/imagine(?:\s+prompt)?)\b\s*:?\s*"
_COMMANDED = "\ue010"
_COMMANDED_QUOTE = r"^\x{E010}[\x22\x{201C}](.*)[\x22\x{201D}]\s*$"
_SEGMENT_UNWANTED = r"((?:^|:{2,}[\d.]*)\s*)[^:]+:{2,}-\d*\.?\d+\b"
_SEGMENT_WEIGHT = r"\s*:{2,}(?:\d*\.?\d+\b)?"
_DANGLING = r"(?:\s+-[A-Za-z])*(?:\s+(?:-+|\x{2014}+)|--+)?\s*$"

_INNER = r"[^()\[\]{}]"
_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_UNWANTED = rf"[(\[]\s*[^()\[\]{{}}:]*[^()\[\]{{}}:\d\s]\s*:\s*-\s*{_NUMBER}\s*[)\]]"
_WEIGHTED = rf"[(\[]\s*([^()\[\]{{}}:]*[^()\[\]{{}}:\d\s])\s*:\s*\+?{_NUMBER}\s*[)\]]"  # (word:1.3)
_SWITCHED = rf"\[\s*({_INNER}*?)\s*:\s*({_INNER}*?)\s*:\s*{_NUMBER}\s*\]"  # [from:to:0.5]
_DOUBLED = r"\(\s*\((?:\s*\()*|\)\s*\)(?:\s*\))*"
_SQUARE = r"\[\s*\d+\s*\]|[\[\]{}]"  # the number of a footnote is removed with its brackets
_ROUND = r"[()]"
WEIGHTED = rf"[\[\]{{}}]|\(\s*\(|\)\s*\)|:\s*[+-]?\s*{_NUMBER}\s*\)"
_NESTED = 4  # weights within weights

_URL = (
    r"(?i)(?:\b(?:in\s+the\s+)?style\s+of\s+)?"  # otherwise it would be left without a name
    r"\b(?:(?:https?://|file:/|www\.)[^\s<>\x22]+"
    r"|[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|io|co|info|biz|tv|me|ru|de|uk|art|gg|app)/[^\s<>\x22,;]+)"
)
LINKED = r"(?i)(?:https?|file):/|www\.|\.[a-z]{2,4}/"

_ESCAPED = (("\\(", "\ue000"), ("\\)", "\ue001"), ("\\[", "\ue002"), ("\\]", "\ue003"))


def strip_tags(prompts: pl.Series) -> pl.Series:
    """Remove names of networks and learned tokens in angle brackets, mentions, emoji codes."""
    return prompts.str.replace_all(_TAG, " ")


def strip_flags(prompts: pl.Series) -> pl.Series:
    """Remove commands and flags of Midjourney and Discord bots; `cat::2 dog` becomes `cat, dog`."""
    bare = prompts.str.replace(_COMMAND, _COMMANDED)
    bare = bare.str.replace_all(_SEGMENT_UNWANTED, "$1").str.replace_all(_SEGMENT_WEIGHT, ", ")
    flagged = bare.str.contains(_FLAG)
    bare = bare.str.replace_all(_FLAG, " ")
    # A dash at the end is a truncated flag, but only in prompts with flags.
    bare = bare.zip_with(~flagged, bare.str.replace(_DANGLING, ""))
    # Quotes around the whole prompt belong to the command.
    return bare.str.replace(_COMMANDED_QUOTE, "$1").str.replace_all(_COMMANDED, "", literal=True)


def unwrap_weights(prompts: pl.Series) -> pl.Series:
    """`(word:1.3)`, `((word))`, `[word]` and `{word}` become `word`; `[a:b:0.5]` becomes `a b`.

    Words with a negative weight are removed. Single round brackets, as in `Dune (1984)`, stay
    unless the prompt has weights too. `\\(` is always a bracket.
    """
    for written, kept in _ESCAPED:
        prompts = prompts.str.replace_all(written, kept, literal=True)
    opened = prompts
    for _ in range(_NESTED):
        opened = (
            opened.str.replace_all(_UNWANTED, " ")
            .str.replace_all(_WEIGHTED, "$1")
            .str.replace_all(_SWITCHED, "$1 $2")
        )
    opened = opened.str.replace_all(_DOUBLED, " ").str.replace_all(_SQUARE, " ")
    weighted = opened != prompts
    bare = opened.zip_with(~weighted, opened.str.replace_all(_ROUND, " "))
    for written, kept in _ESCAPED:
        bare = bare.str.replace_all(kept, written[1], literal=True)
    return bare


def strip_urls(prompts: pl.Series) -> pl.Series:
    """Remove web addresses; a bare name such as example.com stays."""
    return prompts.str.replace_all(_URL, " ")


def has_url(prompts: pl.Series) -> pl.Series:
    """Whether each prompt holds a web address, (n,) bool."""
    return prompts.str.contains(_URL)
