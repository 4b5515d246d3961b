"""The product's doors onto a box in this process: errors as from the real doors, time-outs in the box's time."""

from __future__ import annotations

import pathlib

import pytest
from core_box import box, only
from mockdc.core import faults
from mockdc.core.clock import Crash
from mockdc.core.datacenter import Datacenter
from mockdc.faces import inprocess
from mockdc.faces.crash import crashing

from sdcupgrade.errors import CommandFailed, StorageError, Unreachable

FILE = "https://updates.example.com/images/4803c1cd-5882-9c48-bc2a-fc81c1429a89/file?channel=dev"


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return box(tmp_path)


def why(dc: Datacenter, url: str) -> str:
    with pytest.raises(Unreachable) as caught:
        inprocess.doors(dc).admin.request("GET", url)
    return caught.value.message


def test_services_answer_by_name_and_by_address(dc: Datacenter) -> None:
    ip = only(dc, "papi")["nics"][0]["ip"]
    admin = inprocess.doors(dc).admin
    assert [admin.request("GET", f"http://{host}/ping").status for host in ("papi.coal.example.com", ip)] == [200, 200]


def test_a_name_that_is_not_there(dc: Datacenter) -> None:
    assert "the name does not resolve" in why(dc, "http://cloudapi.coal.example.com/ping")


def test_without_binder_names_fail_but_addresses_work(dc: Datacenter) -> None:
    dc.stop(only(dc, "binder")["uuid"])
    ip = only(dc, "sapi")["nics"][0]["ip"]
    assert "does not resolve" in why(dc, "http://sapi.coal.example.com/ping")
    assert inprocess.doors(dc).admin.request("GET", f"http://{ip}/mode").status == 200


def test_a_stopped_service_refuses(dc: Datacenter) -> None:
    dc.stop(only(dc, "papi")["uuid"])
    assert "connection refused" in why(dc, "http://papi.coal.example.com/ping")


def test_a_degraded_service_answers_with_an_error(dc: Datacenter) -> None:
    dc.stop(only(dc, "moray")["uuid"])
    assert inprocess.doors(dc).admin.request("GET", "http://vmapi.coal.example.com/vms").status == 503


def test_a_service_that_hangs_costs_its_time_out(dc: Datacenter) -> None:
    faults.add(dc, "papi hang")
    before = dc.now()
    assert "timed out after 30 s" in why(dc, "http://papi.coal.example.com/ping")
    assert dc.now() == before + 30


def test_a_cut_answer_is_noticed(dc: Datacenter) -> None:
    faults.add(dc, "papi cut=3")
    assert "cut off after 3 bytes" in why(dc, "http://papi.coal.example.com/ping")


def test_a_cut_stream_simply_ends(dc: Datacenter) -> None:
    faults.add(dc, "updates GET /images/*/file cut=1000")
    with inprocess.doors(dc).web.stream(FILE) as stream:
        data = b"".join(iter(lambda: stream.read(300), b""))
    assert len(data) == 1000 and int(stream.headers["content-length"]) > 60000


def test_a_slow_stream_takes_time_and_a_stalled_one_breaks(dc: Datacenter) -> None:
    faults.add(dc, "updates GET rate=1000")
    before = dc.now()
    with inprocess.doors(dc).web.stream(FILE) as stream:
        stream.read(5000)
        assert dc.now() == pytest.approx(before + 5)
        with pytest.raises(Unreachable, match="timed out"):
            stream.read(50000)


def test_a_server_elsewhere_does_not_exist(dc: Datacenter) -> None:
    with pytest.raises(Unreachable, match="does not resolve"):
        inprocess.doors(dc).web.request("GET", "https://nowhere.example.com/")


def test_a_program_that_is_not_there(dc: Datacenter) -> None:
    with pytest.raises(CommandFailed, match="no such program"):
        inprocess.doors(dc).run.run(["no-such-program"])


def test_a_program_that_fails_says_so(dc: Datacenter) -> None:
    faults.add(dc, "sysinfo fail=3:broken")
    done = inprocess.doors(dc).run.run(["sysinfo"])
    assert (done.status, done.stderr) == (3, "broken\n")


def test_a_program_that_hangs_is_stopped(dc: Datacenter) -> None:
    faults.add(dc, "sysinfo hang")
    with pytest.raises(CommandFailed, match="did not end within 60 s"):
        inprocess.doors(dc).run.run(["sysinfo"])


def test_a_full_disk_is_a_storage_error(dc: Datacenter) -> None:
    faults.add(dc, "disk-full=/var/tmp")
    files = inprocess.doors(dc).files
    with pytest.raises(StorageError, match="no space left"):
        files.write("/var/tmp/x", b"x")
    files.write("/var/log/x", b"x")


# --- crashes --------------------------------------------------------------------------------------------------------
def test_a_crash_comes_at_the_chosen_call(dc: Datacenter) -> None:
    doors, crasher = crashing(inprocess.doors(dc), 2)
    doors.files.write("/var/tmp/one", b"1")
    with pytest.raises(Crash):
        doors.files.write("/var/tmp/two", b"2")
    assert doors.files.exists("/var/tmp/one") and not doors.files.exists("/var/tmp/two") and crasher.calls == 2


def test_a_crash_after_a_call_leaves_it_done(dc: Datacenter) -> None:
    doors, _ = crashing(inprocess.doors(dc), 1, "after")
    with pytest.raises(Crash):
        doors.files.write("/var/tmp/one", b"1")
    assert doors.files.exists("/var/tmp/one")


def test_a_torn_append_leaves_half_a_line(dc: Datacenter) -> None:
    doors, _ = crashing(inprocess.doors(dc), 1, "torn")
    with pytest.raises(Crash):
        doors.files.append("/var/tmp/journal", b"12345678\n")
    assert doors.files.read("/var/tmp/journal") == b"1234"


def test_a_crash_frees_locks_and_leaves_their_holders_name(dc: Datacenter) -> None:
    doors, _ = crashing(inprocess.doors(dc), 2)
    assert doors.files.lock("/var/tmp/lock", "me") is not None
    with pytest.raises(Crash):
        doors.clock.sleep(1)
    assert doors.files.read("/var/tmp/lock") == b"me" and not doors.files.locked("/var/tmp/lock")
    again = doors.files.lock("/var/tmp/lock", "you")
    assert again is not None
    again.release()
