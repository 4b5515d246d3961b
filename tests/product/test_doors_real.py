"""The real doors follow the environment."""

from __future__ import annotations

import pathlib
import time

import pytest
from http_stage import stage

from sdcupgrade.doors.clock import RealClock, iso, stamp
from sdcupgrade.doors.real import open_log, real_doors
from sdcupgrade.errors import CommandFailed
from sdcupgrade.log import NullLog


def test_everything_is_below_the_root(tmp_path: pathlib.Path) -> None:
    doors = real_doors({"SDCUPGRADE_ROOT": str(tmp_path), "PATH": "/usr/bin:/bin"}, NullLog())
    doors.files.write("/var/x", b"x")
    assert (tmp_path / "var/x").read_bytes() == b"x"
    assert doors.run.run(["cat", doors.files.real("/var/x")]).stdout == "x"


def test_the_admin_proxy_is_for_the_datacenter_only(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with stage() as proxy, stage() as server:
        environ = {"SDCUPGRADE_ROOT": str(tmp_path), "SDCUPGRADE_ADMIN_PROXY": proxy.url}
        doors = real_doors(environ, NullLog())
        doors.admin.request("GET", "http://sapi.coal/")
        doors.web.request("GET", server.url)
    assert (len(proxy.asked), len(server.asked)) == (1, 1)


def test_every_call_is_logged(tmp_path: pathlib.Path) -> None:
    environ = {"SDCUPGRADE_ROOT": str(tmp_path), "PATH": "/usr/bin:/bin"}
    log = open_log(environ, "check")
    doors = real_doors(environ, log)
    doors.run.run(["true"])
    with pytest.raises(CommandFailed):
        doors.run.run(["no-such-program"])
    with stage() as server:
        doors.admin.request("GET", server.url)
    log.close()
    text = (tmp_path / log.path[1:]).read_text()
    assert [word for word in ("exited 0", "there is no such program", "http GET: 200") if word in text] == [
        "exited 0", "there is no such program", "http GET: 200",
    ]


def test_times_as_text() -> None:
    assert iso(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
    assert stamp(1_700_000_000.25) == "20231114T221320Z"


def test_the_real_clock_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    clock = RealClock()
    assert clock.time() > 1_700_000_000
    assert clock.monotonic() <= clock.monotonic()
    clock.sleep(-1)
    assert slept == [0.0]
