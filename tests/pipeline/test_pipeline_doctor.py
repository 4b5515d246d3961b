"""``doctor`` on a headnode: a table, exit status 4 for what lacks, and nothing changed."""

from __future__ import annotations

import json
import pathlib

import pytest
from mockdc.commands import PROGRAMS as THERE
from site_in_a_box import Site
from untouched import refused

from sdcupgrade.stages.doctor import GIB, PROGRAMS

CERTIFICATE = pathlib.Path(__file__).parents[1] / "product" / "localhost_cert.pem"


@pytest.fixture
def headnode(coal: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """One that lacks nothing, whatever the machine below lacks."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setattr(coal.doors.files, "free", lambda path: 20 * GIB)
    return coal


def test_a_headnode_that_lacks_nothing(headnode: Site) -> None:
    rows = json.loads(headnode.run("doctor -j").ok().out)
    assert [row for row in rows if row["result"] == "failed"] == []
    assert {row["check"] for row in rows if row["needed"] == "headnode"} == {"headnode", "programs", "folders", "pool"}
    assert [row["evidence"] for row in rows if row["check"] == "source"] == ["/ping answers 200"]


def test_the_table_is_as_that_of_check(headnode: Site) -> None:
    ran = headnode.run("doctor -o check,result,needed,subject -s check").ok()
    lines = ran.out.splitlines()
    assert lines[0].split() == ["CHECK", "RESULT", "NEEDED", "SUBJECT"]
    assert lines[1].split() == ["authorities", "ok", "yes", "-"]
    assert "trust-root: name the root of trust that you were given: --trust-root FILE" in ran.out
    assert headnode.run("doctor -H -o check").ok().out.startswith("program\n")


def test_what_lacks_ends_with_4_and_a_remedy(headnode: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(THERE, "vmadm")
    headnode.fault("updates GET /ping refuse")
    ran = refused(headnode, "doctor", 4, "programs, source; nothing was changed", "lacks vmadm")
    assert "source: " in ran.out
    refused(headnode, "doctor --offline", 4, "needs: programs; nothing")


def test_a_pool_that_is_nearly_full(headnode: Site) -> None:
    headnode.fault("zfs list garbage=zones\\t1073741824")
    refused(headnode, "doctor", 4, "lacks what sdcupgrade needs: pool")


def test_the_list_of_programs_is_that_of_an_upgrade(headnode: Site) -> None:
    headnode.spec()
    headnode.ready()
    headnode.upgrade().ok()
    headnode.run("rollback foo --yes --pause never").ok()
    headnode.run("check").ok()
    ran = {call["name"] for call in headnode.dc.store.calls() if call["face"] == "command"}
    assert ran <= set(PROGRAMS)
