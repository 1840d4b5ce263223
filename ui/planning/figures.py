"""Figures as people read them: seconds, days, bytes, counts, money -> text."""

COUNTS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
BYTES = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
TIMES = ((86_400 * 365, "years"), (86_400, "days"), (3_600, "h"), (60, "min"), (1, "s"))


def show_count(value: float) -> str:
    """10600000 -> 10.6M."""
    for scale, letter in COUNTS[1:]:
        if value >= scale:
            return f"{_three(value / scale)}{letter}"
    return f"{value:.0f}"


def show_bytes(value: float) -> str:
    """1600000000000 -> 1.60 TB."""
    for scale, unit in BYTES:
        if value >= scale:
            return f"{_three(value / scale)} {unit}"
    return f"{value:.0f} B"


def show_time(seconds: float) -> str:
    """90 -> 1.5 min; a day and a half -> 1.5 days."""
    for scale, unit in TIMES:
        if seconds >= scale:
            return f"{_three(seconds / scale)} {unit}"
    return f"{1000 * seconds:.3g} ms" if seconds > 0 else "0 s"


def show_days(days: float) -> str:
    """GPU-days: 245.37 -> 245; 1.4649 -> 1.46; 0.0003 -> <0.01."""
    if days >= 100:
        return f"{days:,.0f}"
    return _three(days) if days >= 0.01 else "<0.01"


def show_money(value: float) -> str:
    """11776.4 -> $11,776; 3.5 -> $3.50."""
    return f"${value:,.0f}" if value >= 100 else f"${value:,.2f}"


def _three(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
