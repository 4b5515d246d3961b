"""Scripts on nodes as real processes: the machine's bash with the node's programs and files."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterator

import pytest
from mockdc.commands import remote
from mockdc.core import scenario
from mockdc.core.clock import START
from mockdc.core.datacenter import Datacenter
from mockdc.faces import tree

CN = {
    "datacenter_name": "coal", "dns_domain": "example.com", "platform": "20240118T001122Z",
    "servers": [{"hostname": "headnode", "headnode": True}, {"hostname": "cn0"}],
    "services": {"binder": {"on": ["cn0"]}},
    "releases": [{"key": "running", "stamp": "20240118T143155Z", "channels": ["dev"], "imgapi": True}],
}


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Iterator[Datacenter]:
    """A datacenter on disk with a compute node; no server runs."""
    dc = Datacenter.make(tmp_path / "box", START, time.time(), 20.0)
    scenario.load(dc, CN)
    tree.build(dc)
    yield dc
    dc.store.close()


@pytest.fixture
def cn(dc: Datacenter) -> str:
    return next(str(one["uuid"]) for one in dc.store.all("server") if not one["headnode"])


def test_the_nodes_own_programs_and_files(dc: Datacenter, cn: str) -> None:
    script = "vmadm list -Hpo alias; sysinfo | json Hostname; echo kept > /var/tmp/f; cat /var/tmp/f; exit 3"
    assert remote.run_script(dc, cn, script) == (3, b"binder0\ncn0\nkept\n", b"")
    assert (dc.root(cn) / "var/tmp/f").read_text(encoding="utf-8") == "kept\n"


def test_output_has_the_nodes_own_paths(dc: Datacenter, cn: str) -> None:
    status, out, err = remote.run_script(dc, cn, "ls -d /var/tmp /nope/at/all")
    assert status != 0
    assert out == b"/var/tmp\n"
    assert str(dc.folder).encode() not in err


def test_a_script_that_is_too_late_goes_on(dc: Datacenter, cn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LEAST_S", 0.05)
    gate = dc.root(cn) / "var/tmp/gate"
    running = remote.start(dc, cn, "until test -e /var/tmp/gate; do /bin/sleep 0.02; done; echo done")
    with pytest.raises(remote.TooLate):
        running.result(1.0)
    gate.touch()
    monkeypatch.setattr(remote, "LEAST_S", 30.0)
    assert running.result(1.0).stdout == b"done\n"
