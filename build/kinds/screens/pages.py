"""Pages of text: an article, a web page, a page of a book, a receipt, a slide."""

from unprompt.build.kinds.canvas import (
    COLORS,
    VIVID,
    Dice,
    Drawn,
    between,
    blank,
    blend,
    choose_theme,
    pick,
    write,
    write_block,
)
from unprompt.build.kinds.words import paragraph, sentence, title, word

PAPERS = ((255, 255, 255), (252, 250, 244), (246, 238, 220))
INK = (40, 38, 36)


def draw_page(dice: Dice) -> Drawn:
    """Draw one of the pages."""
    return pick(dice, (_article, _book, _web, _receipt, _slide))(dice)


def _article(dice: Dice) -> Drawn:
    picture, pen = blank((420, 560), pick(dice, PAPERS))
    write(pen, (210, 48), title(dice, 3), INK, 20, "serif bold", "mm")
    write(
        pen, (210, 76), word(dice, "names") + " and " + word(dice, "names"), INK, 11, "serif", "mm"
    )
    columns = between(dice, 1, 2)
    for column in range(columns):
        left = 40 + 175 * column
        right = left + (340 if columns == 1 else 160)
        top = 104.0
        while top < 500:
            write(pen, (left, top), title(dice), INK, 12, "serif bold")
            top = write_block(
                pen, (left, top + 20, right, 530), paragraph(dice, 5), INK, 10, "serif"
            )
            top += 12
    how = "two columns" if columns == 2 else "one column"
    return Drawn(
        picture,
        ("a page of a printed article", f"a scientific paper with text in {how}",
         "a document full of text"),
    )  # fmt: skip


def _book(dice: Dice) -> Drawn:
    picture, pen = blank((360, 520), pick(dice, PAPERS))
    top = 50.0
    if dice.random() < 0.5:
        write(pen, (180, 80), f"Chapter {between(dice, 1, 30)}", INK, 18, "serif bold", "mm")
        top = 130.0
    while top < 450:
        text = "    " + paragraph(dice, between(dice, 2, 5))
        top = write_block(pen, (44, top, 316, 480), text, INK, 12, "serif") + 4
    write(pen, (180, 498), str(between(dice, 2, 400)), INK, 11, "serif", "mm")
    return Drawn(
        picture,
        ("a page of a book", "a book page with black text", "a scanned page of printed text"),
    )


def _web(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank((560, 420), theme.paper)
    pen.rectangle((0, 0, 560, 34), fill=theme.panel)
    pen.rounded_rectangle((90, 7, 540, 27), 10, fill=theme.paper, outline=theme.line)
    write(
        pen, (104, 17), f"https://{word(dice)}.example/{word(dice)}", theme.faint, 11, anchor="lm"
    )
    for place, mark in enumerate("‹›↻"):
        write(pen, (18 + 22 * place, 17), mark, theme.ink, 15, anchor="mm")
    pen.rectangle((0, 34, 560, 66), fill=theme.accent)
    write(pen, (20, 50), word(dice).upper(), (255, 255, 255), 14, "bold", "lm")
    for place in range(4):
        write(
            pen, (300 + 64 * place, 50), word(dice).capitalize(), (255, 255, 255), 11, anchor="lm"
        )
    write(pen, (280, 106), title(dice, 3), theme.ink, 26, "bold", "mm")
    write(pen, (280, 138), sentence(dice), theme.faint, 11, anchor="mm")
    for place in range(3):
        left = 24 + 176 * place
        pen.rounded_rectangle((left, 170, left + 160, 396), 6, fill=theme.panel, outline=theme.line)
        pen.rectangle((left, 176, left + 160, 260), fill=COLORS[pick(dice, VIVID)])
        write(pen, (left + 10, 270), title(dice), theme.ink, 13, "bold")
        text = paragraph(dice, 2)
        write_block(pen, (left + 10, 292, left + 150, 390), text, theme.faint, 10)
    return Drawn(
        picture,
        (f"a screenshot of a website in a {theme.name} theme", "a web page with three cards",
         "a browser window with a simple website"),
    )  # fmt: skip


def _receipt(dice: Dice) -> Drawn:
    picture, pen = blank((280, 480), (250, 249, 246))
    write(pen, (140, 36), title(dice).upper(), INK, 15, "mono bold", "mm")
    date = f"{between(dice, 1, 28)}.{between(dice, 1, 12)}.20{between(dice, 10, 26)}"
    write(pen, (140, 60), date, INK, 11, "mono", "mm")
    total, top = 0.0, 92
    for _ in range(between(dice, 5, 12)):
        price = between(dice, 50, 3000) / 100
        total += price
        write(pen, (24, top), word(dice), INK, 12, "mono")
        write(pen, (256, top), f"{price:.2f}", INK, 12, "mono", "ra")
        top += 22
    pen.line((24, top + 4, 256, top + 4), fill=INK)
    write(pen, (24, top + 14), "TOTAL", INK, 15, "mono bold")
    write(pen, (256, top + 14), f"{total:.2f}", INK, 15, "mono bold", "ra")
    return Drawn(
        picture,
        ("a receipt of a shop", "a printed receipt with prices and a total", "a paper bill"),
    )


def _slide(dice: Dice) -> Drawn:
    color = pick(dice, (*VIVID, "navy blue", "white"))
    paper = COLORS[color]
    ink = INK if color == "white" else (255, 255, 255)
    picture, pen = blank((512, 288), paper)
    pen.rectangle((0, 0, 512, 8), fill=blend(paper, INK, 0.4))
    write(pen, (40, 52), title(dice, 3), ink, 26, "bold", "lm")
    for place in range(between(dice, 3, 5)):
        top = 108 + 32 * place
        pen.ellipse((44, top - 4, 52, top + 4), fill=ink)
        text = f"{word(dice, 'adjectives')} {word(dice)} {word(dice, 'verbs')} the {word(dice)}"
        write(pen, (66, top), text, ink, 15, anchor="lm")
    return Drawn(
        picture,
        ("a presentation slide with bullet points", f"a {color} slide with a title and a list",
         "a slide of a presentation"),
    )  # fmt: skip
