"""The story of a run on stderr: live on a terminal, plain lines anywhere else. Results go to stdout, not through here.

Both renderers are callables that take events; several threads may call them. On a terminal the last lines are live
(bars, the current step, what is waited for), redrawn at most ten times a second with the width asked anew each time;
elsewhere (a pipe, ``TERM=dumb``) progress is a line each 10 s or 10 %.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from sdcupgrade.model import Verdict
from sdcupgrade.ui import words
from sdcupgrade.ui.bar import Bar

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from typing import Optional, TextIO, Union

    from sdcupgrade.doors.clock import Clock
    from sdcupgrade.model import Event

    Terminal = Union["Live", "Plain"]

REDRAW_S = 0.1
PLAIN_S = 10.0
AGAIN_S = 60.0
MOST_BARS = 8
GREEN, YELLOW, RED = "32", "33", "31"


@dataclass(frozen=True)
class Style:
    """What the terminal can show."""

    unicode: bool = False
    colour: bool = False

    def mark(self, verdict: Verdict) -> str:
        """The sign of a verdict, coloured where that is possible."""
        signs = {Verdict.DONE: ("\u2713", "ok", GREEN), Verdict.ALREADY: ("=", "==", GREEN)}
        fancy, simple, colour = signs.get(verdict, ("\u2717", "FAILED", RED))
        if verdict is Verdict.SKIPPED:
            fancy, simple, colour = "-", "--", YELLOW
        return self.paint(fancy if self.unicode else simple, colour)

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text


def terminal(environ: Mapping[str, str], clock: Clock, stream: TextIO) -> Terminal:
    """The renderer that fits *stream* and the environment (TERM, NO_COLOR, the locale)."""
    unicode = _is_utf8(environ, stream)
    if not stream.isatty() or environ.get("TERM", "") in ("", "dumb"):
        return Plain(stream, clock, Style(unicode=False))
    return Live(stream, clock, Style(unicode, colour=not environ.get("NO_COLOR")), _width)


def _is_utf8(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Serial consoles run in the C locale: there only ASCII is safe, whatever Python's own encoding says."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    encoding = (getattr(stream, "encoding", "") or "").lower().replace("-", "")
    return "utf8" in locale.lower().replace("-", "") and encoding == "utf8"


def _width() -> int:
    """Columns of stderr (shutil's function looks at stdout, and at COLUMNS first)."""
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80


class Plain:
    """One line for each thing that happens; progress and waiting at most each 10 s, a quick step only when done."""

    def __init__(self, stream: TextIO, clock: Clock, style: Style) -> None:
        self._stream = stream
        self._clock = clock
        self._style = style
        self._bars: dict[str, tuple[Bar, float, int]] = {}
        self._waits: dict[str, tuple[str, float]] = {}
        self._held = ""
        self._complete = _Complete()
        self._lock = _lock()

    def __call__(self, event: Event) -> None:
        event = _on_one_line(event)
        with self._lock:
            if event.kind == "progress":
                self._progress(event)
            elif event.kind == "waiting":
                self._wait(event)
            elif event.kind == "started" and event.detail.get("quick"):
                self._held = _sentence(event, self._style)
            else:
                if event.kind == "verdict":
                    self._held = ""
                self._say(_sentence(event, self._style))

    def _say(self, line: str) -> None:
        """Write it; the announcement of a quick step only now, when something comes between it and its verdict."""
        held, self._held = self._held, ""
        write(self._stream, f"{held}\n{line}\n" if held else f"{line}\n")

    def clear(self) -> None:
        """Nothing is live here."""

    def _progress(self, event: Event) -> None:
        if self._complete.known(event):
            return
        now = self._clock.monotonic()
        bar, said, percent = self._bars.get(event.what) or (Bar(event, now), now, 0)
        bar.feed(event, now)
        if bar.complete or now - said >= PLAIN_S or (bar.percent - percent >= 10 and now - said >= 1):
            self._say(f"  {bar.label}: {bar.facts().strip()}")
            said, percent = now, bar.percent
        self._bars[event.what] = (bar, said, percent)
        if bar.complete:
            del self._bars[event.what]

    def _wait(self, event: Event) -> None:
        now = self._clock.monotonic()
        text, said = self._waits.get(event.what, ("", now - AGAIN_S))
        if now - said >= (AGAIN_S if text == event.text else PLAIN_S):
            self._say(f"    {event.text}")
            self._waits[event.what] = (event.text, now)


class Live:
    """Lines that stay, and below them a few that are drawn anew."""

    def __init__(self, stream: TextIO, clock: Clock, style: Style, width: Callable[[], int]) -> None:
        self._stream = stream
        self._clock = clock
        self._style = style
        self._width = width
        self._bars: dict[str, Bar] = {}
        self._step: Optional[tuple[str, float]] = None
        self._wait = ""
        self._drawn = 0
        self._last_draw = -REDRAW_S
        self._complete = _Complete()
        self._lock = _lock()

    def __call__(self, event: Event) -> None:
        event = _on_one_line(event)
        with self._lock:
            line = self._take(event)
            if line is not None:
                self._erase()
                write(self._stream, line + "\n")
            if line is not None or self._clock.monotonic() - self._last_draw >= REDRAW_S:
                self._draw()

    def clear(self) -> None:
        """Take the live lines away: before a question, and at the end."""
        with self._lock:
            self._bars.clear()
            self._step, self._wait = None, ""
            self._erase()
            self._stream.flush()

    def _take(self, event: Event) -> Optional[str]:
        """Update what is live; the line that stays, if the event leaves one."""
        now = self._clock.monotonic()
        if event.kind == "progress":
            return self._progress(event, now)
        if event.kind == "waiting":
            self._wait = event.text
            return None
        if event.kind == "started" and "service" in event.detail:
            self._step, self._wait = (event.text, now), ""
            return None
        if event.kind == "verdict":
            self._step, self._wait = None, ""
        return _sentence(event, self._style)

    def _progress(self, event: Event, now: float) -> Optional[str]:
        if self._complete.known(event):
            return None
        bar = self._bars.setdefault(event.what, Bar(event, now))
        bar.feed(event, now)
        if not bar.complete:
            return None
        del self._bars[event.what]
        return f"  {bar.label}: {bar.facts().strip()}"

    def _lines(self, width: int) -> list[str]:
        bars = list(self._bars.values())
        lines = [bar.line(width, self._style.unicode) for bar in bars[:MOST_BARS]]
        if len(bars) > MOST_BARS:
            lines.append(f"  ... and {len(bars) - MOST_BARS} more")
        if self._step is not None:
            text, since = self._step
            lines.append(f"  > {text} ({words.duration(self._clock.monotonic() - since)})")
        if self._wait:
            lines.append(f"    {self._wait}")
        return [line[:width] for line in lines]

    def _draw(self) -> None:
        lines = self._lines(max(1, self._width() - 1))
        self._erase()
        write(self._stream, "".join(f"{line}\n" for line in lines))
        self._drawn = len(lines)
        self._last_draw = self._clock.monotonic()

    def _erase(self) -> None:
        if self._drawn:
            write(self._stream, f"\x1b[{self._drawn}A\r\x1b[J")
            self._drawn = 0


class _Complete:
    """What came to its end already: a second event that says so is passed over."""

    def __init__(self) -> None:
        self._subjects: set[str] = set()

    def known(self, event: Event) -> bool:
        """Whether *event* tells of an end that was told before."""
        if not 0 < event.total <= event.done:
            self._subjects.discard(event.what)
            return False
        known = event.what in self._subjects
        self._subjects.add(event.what)
        return known


def _on_one_line(event: Event) -> Event:
    """*event* with a text of one line, whatever a program said in it."""
    return replace(event, text=words.one_line(event.text))


def _sentence(event: Event, style: Style) -> str:
    """The line that a started, verdict, note or warning leaves; those of a step are indented below its service."""
    indent = "  " if "service" in event.detail else ""
    if event.verdict is not None:
        took = f" ({words.duration(event.seconds)})" if event.seconds >= 0.05 else ""
        return f"{indent}{style.mark(event.verdict)} {event.text}{took}"
    if event.kind == "warning":
        return f"{indent}{style.paint('warning', YELLOW)}: {event.text}"
    return f"{indent}{event.text}"


def _lock() -> threading.Lock:
    import threading

    return threading.Lock()


def write(stream: TextIO, text: str) -> None:
    """A terminal that cannot show a character gets a question mark, not an exception."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
