"""The script of compute nodes under the box's real processes: the node's own programs, the machine's bash."""

from __future__ import annotations

import pathlib
import sys
import time
from collections.abc import Iterator

import pytest
from mockdc.commands import remote
from mockdc.core import scenario
from mockdc.core.clock import START
from mockdc.core.datacenter import Datacenter
from mockdc.faces import tree

sys.path.append(str(pathlib.Path(__file__).parents[1] / "product"))  # node_in_a_folder.py, which makes sets of bits

from node_in_a_folder import bits

from sdcupgrade.bits.node import apply_line, report, rollback_line

CN = {
    "datacenter_name": "coal", "dns_domain": "example.com", "platform": "20240118T001122Z",
    "servers": [{"hostname": "headnode", "headnode": True}, {"hostname": "cn0"},
                {"hostname": "tux", "system_type": "Linux"}],
    "services": {"binder": {"on": ["cn0"]}},
    "releases": [{"key": "running", "stamp": "20240118T143155Z", "channels": ["dev"], "imgapi": True}],
}  # fmt: skip


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Iterator[Datacenter]:
    dc = Datacenter.make(tmp_path / "box", START, time.time(), 20.0)
    scenario.load(dc, CN)
    tree.build(dc)
    for server in dc.store.all("server"):
        tree.ensure(dc, server["uuid"])
    tree.write_proxy(dc, "http://127.0.0.1:9")
    yield dc
    dc.store.close()


def uuid_of(dc: Datacenter, hostname: str) -> str:
    """The uuid of a server."""
    return next(str(one["uuid"]) for one in dc.store.all("server") if one["hostname"] == hostname)


def test_there_and_back(dc: Datacenter, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LEAST_S", 60.0)
    what = bits(tmp_path, {"bin/sdc-x": b"x\n", "bin/short": "sdc-x", "lib/a b/y.js": b"y\n"})
    cn = uuid_of(dc, "cn0")
    smartdc = dc.root(cn) / "opt/smartdc"
    before = sorted(str(place) for place in smartdc.rglob("*"))

    status, out, err = remote.run_script(dc, cn, apply_line(what.package, f"file://{what.path}"))
    assert (status, err) == (0, b"")
    said = report(out.decode(), "cn0")
    assert (said.did, said.installed, said.state) == ("applied", what.digest, what.digest)
    assert (smartdc / "bin/short").read_text() == "x\n" and (smartdc / "lib/a b/y.js").read_text() == "y\n"
    assert not list((pathlib.Path("/opt")).glob("custom/gzbits"))

    said = report(remote.run_script(dc, cn, rollback_line(what.digest))[1].decode(), "cn0")
    assert (said.did, said.installed) == ("rolled-back", "")
    assert sorted(str(place) for place in smartdc.rglob("*")) == before


def test_a_linux_node_says_what_it_is_and_is_left_alone(dc: Datacenter, tmp_path: pathlib.Path) -> None:
    what = bits(tmp_path, {"bin/sdc-x": b"x\n"})
    tux = uuid_of(dc, "tux")
    said = report(remote.run_script(dc, tux, apply_line(what.package, f"file://{what.path}"))[1].decode(), "tux")
    assert (said.did, said.why) == ("skipped", "it runs Linux, and gzbits are for SmartOS")
    assert not (dc.root(tux) / "opt/custom/gzbits").exists()
