"""The story of a run: live on a terminal, plain lines elsewhere, never an exception because of a character."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from product_fakes import FakeClock

from sdcupgrade.model import Event, Verdict
from sdcupgrade.ui.terminal import Live, Plain, Style, _width, terminal

if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.ui.terminal import Terminal

STEP = {"service": "imgapi"}


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Screen:
    """What a person sees after all the escape sequences: lines, and colours left out."""

    def __init__(self, text: str) -> None:
        self.lines: list[str] = [""]
        for part in re.split(r"(\n|\r|\x1b\[\d*[A-Za-z])", text):
            self._take(part)

    def _take(self, part: str) -> None:
        if part == "\n":
            self.lines.append("")
        elif part.endswith("A") and part.startswith("\x1b"):
            up = int(part[2:-1])
            self.lines, self.below = self.lines[:-up], self.lines[-up:]
        elif part == "\x1b[J":
            self.lines[-1] = ""
        elif part and not part.startswith("\x1b") and part != "\r":
            self.lines[-1] += part


def _live(stream: io.StringIO, clock: FakeClock, width: int = 100, unicode: bool = False) -> Live:
    return Live(stream, clock, Style(unicode=unicode), lambda: width)


def _progress(done: int, what: str = "imgapi", total: int = 100 << 20) -> Event:
    return Event("progress", what, f"{what} 1.2.3", done, total)


@pytest.mark.parametrize(
    ("environ", "tty", "live"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({}, True, False),
    ],
)
def test_which_renderer_fits(environ: dict[str, str], tty: bool, live: bool) -> None:
    stream = Tty() if tty else io.StringIO()
    assert isinstance(terminal(environ, FakeClock(), stream), Live) == live


@pytest.mark.parametrize(
    ("environ", "mark"),
    [
        ({"LANG": "en_US.UTF-8"}, "\x1b[32m\u2713\x1b[0m"),
        ({"LANG": "en_US.UTF-8", "NO_COLOR": "1"}, "\u2713"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, "\x1b[32mok\x1b[0m"),
        ({}, "\x1b[32mok\x1b[0m"),
    ],
)
def test_marks_follow_locale_and_no_color(environ: dict[str, str], mark: str) -> None:
    stream = Tty()
    terminal({"TERM": "xterm", **environ}, FakeClock(), stream)(Event("verdict", "x", "fine", verdict=Verdict.DONE))
    assert stream.getvalue() == f"{mark} fine\n"


def test_a_verdict_has_its_duration() -> None:
    stream = io.StringIO()
    plain = Plain(stream, FakeClock(), Style())
    plain(Event("verdict", "imgapi", "imgapi: upgrade done", seconds=125, verdict=Verdict.DONE))
    plain(Event("verdict", "x", "vmadm exited 1", seconds=3, verdict=Verdict.FAILED, detail=STEP))
    assert stream.getvalue() == "ok imgapi: upgrade done (2 min 05 s)\n  FAILED vmadm exited 1 (3.0 s)\n"


def test_notes_and_warnings() -> None:
    stream = io.StringIO()
    plain = Plain(stream, FakeClock(), Style())
    plain(Event("note", "x", "using channel dev"))
    plain(Event("warning", "x", "the log cannot be written"))
    plain(Event("started", "imgapi.zone", "reprovision imgapi0", detail=STEP))
    assert stream.getvalue() == "using channel dev\nwarning: the log cannot be written\n  reprovision imgapi0\n"


QUICK: dict[str, Json] = {"service": "imgapi", "quick": True}


def test_a_quick_step_is_one_line() -> None:
    stream = io.StringIO()
    plain = Plain(stream, FakeClock(), Style())
    plain(Event("started", "imgapi.quota", "set the quota", detail=QUICK))
    plain(Event("verdict", "imgapi.quota", "set the quota", seconds=0.1, verdict=Verdict.DONE, detail=STEP))
    assert stream.getvalue() == "  ok set the quota (0.1 s)\n"


def test_a_quick_step_that_waits_is_announced_first() -> None:
    stream = io.StringIO()
    plain = Plain(stream, FakeClock(), Style())
    plain(Event("started", "imgapi.quota", "set the quota", detail=QUICK))
    plain(Event("waiting", "imgapi.quota", "waiting for vmadm"))
    assert stream.getvalue() == "  set the quota\n    waiting for vmadm\n"


@pytest.mark.parametrize("kind", [Plain, _live])
def test_an_end_is_told_once(kind: Callable[..., Terminal]) -> None:
    stream = io.StringIO()
    show = kind(stream, FakeClock(), *([Style()] if kind is Plain else []))
    for _ in range(3):
        show(_progress(100 << 20))
    assert stream.getvalue().count("100%") == 1
    show(_progress(0))
    show(_progress(100 << 20))
    assert Screen(stream.getvalue()).lines[-2].count("100%") == 1


def test_plain_progress_is_a_line_each_ten_percent() -> None:
    stream, clock = io.StringIO(), FakeClock()
    plain = Plain(stream, clock, Style())
    for percent in range(101):
        plain(_progress(percent << 20))
        clock.sleep(0.2)
    assert [line.split()[2] for line in stream.getvalue().splitlines()] == [f"{n}%" for n in range(10, 101, 10)]


def test_plain_progress_is_a_line_each_ten_seconds() -> None:
    stream, clock = io.StringIO(), FakeClock()
    plain = Plain(stream, clock, Style())
    for second in range(60):
        plain(_progress(second))
        clock.sleep(1)
    assert len(stream.getvalue().splitlines()) == 5


def test_plain_waiting_repeats_itself_once_a_minute() -> None:
    stream, clock = io.StringIO(), FakeClock()
    plain = Plain(stream, clock, Style())
    for _ in range(100):
        plain(Event("waiting", "imgapi.wait", "waiting for setup_complete"))
        clock.sleep(1)
    assert stream.getvalue() == "    waiting for setup_complete\n" * 2


def test_characters_the_stream_cannot_show() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    Plain(stream, FakeClock(), Style())(Event("note", "x", "caf\u00e9 \udce9"))
    assert raw.getvalue() == b"caf? ?\n"


def test_a_bar_has_rate_and_time_left() -> None:
    stream, clock = Tty(), FakeClock()
    live = _live(stream, clock)
    live(_progress(0))
    clock.sleep(2)
    live(_progress(20 << 20))
    line = Screen(stream.getvalue()).lines[-2]
    assert "20%" in line
    assert "20.0 MiB of 100.0 MiB  10.0 MiB/s  8.0 s left" in line
    assert re.search(r"\[#+\.+\]", line)


def test_bars_are_redrawn_ten_times_a_second_at_most() -> None:
    stream, clock = Tty(), FakeClock()
    live = _live(stream, clock)
    for number in range(1000):
        live(_progress(number))
        clock.sleep(0.01)
    assert 90 <= stream.getvalue().count("imgapi 1.2.3") <= 101


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("unicode", [False, True])
def test_no_live_line_is_wider_than_the_terminal(width: int, unicode: bool) -> None:
    stream, clock = Tty(), FakeClock()
    live = _live(stream, clock, width, unicode)
    live(Event("started", "imgapi.zone", "reprovision " + "x" * 300, detail=STEP))
    live(Event("waiting", "imgapi.zone", "waiting for " + "x" * 300))
    clock.sleep(1)
    live(_progress(20 << 20))
    assert max(len(line) for line in Screen(stream.getvalue()).lines) <= width - 1


def test_a_finished_bar_becomes_a_line() -> None:
    stream, clock = Tty(), FakeClock()
    live = _live(stream, clock)
    live(_progress(0, "imgapi"))
    live(_progress(0, "adminui"))
    clock.sleep(1)
    live(_progress(100 << 20, "imgapi"))
    lines = Screen(stream.getvalue()).lines
    assert lines[0] == "  imgapi 1.2.3: 100%  100.0 MiB of 100.0 MiB"
    assert lines[1].startswith("  adminui 1.2.3")
    assert lines[2:] == [""]


def test_more_bars_than_fit_are_counted() -> None:
    stream, clock = Tty(), FakeClock()
    live = _live(stream, clock)
    for number in range(12):
        clock.sleep(1)
        live(_progress(0, f"image{number}"))
    assert Screen(stream.getvalue()).lines[-2] == "  ... and 4 more"


def test_the_current_step_and_its_wait_are_live() -> None:
    stream, clock = Tty(), FakeClock()
    live = _live(stream, clock)
    live(Event("started", "imgapi.wait", "wait for imgapi0", detail=STEP))
    clock.sleep(12)
    live(Event("waiting", "imgapi.wait", "setup_complete is not there yet"))
    assert Screen(stream.getvalue()).lines == ["  > wait for imgapi0 (12 s)", "    setup_complete is not there yet", ""]


def test_a_verdict_takes_the_place_of_its_step() -> None:
    stream, clock = Tty(), FakeClock()
    live = _live(stream, clock)
    live(Event("started", "imgapi", "upgrade imgapi"))
    live(Event("started", "imgapi.wait", "wait for imgapi0", detail=STEP))
    clock.sleep(1)
    live(Event("waiting", "imgapi.wait", "not yet"))
    live(Event("verdict", "imgapi.wait", "wait for imgapi0", seconds=12, verdict=Verdict.DONE, detail=STEP))
    assert Screen(stream.getvalue()).lines == ["upgrade imgapi", "  ok wait for imgapi0 (12 s)", ""]


def test_clearing_takes_live_lines_away() -> None:
    stream, clock = Tty(), FakeClock()
    live = _live(stream, clock)
    live(_progress(0))
    live.clear()
    live(Event("note", "x", "and on"))
    assert Screen(stream.getvalue()).lines == ["and on", ""]


def test_counts_are_not_bytes() -> None:
    stream, clock = io.StringIO(), FakeClock()
    Plain(stream, clock, Style())(Event("progress", "nodes", "nodes asked", 7, 7, detail={"unit": "count"}))
    assert stream.getvalue() == "  nodes asked: 100%  7 of 7\n"


def test_the_width_is_that_of_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def size(descriptor: int) -> os.terminal_size:
        asked.append(descriptor)
        return os.terminal_size((133, 40))

    monkeypatch.setattr(os, "get_terminal_size", size)
    assert (_width(), asked) == (133, [2])


def test_a_terminal_without_size_has_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(descriptor: int) -> os.terminal_size:
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", none)
    assert _width() == 80
