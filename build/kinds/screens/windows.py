"""Screens with windows: a desktop, a dialog, a file manager, a form, settings on a phone."""

from PIL import ImageDraw

from unprompt.build.kinds.canvas import (
    COLORS,
    VIVID,
    Dice,
    Drawn,
    Theme,
    between,
    blank,
    blend,
    choose_theme,
    pick,
    write,
    write_block,
)
from unprompt.build.kinds.words import sentence, title, word

SCREEN, PHONE = (560, 360), (288, 560)
Box = tuple[int, int, int, int]


def draw_windows(dice: Dice) -> Drawn:
    """Draw one of the screens."""
    return pick(dice, (_desktop, _dialog, _files, _form, _settings))(dice)


def draw_window(pen: ImageDraw.ImageDraw, box: Box, theme: Theme, name: str) -> int:
    """Draw an empty window with its title bar; returns the top of its content."""
    left, top, right, bottom = box
    pen.rectangle(
        (left + 4, top + 4, right + 4, bottom + 4), fill=blend(theme.line, (0, 0, 0), 0.4)
    )
    pen.rounded_rectangle(box, 6, fill=theme.paper, outline=theme.line)
    pen.rounded_rectangle((left, top, right, top + 24), 6, fill=theme.panel, outline=theme.line)
    for place, color in enumerate(("red", "yellow", "green")):
        x = left + 14 + 16 * place
        pen.ellipse((x - 5, top + 7, x + 5, top + 17), fill=COLORS[color])
    write(pen, ((left + right) / 2, top + 12), name, theme.ink, 11, anchor="mm")
    return top + 24


