"""Zones through the platform: what vmadm, svcs and zfs print, and how a reprovision that died is mended."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING

import pytest
from dc_fakes import HERE, FakePrograms, FakeWeb, Said, datacenter, doors, says

from sdcupgrade.dc import zones
from sdcupgrade.dc.zones import Problem, SetupState, Zone
from sdcupgrade.errors import BadAnswer, CommandFailed
from sdcupgrade.jsonvalue import Record

if TYPE_CHECKING:
    from sdcupgrade.dc.nodes import Node

VM = {
    "uuid": "u", "alias": "vmapi0", "state": "running", "image_uuid": "i", "quota": 25, "datasets": ["zones/u/data"],
    "tags": {"smartdc_role": "vmapi"}, "customer_metadata": {"user-script": "#!"},
    "nics": [{"nic_tag": "admin_rack_3", "ip": "10.0.0.7"}],
}  # fmt: skip


def node(folder: pathlib.Path, programs: FakePrograms) -> Node:
    return datacenter(doors(folder, programs, FakeWeb({}))).node(HERE)


def test_a_zone_is_read_whole(tmp_path: pathlib.Path) -> None:
    found = zones.get(node(tmp_path, FakePrograms(vmadm=says(json.dumps(VM)))), "u")
    assert (found.alias, found.state, found.image_uuid, found.role) == ("vmapi0", "running", "i", "vmapi")
    assert (found.admin_ip, found.quota_gib, found.user_script) == ("10.0.0.7", 25, "#!")
    assert found.datasets == ("zones/u/data",)


def test_vmapi_s_nulls_read_as_empty() -> None:
    nothing = dict.fromkeys(("alias", "state", "image_uuid", "quota", "nics", "tags", "customer_metadata", "datasets"))
    found = Zone.read(Record({"uuid": "u", **nothing}, "vmapi"))
    assert (found.alias, found.state, found.quota_gib, found.user_script) == ("", "unknown", 0, None)


def test_a_missing_zone_keeps_the_words_of_vmadm(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(vmadm=says((1, "", "zoneadm: u: No such zone configured")))
    with pytest.raises(CommandFailed, match="vmadm get u on head exited 1: zoneadm: u: No such zone"):
        zones.get(node(tmp_path, programs), "u")


def test_a_user_script_is_sent_as_json_without_single_quotes(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(vmadm=says(""))
    text = "echo 'it' \"is\" \\ \n€"
    zones.set_user_script(node(tmp_path, programs), "u", text)
    sent = programs.stdin[0] or ""
    assert "'" not in sent
    assert json.loads(sent) == {"set_customer_metadata": {"user-script": text}}


def test_no_user_script_removes_the_key(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(vmadm=says(""))
    zones.set_user_script(node(tmp_path, programs), "u", None)
    zones.set_quota(node(tmp_path, programs), "u", 30)
    assert [json.loads(text or "") for text in programs.stdin] == [
        {"remove_customer_metadata": ["user-script"]},
        {"quota": 30},
    ]


def test_vmadm_s_reason_for_a_failed_reprovision_is_kept(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(vmadm=says((1, "", "Failed to reprovision VM u: zone never stopped")))
    with pytest.raises(CommandFailed, match="zone never stopped"):
        zones.reprovision(node(tmp_path, programs), "u", "image", 420)
    assert json.loads(programs.stdin[0] or "") == {"image_uuid": "image"}


def test_set_up_is_told_by_its_files(tmp_path: pathlib.Path) -> None:
    here, folder = node(tmp_path, FakePrograms()), tmp_path / "zones/u/root/var/svc"
    folder.mkdir(parents=True)
    assert zones.setup_state(here, "u") is SetupState.PENDING
    (folder / "setup_failed").touch()
    assert zones.setup_state(here, "u") is SetupState.FAILED
    (folder / "setup_complete").touch()
    assert zones.setup_state(here, "u") is SetupState.COMPLETE


SVCS = """svc:/smartdc/site/vmapi:default (SmartDC VMAPI)
  Zone: u
 State: maintenance since Tue Jan  2 10:12:00 2024
Reason: Start method failed repeatedly, last exited with status 1.
   See: http://illumos.org/msg/SMF-8000-KS
Impact: This service is not running.

svc:/manta/application/registrar:default (registrar)
 State: offline* since Tue Jan  2 10:12:00 2024
