"""Tables: a spreadsheet, a table of numbers, a month of a calendar."""

from unprompt.build.kinds.canvas import (
    Dice,
    Drawn,
    between,
    blank,
    blend,
    choose_theme,
    pick,
    write,
)
from unprompt.build.kinds.words import title, word

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def draw_table(dice: Dice) -> Drawn:
    """Draw one of the tables."""
    return pick(dice, (_spreadsheet, _report, _calendar))(dice)


def _spreadsheet(dice: Dice) -> Drawn:
    theme = choose_theme(dice, dark=0.2)
    picture, pen = blank((560, 380), theme.paper)
    pen.rectangle((0, 0, 560, 30), fill=theme.accent)
    write(pen, (14, 15), title(dice), (255, 255, 255), 13, "bold", "lm")
    pen.rectangle((0, 30, 560, 48), fill=theme.panel)
    pen.rectangle((0, 30, 34, 380), fill=theme.panel)
    for column in range(7):
        left = 34 + 76 * column
        write(pen, (left + 38, 39), "ABCDEFG"[column], theme.faint, 11, anchor="mm")
        pen.line((left, 30, left, 380), fill=theme.line)
    filled = between(dice, 6, 17)
    for row in range(18):
        top = 48 + 18 * row
        pen.line((0, top, 560, top), fill=theme.line)
        write(pen, (17, top + 9), str(row + 1), theme.faint, 10, anchor="mm")
        for column in range(7 if row < filled else 0):
            left = 34 + 76 * column
            if row == 0 or column == 0:
                write(pen, (left + 5, top + 9), word(dice), theme.ink, 11, "bold", "lm")
            else:
                number = f"{between(dice, 0, 99999) / 100:,.2f}"
                write(pen, (left + 71, top + 9), number, theme.ink, 10, anchor="rm")
    row, column = between(dice, 1, 10), between(dice, 1, 5)
    left, top = 34 + 76 * column, 48 + 18 * row
    pen.rectangle((left, top, left + 76, top + 18), outline=theme.accent, width=2)
    return Drawn(
        picture,
        (
            "a screenshot of a spreadsheet",
            "a spreadsheet full of numbers",
            "rows and columns of data",
        ),
    )


def _report(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    rows, columns = between(dice, 5, 10), between(dice, 3, 5)
    width, height = 480, 90 + 30 * rows
    picture, pen = blank((width, height), theme.paper)
    write(pen, (24, 32), title(dice, 3), theme.ink, 18, "bold", "lm")
    step = (width - 48) / columns
    for row in range(rows):
        top = 60 + 30 * row
        fill = theme.accent if row == 0 else theme.panel if row % 2 else theme.paper
        pen.rectangle((24, top, width - 24, top + 30), fill=fill, outline=theme.line)
        for column in range(columns):
            left = 34 + step * column
            ink = (255, 255, 255) if row == 0 else theme.ink
            text = (
                word(dice).capitalize() if row == 0 or column == 0 else f"{between(dice, 0, 999)}"
            )
            write(pen, (left, top + 15), text, ink, 12, "bold" if row == 0 else "sans", "lm")
    return Drawn(
        picture,
        ("a table with a colored header", f"a table with {columns} columns of numbers",
         f"a data table in a {theme.name} theme"),
    )  # fmt: skip


def _calendar(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank((420, 380), theme.paper)
    month = pick(dice, MONTHS)
    write(pen, (210, 36), f"{month} 20{between(dice, 20, 30)}", theme.ink, 22, "bold", "mm")
    first, count = between(dice, 0, 6), between(dice, 28, 31)
    today = between(dice, 1, 28)
    for column, name in enumerate(DAYS):
        write(pen, (48 + 54 * column, 76), name, theme.faint, 12, "bold", "mm")
    for day in range(1, count + 1):
        place = first + day - 1
        x, y = 48 + 54 * (place % 7), 108 + 44 * (place // 7)
        if day == today:
            pen.ellipse((x - 17, y - 17, x + 17, y + 17), fill=theme.accent)
        if dice.random() < 0.2:
            pen.ellipse((x - 3, y + 16, x + 3, y + 22), fill=blend(theme.accent, theme.ink, 0.2))
        ink = (255, 255, 255) if day == today else theme.ink
        write(pen, (x, y), str(day), ink, 14, anchor="mm")
    return Drawn(
        picture,
        (
            f"a calendar page of {month}",
            "a month of a calendar",
            f"a {theme.name} calendar on a screen",
        ),
    )
