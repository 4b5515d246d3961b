"""zfs and zpool in the box (reference 4.6)."""

from __future__ import annotations

import pathlib

import pytest
from mockdc.core import datasets
from mockdc.core.datacenter import Datacenter
from mockdc.faces import dispatch
from small_dc import furnished, run, the_vm


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path, "sapi", "binder", "papi", "imgapi")


@pytest.fixture
def root(dc: Datacenter) -> str:
    return f"zones/{the_vm(dc, 'papi0')['uuid']}"


@pytest.fixture
def halted(dc: Datacenter, root: str) -> str:
    run(dc, "vmadm", "stop", root[6:])
    return root


def test_parsable_list_is_tabs_and_bytes(dc: Datacenter, root: str) -> None:
    assert run(dc, "zfs", "list", "-Hp", "-o", "name,quota,zoned", root) == (0, f"{root}\t{25 << 30}\toff\n", "")


def test_the_table_is_aligned_and_human(dc: Datacenter, root: str) -> None:
    lines = run(dc, "zfs", "list", "-o", "name,quota,avail", root)[1].splitlines()
    assert lines[0].split() == ["NAME", "QUOTA", "AVAIL"]
    assert lines[1].split()[1] == "25G"


def test_a_dataset_that_is_not_there(dc: Datacenter, root: str) -> None:
    status, out, err = run(dc, "zfs", "list", "-H", "-o", "name", "zones/nope", root)
    assert (status, out, err) == (1, f"{root}\n", "cannot open 'zones/nope': dataset does not exist\n")


def test_a_snapshot_is_silent_and_not_made_twice(dc: Datacenter, root: str) -> None:
    assert run(dc, "zfs", "snapshot", f"{root}@a") == (0, "", "")
    said = f"cannot create snapshot '{root}@a': dataset already exists\n"
    assert run(dc, "zfs", "snapshot", f"{root}@a") == (1, "", said)


def test_snapshots_are_listed_only_when_asked_for(dc: Datacenter, root: str) -> None:
    run(dc, "zfs", "snapshot", f"{root}@a")
    assert run(dc, "zfs", "list", "-H", "-o", "name", "-r", root)[1] == f"{root}\n"
    assert run(dc, "zfs", "list", "-H", "-o", "name", "-t", "snapshot", root)[1] == f"{root}@a\n"


def test_the_root_of_a_running_zone_is_busy(dc: Datacenter, root: str) -> None:
    assert run(dc, "zfs", "destroy", "-r", root) == (1, "", f"cannot unmount '/{root}': Device busy\n")
    assert run(dc, "zfs", "rename", root, "zones/other")[0] == 1


def test_destroy_wants_r_where_there_are_children(dc: Datacenter, halted: str) -> None:
    run(dc, "zfs", "snapshot", f"{halted}@a")
    assert run(dc, "zfs", "destroy", halted)[0] == 1
    assert run(dc, "zfs", "destroy", "-r", halted) == (0, "", "")
    assert not (dc.folder / halted).exists()


def test_what_has_clones_is_not_destroyed(dc: Datacenter) -> None:
    image = the_vm(dc, "papi0")["image_uuid"]
    status, _, err = run(dc, "zfs", "destroy", "-r", f"zones/{image}")
    assert status == 1
    assert "dependent clones" in err


def test_rename_takes_children_and_files_along(dc: Datacenter, halted: str) -> None:
    run(dc, "zfs", "snapshot", f"{halted}@a")
    assert run(dc, "zfs", "rename", halted, "zones/aside") == (0, "", "")
    assert datasets.get(dc, dc.headnode, "zones/aside@a")
    assert (dc.folder / "zones/aside/root").is_dir()


def test_a_quota_that_is_set_shows_in_the_vm(dc: Datacenter, root: str) -> None:
    assert run(dc, "zfs", "set", "quota=30g", root)[0] == 0
    assert run(dc, "zfs", "get", "-Hp", "-o", "value", "quota", root)[1] == f"{30 << 30}\n"
    assert the_vm(dc, "papi0")["quota"] == 30


def test_a_stream_is_the_same_twice_and_can_be_received(dc: Datacenter, root: str) -> None:
    run(dc, "zfs", "snapshot", f"{root}@a")
    streams = [dispatch.command(dc, dc.headnode, "zfs", ["send", f"{root}@a"])[1] for _ in range(2)]
    assert streams[0] == streams[1]
    assert dispatch.command(dc, dc.headnode, "zfs", ["receive", "zones/copy"], lambda: streams[0])[0] == 0
    copied = (dc.folder / "zones/copy/root/var/svc/setup_complete").exists()
    assert copied and datasets.get(dc, dc.headnode, "zones/copy@a")


def test_garbage_is_not_received(dc: Datacenter) -> None:
    assert run(dc, "zfs", "receive", "zones/copy", stdin="garbage")[0] == 1
    assert datasets.get(dc, dc.headnode, "zones/copy") is None


def test_create_clone_and_rollback(dc: Datacenter, root: str) -> None:
    assert run(dc, "zfs", "create", "-o", "quota=1g", "zones/new") == (0, "", "")
    run(dc, "zfs", "snapshot", "zones/new@a")
    assert run(dc, "zfs", "clone", "zones/new@a", "zones/twin")[0] == 0
    assert run(dc, "zfs", "get", "-H", "-o", "value", "origin", "zones/twin")[1] == "zones/new@a\n"
    dc.wait(1)
    run(dc, "zfs", "snapshot", "zones/new@b")
    assert run(dc, "zfs", "rollback", "zones/new@a")[0] == 1
    assert run(dc, "zfs", "rollback", "-r", "zones/new@a")[0] == 0
    assert datasets.get(dc, dc.headnode, "zones/new@b") is None


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["list", "-q"], ["destroy"], ["rename", "zones"], ["set", "zones"]]
)
def test_wrong_usage_is_status_2(dc: Datacenter, words: list[str]) -> None:
    status, out, err = run(dc, "zfs", *words)
    assert (status, out) == (2, "")
    assert "usage: zfs" in err


def test_zpool_knows_its_one_pool(dc: Datacenter) -> None:
    name, size, free = run(dc, "zpool", "list", "-Hp", "-o", "name,size,free")[1].split()
    assert (name, int(size) - int(free)) == ("zones", 120 << 30)
    assert run(dc, "zpool", "status", "-x") == (0, "all pools are healthy\n", "")
    assert run(dc, "zpool", "list", "nope")[0] == 1
