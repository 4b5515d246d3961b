"""The door to time."""

from __future__ import annotations

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
