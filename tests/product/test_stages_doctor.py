"""What a machine lacks: Python, authorities, programs, folders, the right time, an updates server."""

from __future__ import annotations

import pathlib
from collections.abc import Collection
from email.utils import formatdate
from typing import Any, Optional

import pytest
from dc_fakes import FakePrograms, FakeWeb, always, doors, says

from sdcupgrade import version
from sdcupgrade.doors.machine import RealMachine
from sdcupgrade.errors import Unreachable
from sdcupgrade.log import NullLog
from sdcupgrade.stages.doctor import PLACES, PROGRAMS, Answer, Need, Patient, examine
from sdcupgrade.stages.site import Site, SourceOptions, Who

CERTIFICATE = str(pathlib.Path(__file__).parent / "localhost_cert.pem")
HALF_A_HEADNODE = '{"Boot Parameters": {"headnode": "true"}}'
"""What its sysinfo says, which ought to say more."""

SERVER = "https://updates.example.com"


class FakeMachine:
    """A machine that has what it is given."""

    def __init__(self, lacks: Collection[str] = (), trouble: Optional[Exception] = None) -> None:
        self.lacks = lacks
        self.trouble = trouble

    def python(self) -> str:
        return "3.11.7, /opt/tools/bin/python3.11"

    def lacking(self, modules: Collection[str]) -> list[str]:
        return [name for name in modules if name in self.lacks]

    def authorities(self) -> str:
        if self.trouble:
            raise self.trouble
        return "certificates believed: 137"


class Ward:
    """A machine, and what the doctor says of it."""

    def __init__(self, folder: pathlib.Path, *programs: str) -> None:
        self.web = FakeWeb({SERVER: always(200, {})})
        self.doors = doors(folder, FakePrograms(**{name: says(HALF_A_HEADNODE) for name in programs}), self.web)
        self.wanted = SourceOptions(source=SERVER)
        self.machine = FakeMachine()
        self.patient: Patient

    def examined(self, offline: bool = False) -> dict[tuple[str, str], Answer]:
        """All answers, by check and subject."""
        nobody: Any = None
        site = Site(self.doors, NullLog(), nobody, nobody, Who(1, "root", "head"), self.wanted)
        self.patient = Patient(site, self.machine, offline)
        return {(answer.check, answer.subject): answer for answer in examine(self.patient)}

    def lacks(self, offline: bool = False) -> set[str]:
        """The checks that this machine cannot do without."""
        return {answer.check for answer in self.examined(offline).values() if self.patient.lacks(answer)}


@pytest.fixture
def ward(tmp_path: pathlib.Path) -> Ward:
    """A workstation that has all it needs."""
    return Ward(tmp_path)


def test_a_workstation_needs_nothing_of_a_headnode(ward: Ward) -> None:
    found = ward.examined()
    assert not found["headnode", ""].ok
    assert not found["programs", ""].ok
    assert not found["pool", "zones"].ok
    assert ward.lacks() == set()


def test_a_headnode_needs_its_programs(tmp_path: pathlib.Path) -> None:
    ward = Ward(tmp_path, *[name for name in PROGRAMS if name not in ("vmadm", "dig")])
    found = ward.examined()
    assert found["programs", ""].evidence == "lacks dig, vmadm"
    assert ward.lacks() == {"headnode", "programs", "pool"}


def test_what_is_well_has_no_remedy_and_what_is_not_has_one(ward: Ward) -> None:
    ward.machine.lacks = ("ssl",)
    for answer in ward.examined().values():
        assert bool(answer.remedy) != answer.ok, answer


def test_modules_that_are_not_there_are_named(ward: Ward) -> None:
    ward.machine.lacks = ("ssl", "zlib", "turtle")
    assert ward.examined()["python", "modules"].evidence == "lacks ssl, zlib"
    assert ward.lacks(offline=True) == {"python"}


@pytest.mark.parametrize("trouble", [Unreachable("knows no certificate authorities", "install some"), ImportError()])
def test_authorities_are_needed_for_a_server_only(ward: Ward, trouble: Exception) -> None:
    ward.machine.trouble = trouble
    assert ward.lacks() == {"authorities"}
    assert ward.lacks(offline=True) == set()
    assert not ward.examined(offline=True)["authorities", ""].ok


def test_folders_want_room(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ward.doors.files, "free", lambda path: PLACES["/var/sdcupgrade"][0])
    found = ward.examined()
    assert {path for path in PLACES if not found["folders", path].ok} == {"/var/tmp"}
    assert found["folders", "/var/tmp"].evidence.startswith("1.0 GiB free; 2.0 GiB are asked for")


def test_folders_want_to_be_written_to(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ward.doors.files, "writable", lambda path: path != "/opt/custom")
    found = ward.examined()
    assert {path for path in PLACES if not found["folders", path].ok} == {"/opt/custom"}
    assert "become root" in found["folders", "/opt/custom"].remedy


@pytest.mark.parametrize(("stamp", "well"), [("main-20231114T222320Z-g0123abc", True),
                                             ("main-20231114T222321Z-g0123abc-dirty", False)])  # fmt: skip
def test_a_clock_before_the_program_was_made_is_wrong(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, stamp: str, well: bool
) -> None:
    """It is 22:13:20 then, and ten minutes are forgiven."""
    monkeypatch.setattr(version, "STAMP", stamp)
    assert ward.examined()["clock", ""].ok is well
    assert ward.lacks() == (set() if well else {"clock"})


@pytest.mark.parametrize("late", [-1000, 1000])
def test_a_server_of_another_time_is_worth_a_line(ward: Ward, late: int) -> None:
    ward.web.date = formatdate(ward.doors.clock.time() + late, usegmt=True)
    answer = ward.examined()["clock", ""]
    assert (answer.ok, answer.need) == (False, Need.OPTIONAL)
    assert f"1000 s {'behind' if late > 0 else 'ahead of'} the updates server's" in answer.evidence
    assert ward.lacks() == set()


@pytest.mark.parametrize("date", ["", "yesterday", formatdate(1_700_000_300, usegmt=True)])
def test_a_server_that_tells_no_other_time_is_fine(ward: Ward, date: str) -> None:
    ward.web.date = date
    assert ward.examined()["clock", ""].ok


@pytest.mark.parametrize("service", [{}, {SERVER: always(503, "busy")}])
def test_a_server_that_does_not_answer(ward: Ward, service: dict[str, Any]) -> None:
    ward.web.services = service
    answer = ward.examined()["source", SERVER]
    assert "--offline" in answer.remedy
    assert ward.lacks() == {"source"}


def test_offline_nothing_is_asked(ward: Ward) -> None:
    ward.web.services = {}
    assert ward.lacks(offline=True) == set()
    assert ward.web.asked == []


def test_a_source_on_this_machine_must_be_there(ward: Ward) -> None:
    ward.wanted = SourceOptions(source="/var/tmp/foo.sdcupgrade")
    assert "there is no such file" in ward.examined()["source", "/var/tmp/foo.sdcupgrade"].evidence
    assert ward.lacks() == {"source"}


def test_the_real_machine_imports_what_it_is_asked_for() -> None:
    assert RealMachine({}).lacking(("json", "no_such_module", "zlib")) == ["no_such_module"]


def test_the_real_machine_counts_authorities(tmp_path: pathlib.Path) -> None:
    assert RealMachine({}, CERTIFICATE).authorities() == "certificates believed: 1"
    with pytest.raises(Unreachable, match="cannot be read"):
        RealMachine({"SSL_CERT_FILE": str(tmp_path)}).authorities()
