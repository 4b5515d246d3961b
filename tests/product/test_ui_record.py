"""Events in the log: what happened, but not every byte of progress."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from product_fakes import FakeClock, Heard, files_in

from sdcupgrade.log import Log
from sdcupgrade.model import Event, Verdict
from sdcupgrade.ui.record import logged


def _lines(folder: pathlib.Path, *events: Event) -> tuple[list[dict[str, Any]], Heard]:
    log, heard = Log(files_in(folder), FakeClock(), "upgrade"), Heard()
    emit = logged(heard, log)
    for event in events:
        emit(event)
    log.close()
    return [json.loads(line) for line in (folder / log.path[1:]).read_text().splitlines()], heard


def test_every_event_goes_on_to_the_terminal(tmp_path: pathlib.Path) -> None:
    events = [Event("progress", "x", "", 1, 2), Event("note", "x", "a")]
    assert _lines(tmp_path, *events)[1].events == events


def test_a_verdict_is_logged_with_its_duration(tmp_path: pathlib.Path) -> None:
    detail = {"service": "imgapi"}
    event = Event("verdict", "imgapi.zone", "reprovision", seconds=40, verdict=Verdict.DONE, detail=detail)
    (line,), _ = _lines(tmp_path, event)
    found = {key: line[key] for key in ("msg", "event", "what", "seconds", "verdict", "level")}
    assert found == {
        "msg": "reprovision", "event": "verdict", "what": "imgapi.zone", "seconds": 40, "verdict": "done", "level": 30,
    }
    assert line["detail"] == {"service": "imgapi"}


def test_failures_and_warnings_stand_out(tmp_path: pathlib.Path) -> None:
    lines, _ = _lines(
        tmp_path, Event("verdict", "x", "no", verdict=Verdict.FAILED), Event("warning", "x", "careful")
    )
    assert [line["level"] for line in lines] == [50, 40]


def test_of_progress_only_the_end(tmp_path: pathlib.Path) -> None:
    lines, _ = _lines(tmp_path, *(Event("progress", "x", str(done), done, 10) for done in range(11)))
    assert [line["msg"] for line in lines] == ["10"]


def test_of_waiting_only_what_is_new(tmp_path: pathlib.Path) -> None:
    lines, _ = _lines(tmp_path, *(Event("waiting", "x", text) for text in "aabba"))
    assert [line["msg"] for line in lines] == ["a", "b", "a"]