def _desktop(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    wall = COLORS[pick(dice, (*VIVID, "navy blue"))]
    picture, pen = blank(SCREEN, wall)
    width, height = SCREEN
    for y in range(height):
        pen.line((0, y, width, y), fill=blend(wall, (255, 255, 255), 0.5 * y / height))
    count = between(dice, 1, 3)
    for _ in range(count):
        left, top = between(dice, 20, 220), between(dice, 16, 110)
        box = (left, top, left + between(dice, 200, 300), top + between(dice, 130, 190))
        inside = draw_window(pen, box, theme, title(dice))
        _fill(pen, dice, (box[0] + 14, inside + 10, box[2] - 14, box[3] - 10), theme)
    pen.rectangle((0, height - 26, width, height), fill=theme.panel)
    for place in range(7):
        left = 10 + 30 * place
        pen.rounded_rectangle(
            (left, height - 22, left + 18, height - 4), 4, fill=COLORS[pick(dice, VIVID)]
        )
    clock = f"{between(dice, 8, 22):02d}:{between(dice, 0, 59):02d}"
    write(pen, (width - 12, height - 13), clock, theme.ink, 11, anchor="rm")
    windows = "an open window" if count == 1 else f"{count} open windows"
    return Drawn(
        picture,
        (f"a screenshot of a computer desktop with {windows}", "a computer desktop with a taskbar",
         f"a desktop screenshot, {theme.name} theme"),
    )  # fmt: skip


def _fill(pen: ImageDraw.ImageDraw, dice: Dice, box: Box, theme: Theme) -> None:
    """Text, or rows with a field each."""
    left, top, right, bottom = box
    if dice.random() < 0.5:
        text = " ".join(sentence(dice) for _ in range(6))
        write_block(pen, box, text, theme.ink, 11)
        return
    while top + 22 < bottom:
        write(pen, (left, top + 3), word(dice).capitalize(), theme.faint, 11)
        pen.rectangle((left + 80, top, right, top + 18), outline=theme.line, fill=theme.panel)
        write(pen, (left + 86, top + 3), word(dice), theme.ink, 11)
        top += 26


def _dialog(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank((420, 220), blend(theme.panel, theme.accent, 0.2))
    inside = draw_window(pen, (30, 30, 390, 190), theme, title(dice, 1))
    kind = pick(dice, ("error", "warning", "question"))
    color, mark = {
        "error": ("red", "×"), "warning": ("orange", "!"), "question": ("blue", "?")
    }[kind]  # fmt: skip
    pen.ellipse((50, inside + 22, 90, inside + 62), fill=COLORS[color])
    write(pen, (70, inside + 42), mark, (255, 255, 255), 26, "bold", "mm")
    write_block(pen, (108, inside + 24, 372, 150), sentence(dice), theme.ink, 13)
    for place, text in enumerate(("Cancel", "OK")):
        left = 210 + 88 * place
        fill = theme.accent if place else theme.panel
        pen.rounded_rectangle((left, 152, left + 76, 178), 5, fill=fill, outline=theme.line)
        ink = (255, 255, 255) if place else theme.ink
        write(pen, (left + 38, 165), text, ink, 12, anchor="mm")
    what = f"{'an' if kind == 'error' else 'a'} {kind}"
    return Drawn(
        picture,
        (f"a screenshot of {what} dialog", "a dialog box with an OK and a Cancel button",
         f"a computer window with {what} message"),
    )  # fmt: skip


def _files(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank(SCREEN, theme.panel)
    width, height = SCREEN
    inside = draw_window(pen, (8, 8, width - 12, height - 12), theme, word(dice).capitalize())
    pen.rectangle((9, inside, 128, height - 13), fill=theme.panel)
    for place in range(8):
        ink = theme.accent if place == 1 else theme.ink
        write(pen, (26, inside + 14 + 24 * place), word(dice).capitalize(), ink, 12)
    for row in range(3):
        for column in range(5):
            left, top = 148 + 80 * column, inside + 20 + 96 * row
            if dice.random() < 0.7:
                pen.rounded_rectangle((left, top + 4, left + 22, top + 14), 3, fill=(240, 190, 80))
                pen.rounded_rectangle((left, top + 9, left + 50, top + 44), 4, fill=(250, 206, 105))
            else:
                pen.rectangle(
                    (left + 8, top, left + 42, top + 44), fill="white", outline=theme.line
                )
                for line in range(4):
                    pen.line((left + 14, top + 10 + 8 * line, left + 36, top + 10 + 8 * line),
                             fill=(170, 172, 180))  # fmt: skip
            write(pen, (left + 25, top + 56), word(dice), theme.ink, 11, anchor="mm")
    return Drawn(
        picture,
        ("a screenshot of a file manager with folders", "a window full of folder icons",
         f"a file browser in a {theme.name} theme"),
    )  # fmt: skip


def _form(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank((400, 400), blend(theme.panel, theme.accent, 0.15))
    pen.rounded_rectangle((60, 40, 340, 360), 10, fill=theme.paper, outline=theme.line)
    login = bool(dice.random() < 0.6)
    write(pen, (200, 80), "Sign in" if login else "Contact us", theme.ink, 22, "bold", "mm")
    fields = ("Email", "Password") if login else ("Name", "Email", "Message")
    top = 112
    for name in fields:
        write(pen, (84, top), name, theme.faint, 12)
        deep = 58 if name == "Message" else 28
        pen.rounded_rectangle((84, top + 17, 316, top + 17 + deep), 4, fill=theme.panel,
                              outline=theme.line)  # fmt: skip
        shown = "•" * between(dice, 6, 12) if name == "Password" else word(dice)
        write(pen, (92, top + 24), shown, theme.ink, 12)
        top += deep + 30
    pen.rounded_rectangle((84, 300, 316, 332), 5, fill=theme.accent)
    write(pen, (200, 316), "Log in" if login else "Send", (255, 255, 255), 14, "bold", "mm")
    what = "login" if login else "contact"
    return Drawn(
        picture,
        (f"a screenshot of a {what} form", f"a {what} page with text fields and a button",
         f"a simple web form, {theme.name} theme"),
    )  # fmt: skip


def _settings(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank(PHONE, theme.panel)
    width, height = PHONE
    write(pen, (14, 8), f"{between(dice, 8, 22)}:{between(dice, 10, 59)}", theme.ink, 11, "bold")
    pen.rounded_rectangle((width - 38, 9, width - 16, 19), 3, outline=theme.ink)
    write(pen, (18, 42), "Settings", theme.ink, 24, "bold")
    for place in range((height - 90) // 46):
        top = 84 + 46 * place
        pen.rectangle((0, top, width, top + 45), fill=theme.paper, outline=theme.line)
        pen.rounded_rectangle((16, top + 10, 40, top + 34), 6, fill=COLORS[pick(dice, VIVID)])
        write(pen, (54, top + 22), word(dice).capitalize(), theme.ink, 14, anchor="lm")
        if dice.random() < 0.5:
            on = dice.random() < 0.5
            fill = COLORS["green"] if on else theme.line
            pen.rounded_rectangle((width - 58, top + 12, width - 18, top + 34), 11, fill=fill)
            knob = width - 39 if on else width - 57
            pen.ellipse((knob, top + 13, knob + 20, top + 33), fill="white")
        else:
            write(pen, (width - 22, top + 22), "›", theme.faint, 18, anchor="mm")
    return Drawn(
        picture,
        ("a screenshot of the settings of a phone", "a list of settings with switches on a phone",
         f"a mobile settings screen, {theme.name} theme"),
    )  # fmt: skip
