"""Code editors and terminals."""

from typing import NamedTuple

from PIL import ImageDraw

from unprompt.build.kinds.canvas import (
    COLORS,
    Color,
    Dice,
    Drawn,
    Theme,
    between,
    blank,
    blend,
    choose_theme,
    pick,
    write,
)
from unprompt.build.kinds.fonts import load_font
from unprompt.build.kinds.words import identifier, word

SIZE = (560, 380)
LINE = 16
KEYWORDS = {
    "Python": ("def", "return", "if", "for", "in", "import", "class", "not"),
    "JavaScript": ("function", "return", "if", "const", "let", "of", "for", "import"),
    "C": ("int", "return", "if", "for", "void", "char", "static", "#include"),
}
SUFFIX = {"Python": "py", "JavaScript": "js", "C": "c"}
COMMANDS = (
    "ls -la",
    "git status",
    "cd {}",
    "cat {}.txt",
    "make test",
    "python {}.py",
    "ps aux",
    "top",
)


class Line(NamedTuple):
    """One line of a program."""

    indent: int
    text: str


def draw_code(dice: Dice) -> Drawn:
    """Draw a code editor or a terminal."""
    return _terminal(dice) if dice.random() < 0.4 else _editor(dice)


def _editor(dice: Dice) -> Drawn:
    theme = choose_theme(dice, dark=0.65)
    language = pick(dice, tuple(KEYWORDS))
    picture, pen = blank(SIZE, theme.paper)
    width, height = SIZE
    left = 0
    if dice.random() < 0.6:
        left = 120
        pen.rectangle((0, 0, left, height), fill=theme.panel)
        for place in range(14):
            name = f"{word(dice)}.{SUFFIX[language]}"
            write(pen, (14, 36 + 22 * place), name, theme.ink if place == 2 else theme.faint, 11)
    pen.rectangle((left, 0, width, 26), fill=theme.panel)
    name = f"{identifier(dice)}.{SUFFIX[language]}"
    pen.rectangle((left, 0, left + 150, 26), fill=theme.paper)
    write(pen, (left + 12, 13), name, theme.ink, 11, anchor="lm")
    for number, line in enumerate(_program(dice, language)[: (height - 40) // LINE], 1):
        top = 16 + LINE * number
        write(pen, (left + 30, top), str(number), theme.faint, 11, "mono", "ra")
        _write_line(pen, (left + 44 + 26 * line.indent, top), line.text, theme, language)
    pen.rectangle((0, height - 18, width, height), fill=theme.accent)
    write(pen, (width - 10, height - 9), language, (255, 255, 255), 10, anchor="rm")
    return Drawn(
        picture,
        (f"a screenshot of a code editor with a {theme.name} theme",
         f"{language} source code in an editor", "program code with line numbers on a screen"),
    )  # fmt: skip


def _program(dice: Dice, language: str) -> list[Line]:
    """Lines that look like a program of the language."""
    lines: list[Line] = []
    while len(lines) < 24:
        name, item, value = identifier(dice), word(dice), identifier(dice)
        number = between(dice, 0, 99)
        if language == "Python":
            lines += [
                Line(0, f"def {name}({item}, {value}):"),
                Line(1, f'"""{word(dice).capitalize()} the {word(dice)}."""'),
                Line(1, f"for {word(dice)} in {item}:"),
                Line(2, f"if {value} > {number}:"),
                Line(3, f"{value} = {name}({word(dice)}, {number})"),
                Line(1, f"return {value}"),
                Line(0, ""),
            ]
        elif language == "JavaScript":
            lines += [
                Line(0, f"function {name}({item}) {{"),
                Line(1, f"const {value} = {item}.{word(dice)}({number});"),
                Line(1, f"for (let {word(dice)} of {value}) {{"),
                Line(2, f"console.log('{word(dice)}', {item});"),
                Line(1, "}"),
                Line(1, f"return {value};"),
                Line(0, "}"),
                Line(0, ""),
            ]
        else:
            lines += [
                Line(0, f"static int {name}(char *{item}) {{"),
                Line(1, f"int {value} = {number};  // {word(dice)}"),
                Line(1, f"for (int i = 0; i < {number}; i++) {{"),
                Line(2, f"{value} += {item}[i];"),
                Line(1, "}"),
                Line(1, f"return {value};"),
                Line(0, "}"),
                Line(0, ""),
            ]
    return lines


def _write_line(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, theme: Theme, language: str
) -> None:
    """Write a line of code, word by word, each in its color."""
    x, y = place
    font = load_font("mono", 12)
    quoted = False
    for part in text.split(" "):
        quoted = quoted or '"' in part or "//" in part
        color = _color_of(part, theme, language, quoted)
        pen.text((x, y), part, fill=color, font=font)
        x += font.getlength(part + " ")


def _color_of(part: str, theme: Theme, language: str, quoted: bool) -> Color:
    bright = 0.45 if theme.name == "dark" else 0.0
    if quoted or "'" in part:
        return blend(COLORS["green"], (255, 255, 255), bright)
    if part.strip("(){};:") in KEYWORDS[language]:
        return blend(COLORS["purple"], (255, 255, 255), bright)
    if part.strip("(){};:,").isdecimal():
        return blend(COLORS["orange"], (255, 255, 255), bright)
    if "(" in part:
        return blend(COLORS["blue"], (255, 255, 255), bright)
    return theme.ink


def _terminal(dice: Dice) -> Drawn:
    ink = pick(dice, ("green", "white", "orange"))
    color = blend(COLORS[ink], (255, 255, 255), 0.3)
    picture, pen = blank(SIZE, pick(dice, ((0, 0, 0), (18, 20, 24), (24, 10, 30))))
    top, user = 10, word(dice, "names").lower()
    while top < SIZE[1] - 24:
        command = pick(dice, COMMANDS).format(word(dice))
        write(pen, (10, top), f"{user}@{word(dice)}:~$ {command}", color, 12, "mono bold")
        top += LINE
        for _ in range(between(dice, 0, 6)):
            if top > SIZE[1] - 24:
                break
            size = between(dice, 100, 99999)
            text = f"-rw-r--r--  {user}  {size:>6}  {identifier(dice)}.{word(dice)[:3]}"
            write(pen, (10, top), text, blend(color, (0, 0, 0), 0.25), 12, "mono")
            top += LINE
    return Drawn(
        picture,
        ("a screenshot of a terminal", f"a command line with {ink} text on black",
         "a computer terminal window full of text"),
    )  # fmt: skip
