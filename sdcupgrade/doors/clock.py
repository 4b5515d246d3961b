"""The door to time."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Clock(Protocol):
        """Tells the time and waits."""

        def time(self) -> float:
            """Seconds since the epoch."""

        def monotonic(self) -> float:
            """Seconds that never go back; for deadlines and durations."""

        def sleep(self, seconds: float) -> None:
            """Wait; the only way anything in sdcupgrade waits."""


def iso(seconds: float) -> str:
    """``2026-01-02T03:04:05.678Z`` of *seconds* since the epoch."""
    whole = int(seconds // 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1000):03d}Z"


def stamp(seconds: float) -> str:
    """``20260102T030405Z``: for names of files."""
    return iso(seconds)[:19].replace("-", "").replace(":", "") + "Z"


class RealClock:
    """The machine's own clock."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))
