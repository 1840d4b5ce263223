"""Seconds, days, bytes, counts and money -> short text for people."""

COUNTS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
BYTES = ((1e15, " PB"), (1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " kB"))
TIMES = ((86_400 * 365, " years"), (86_400, " days"), (3_600, " h"), (60, " min"), (1, " s"))


def show_count(value: float) -> str:
    """10600000 -> 10.6M."""
    return _scaled(value, COUNTS) or f"{value:.0f}"


def show_bytes(value: float) -> str:
    """1600000000000 -> 1.60 TB."""
    return _scaled(value, BYTES) or f"{value:.0f} B"


def show_time(seconds: float) -> str:
    """90 -> 1.50 min; 0.0021 -> 2.1 ms."""
    return _scaled(seconds, TIMES) or (f"{1000 * seconds:.3g} ms" if seconds > 0 else "0 s")


def show_days(days: float) -> str:
    """GPU-days: 245.37 -> 245; 1.4649 -> 1.46; 0.0003 -> <0.01."""
    return _three(days) if days >= 0.01 else "<0.01"


def show_money(value: float) -> str:
    """11776.4 -> $11,776; 3.5 -> $3.50."""
    return f"${value:,.0f}" if value >= 100 else f"${value:,.2f}"


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str | None:
    """The value in the largest unit that it reaches, None where it reaches none."""
    return next((f"{_three(value / scale)}{unit}" for scale, unit in units if value >= scale), None)


def _three(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
