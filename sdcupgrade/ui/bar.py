"""A progress bar as a line of text: how much, how fast over the last seconds, how long still."""

from __future__ import annotations

from sdcupgrade.ui import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.model import Event

WINDOW_S = 10.0
"""The rate is that of the last seconds: with the mean of all time a stalled download looks alive."""
LABEL = 28


class Bar:
    """The progress of one subject, fed with its events. Bytes, unless the event's detail says ``{"unit": "count"}``."""

    def __init__(self, event: Event, now: float) -> None:
        self._samples: list[tuple[float, int]] = []
        self.feed(event, now)

    def feed(self, event: Event, now: float) -> None:
        self.label = event.text or event.what
        self.done, self.total = event.done, event.total
        self._bytes = event.detail.get("unit") != "count"
        self._samples = [sample for sample in self._samples if sample[0] > now - WINDOW_S]
        self._samples.append((now, event.done))

    @property
    def complete(self) -> bool:
        return 0 < self.total <= self.done

    @property
    def percent(self) -> int:
        return min(100, 100 * self.done // self.total) if self.total else 0

    @property
    def rate(self) -> float:
        """Per second; 0 when nothing can be said yet."""
        (since, before), (now, done) = self._samples[0], self._samples[-1]
        return max(0.0, (done - before) / (now - since)) if now > since else 0.0

    def facts(self) -> str:
        """``45%  12.3 MiB of 27.0 MiB  3.2 MiB/s  0 min 04 s left``; no bar, for plain lines."""
        if not self._bytes:
            return f"{self.percent:3d}%  {self.done} of {self.total}"
        parts = [f"{self.percent:3d}%", f"{words.size(self.done)} of {words.size(self.total)}"]
        if self.rate and not self.complete:
            left = words.duration((self.total - self.done) / self.rate)
            parts += [f"{words.size(self.rate)}/s", f"{left} left"]
        return "  ".join(parts)

    def line(self, width: int, unicode: bool) -> str:
        """The whole line, at most *width* columns; the bar itself takes what the words leave, or goes."""
        label = f"  {self.label[:LABEL]:<{LABEL}}"
        facts = self.facts()
        room = width - len(label) - len(facts) - 6
        if room < 5:
            return f"{label} {facts}"[:width]
        filled = room * self.percent // 100
        full, empty = ("\u2588", "\u2591") if unicode else ("#", ".")
        return f"{label} [{full * filled}{empty * (room - filled)}] {facts}"
