"""Messages on a phone: a chat, a list of mails."""

from unprompt.build.kinds.canvas import (
    COLORS,
    VIVID,
    Dice,
    Drawn,
    between,
    blank,
    choose_theme,
    pick,
    wrap,
    write,
)
from unprompt.build.kinds.words import sentence, title, word, word_lists

PHONE = (288, 560)


def draw_chat(dice: Dice) -> Drawn:
    """Draw a chat or a list of mails."""
    return _mails(dice) if dice.random() < 0.3 else _chat(dice)


def _chat(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank(PHONE, theme.paper)
    width, height = PHONE
    pen.rectangle((0, 0, width, 48), fill=theme.panel)
    pen.ellipse((12, 8, 44, 40), fill=COLORS[pick(dice, VIVID)])
    name = word(dice, "names")
    write(pen, (28, 24), name[0], (255, 255, 255), 16, "bold", "mm")
    write(pen, (54, 24), name, theme.ink, 15, "bold", "lm")
    top = 60
    while top < height - 90:
        mine = bool(dice.random() < 0.5)
        text = pick(dice, word_lists()["chat"]) if dice.random() < 0.7 else sentence(dice)
        lines = wrap(text, 170, 12)
        wide = max(len(line) for line in lines) * 7 + 24
        deep = 16 * len(lines) + 14
        left = width - 12 - wide if mine else 12
        fill = theme.accent if mine else theme.panel
        pen.rounded_rectangle((left, top, left + wide, top + deep), 12, fill=fill)
        for place, line in enumerate(lines):
            ink = (255, 255, 255) if mine else theme.ink
            write(pen, (left + 12, top + 7 + 16 * place), line, ink, 12)
        top += deep + between(dice, 6, 14)
    pen.rounded_rectangle((12, height - 44, width - 56, height - 12), 16, outline=theme.line,
                          fill=theme.panel)  # fmt: skip
    write(pen, (28, height - 28), "Message", theme.faint, 12, anchor="lm")
    pen.ellipse((width - 46, height - 45, width - 12, height - 11), fill=theme.accent)
    return Drawn(
        picture,
        ("a screenshot of a chat on a phone", "a conversation in a messaging app",
         f"chat bubbles on a phone screen, {theme.name} theme"),
    )  # fmt: skip


def _mails(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank(PHONE, theme.paper)
    width, height = PHONE
    pen.rectangle((0, 0, width, 50), fill=theme.accent)
    write(pen, (18, 26), "Inbox", (255, 255, 255), 18, "bold", "lm")
    for place in range((height - 50) // 64):
        top = 50 + 64 * place
        pen.line((0, top + 64, width, top + 64), fill=theme.line)
        pen.ellipse((14, top + 14, 48, top + 48), fill=COLORS[pick(dice, VIVID)])
        name = word(dice, "names")
        write(pen, (31, top + 31), name[0], (255, 255, 255), 16, "bold", "mm")
        write(pen, (60, top + 10), name, theme.ink, 13, "bold")
        write(pen, (60, top + 27), title(dice), theme.ink, 11)
        write(pen, (60, top + 43), sentence(dice)[:32], theme.faint, 10)
        write(pen, (width - 12, top + 12), f"{between(dice, 1, 12)}:{between(dice, 10, 59)}",
              theme.faint, 10, anchor="ra")  # fmt: skip
    return Drawn(
        picture,
        ("a screenshot of an email inbox on a phone", "a list of emails", "a mail app on a phone"),
    )