Reason: Start method is running.
"""


def test_the_blocks_of_svcs_tell_broken_from_starting(tmp_path: pathlib.Path) -> None:
    found = zones.smf_problems(node(tmp_path, FakePrograms(svcs=says(SVCS))), "u")
    broken = "Start method failed repeatedly, last exited with status 1."
    assert found == (
        Problem("svc:/smartdc/site/vmapi:default", "maintenance", broken, "u"),
        Problem("svc:/manta/application/registrar:default", "offline", "Start method is running.", ""),
    )


def test_a_silent_svcs_means_no_problem(tmp_path: pathlib.Path) -> None:
    assert zones.smf_problems(node(tmp_path, FakePrograms(svcs=says(""))), "u") == ()


def test_garbage_from_svcs_is_not_taken_for_health(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadAnswer, match="svcs -z u -x on head"):
        zones.smf_problems(node(tmp_path, FakePrograms(svcs=says("]]> ouch"))), "u")


class Pool:
    """A zfs with datasets; *busy* makes every change fail."""

    def __init__(self, *names: str, busy: bool = False) -> None:
        self.names = list(names)
        self.busy = busy

    def __call__(self, argv: list[str], stdin: str) -> Said:
        if argv[0] == "list":
            wanted = argv[argv.index("name") + 1 :]
            there = [name for name in wanted if name in self.names]
            lacking = "cannot open 'x': dataset does not exist\n" if len(there) < len(wanted) else ""
            return (1 if lacking else 0, "".join(f"{name}\n" for name in there), lacking)
        if self.busy:
            return 1, "", "cannot: dataset is busy"
        if argv[0] == "destroy":
            self.names = [name for name in self.names if name != argv[-1] and not name.startswith(argv[-1] + "/")]
        if argv[0] == "rename":
            self.names = [argv[2] if name == argv[1] else name for name in self.names]
        return ""


ROOT, DATA = "zones/u", "zones/u/data"
OLD_ROOT, OLD_DATA = "zones/u-reprovisioning-root", "zones/u-reprovisioning-data"


@pytest.mark.parametrize(
    "died", [(ROOT, OLD_DATA), (OLD_ROOT, OLD_DATA), (ROOT, OLD_ROOT, OLD_DATA), (ROOT, OLD_ROOT), (OLD_ROOT,)]
)
def test_wherever_a_reprovision_died_the_names_come_back(tmp_path: pathlib.Path, died: tuple[str, ...]) -> None:
    pool = Pool(*died)
    here = node(tmp_path, FakePrograms(zfs=pool))
    assert zones.leftovers(here, "u")
    zones.repair_leftovers(here, "u")
    assert set(pool.names) == ({ROOT, DATA} if OLD_DATA in died else {ROOT})
    assert zones.leftovers(here, "u") == ()


def test_the_root_is_not_destroyed_when_the_old_one_is_gone(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(zfs=Pool(ROOT, OLD_DATA))
    zones.repair_leftovers(node(tmp_path, programs), "u")
    assert not [line for line in programs.lines if "destroy" in line]
    assert "zfs set zoned=on zones/u/data" in programs.lines


def test_two_delegated_datasets_are_left_to_a_person(tmp_path: pathlib.Path) -> None:
    pool = Pool(ROOT, DATA, OLD_ROOT)
    with pytest.raises(CommandFailed, match="only a person"):
        zones.repair_leftovers(node(tmp_path, FakePrograms(zfs=pool)), "u")
    assert pool.names == [ROOT, DATA, OLD_ROOT]


def test_a_busy_dataset_is_an_error_in_zfs_s_words(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CommandFailed, match="dataset is busy"):
        zones.repair_leftovers(node(tmp_path, FakePrograms(zfs=Pool(OLD_ROOT, busy=True))), "u")


def test_a_pool_that_cannot_be_listed_is_not_a_clean_one(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CommandFailed, match="I/O error"):
        zones.leftovers(node(tmp_path, FakePrograms(zfs=says((1, "", "I/O error")))), "u")


def test_a_snapshot_goes_again_once_it_is_sent(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(zfs=says(""))
    zones.send_snapshot(node(tmp_path, programs), "u", "before", "/var/x.zfs", 60)
    assert programs.lines == [f"zfs {verb} zones/u@before" for verb in ("snapshot", "send", "destroy")]


def test_a_snapshot_left_by_a_killed_run_is_used(tmp_path: pathlib.Path) -> None:
    def zfs(argv: list[str], stdin: str) -> Said:
        return (1, "", "dataset already exists") if argv[0] == "snapshot" else ""

    programs = FakePrograms(zfs=zfs)
    zones.send_snapshot(node(tmp_path, programs), "u", "before", "/var/x.zfs", 60)
    assert len(programs.lines) == 3


@pytest.mark.parametrize(("said", "there"), [("{}", True), ((3, "", "imgadm get: error (ImageNotInstalled)"), False)])
def test_imgadm_says_3_when_an_image_is_not_installed(tmp_path: pathlib.Path, said: Said, there: bool) -> None:
    assert zones.image_installed(node(tmp_path, FakePrograms(imgadm=says(said))), "i") is there


def test_installed_images_are_read_in_both_shapes() -> None:
    text = json.dumps([{"manifest": {"uuid": "a"}, "zpool": "zones"}, {"uuid": "b"}])
    assert zones.installed_images(text, "imgadm list -j") == {"a", "b"}
    assert zones.installed_images("", "imgadm list -j") == frozenset()
