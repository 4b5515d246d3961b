"""Numbers and foreign words as people read them."""

from __future__ import annotations

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: float) -> str:
    """``27.3 MiB`` of a number of bytes."""
    unit = 0
    while count >= 1023.95 and unit < len(UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.1f} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """``0.4 s``, ``43 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def plural(count: int, noun: str) -> str:
    """``1 service``, ``3 services``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def one_line(text: str) -> str:
    """*text* as one line that any terminal can show: lines joined by ``; ``, ``?`` for what cannot be printed."""
    lines = (line.strip() for line in text.expandtabs(1).splitlines())
    return "".join(char if char.isprintable() else "?" for char in "; ".join(line for line in lines if line))
