"""svcs, svcadm, zlogin and sdc-healthcheck in the box (reference 4.6, 4.7)."""

from __future__ import annotations

import pathlib

import pytest
from core_box import box
from mockdc.core.datacenter import Datacenter
from mockdc.faces import dispatch
from small_dc import SERVICES, furnished, run, the_vm

VMAPI = "svc:/smartdc/site/vmapi:default"
NAME = "vmapi.coal.example.com"


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path, *SERVICES)


@pytest.fixture
def zone(dc: Datacenter) -> str:
    return str(the_vm(dc, "vmapi0")["uuid"])


def test_silence_when_all_is_well(dc: Datacenter, zone: str) -> None:
    assert run(dc, "svcs", "-z", zone, "-x") == (0, "", "")


def test_a_starting_service_is_explained_with_status_0(dc: Datacenter, zone: str) -> None:
    run(dc, "svcadm", "-z", zone, "restart", "vmapi")
    status, out, _ = run(dc, "svcs", "-xvz", zone)
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == f"{VMAPI} (vmapi)"
    assert lines[2].startswith(" State: offline since ")
    assert lines[3].startswith("Reason: ")


def test_a_service_in_maintenance_says_so(dc: Datacenter, zone: str) -> None:
    found = dc.store.get("zone", zone) or {}
    found["smf"] = [{**one, "state": "maintenance"} if one["fmri"] == VMAPI else one for one in found["smf"]]
    dc.store.put("zone", zone, found)
    assert " State: maintenance since " in run(dc, "svcs", "-z", zone, "-x")[1]


def test_columns_without_a_header(dc: Datacenter, zone: str) -> None:
    assert run(dc, "svcs", "-z", zone, "-Ho", "state", "vmapi") == (0, "online\n", "")
    assert run(dc, "svcs", "-z", zone, "-H", "-o", "fmri", "*vmapi*") == (0, f"{VMAPI}\n", "")


def test_a_pattern_that_means_nothing(dc: Datacenter, zone: str) -> None:
    status, _, err = run(dc, "svcs", "-z", zone, "-Ho", "state", "nope")
    assert (status, err) == (1, "svcs: Pattern 'nope' doesn't match any instances\n")
    assert run(dc, "svcadm", "-z", zone, "restart", "nope")[0] == 1


def test_a_zone_that_is_not_there(dc: Datacenter) -> None:
    assert run(dc, "svcs", "-z", "nope", "-x")[0] == 1


def test_svcadm_is_silent_and_soon_done(dc: Datacenter, zone: str) -> None:
    assert run(dc, "svcadm", "-z", zone, "restart", "vmapi") == (0, "", "")
    assert run(dc, "svcs", "-z", zone, "-Ho", "state", "vmapi")[1] == "offline*\n"
    dc.wait(30)
    assert run(dc, "svcs", "-z", zone, "-Ho", "state", "vmapi")[1] == "online\n"


def test_svcadm_s_waits(dc: Datacenter, zone: str) -> None:
    run(dc, "svcadm", "-z", zone, "disable", "vmapi")
    run(dc, "svcadm", "-z", zone, "enable", "-s", "vmapi")
    assert run(dc, "svcs", "-z", zone, "-Ho", "state", "vmapi")[1] == "online\n"


def test_without_registrar_a_zone_leaves_dns(dc: Datacenter, zone: str) -> None:
    assert run(dc, "dig", "+short", NAME)[1] == "10.99.99.19\n"
    run(dc, "svcadm", "-z", zone, "disable", "registrar")
    dc.wait(10)
    assert run(dc, "dig", "+short", NAME)[1] == ""


def test_the_global_zones_agents_can_be_switched_off(dc: Datacenter) -> None:
    assert run(dc, "svcs", "-Ho", "state", "ur")[1] == "online\n"
    run(dc, "svcadm", "disable", "ur")
    assert run(dc, "svcs", "-Ho", "state", "ur")[1] == "disabled\n"
    assert run(dc, "sdc-oneachnode", "-n", "headnode", "-t", "1", "true")[0] == 10


# --- zlogin -----------------------------------------------------------------------------------------------------------
def test_zlogin_sees_the_zones_files_and_services(dc: Datacenter, zone: str) -> None:
    assert run(dc, "zlogin", zone, "test -e /var/svc/setup_complete && hostname")[1] == "vmapi0\n"
    assert run(dc, "zlogin", zone, "svcs", "-Ho", "state", "vmapi")[1] == "online\n"
    assert run(dc, "zlogin", zone, "mdata-get sapi-url")[1] == "http://sapi.coal.example.com\n"


def test_zlogin_gives_the_commands_status(dc: Datacenter, zone: str) -> None:
    assert run(dc, "zlogin", zone, "exit 7")[0] == 7
    assert run(dc, "zlogin", zone, "vmadm list")[0] == 127


def test_zlogin_changes_the_zones_services(dc: Datacenter, zone: str) -> None:
    run(dc, "zlogin", zone, "svcadm", "disable", "vmapi")
    assert run(dc, "svcs", "-z", zone, "-aHo", "state", "vmapi")[1] == "disabled\n"


# --- manatee-adm ------------------------------------------------------------------------------------------------------
def adm(dc: Datacenter, alias: str, line: str) -> tuple[int, str, str]:
    return run(dc, "zlogin", the_vm(dc, alias)["uuid"], f"manatee-adm {line}")


def test_a_shard_of_one_has_a_primary_only(dc: Datacenter) -> None:
    uuid = the_vm(dc, "manatee0")["uuid"]
    assert adm(dc, "manatee0", "peers -H -r primary -o peername") == (0, f"{uuid}\n", "")
    assert adm(dc, "manatee0", "peers -H -r sync -o peername") == (0, "", "")
    assert "mode:        singleton (one-node-write)" in adm(dc, "manatee0", "show")[1]


def test_when_the_primary_stops_the_sync_takes_over(tmp_path: pathlib.Path) -> None:
    dc = box(tmp_path, "dc")
    run(dc, "vmadm", "stop", the_vm(dc, "manatee0")["uuid"])
    vm = the_vm(dc, "manatee1")
    words = [vm["uuid"], "manatee-adm", "peers", "-H", "-o", "role"]
    out = dispatch.command(dc, vm["server_uuid"], "zlogin", words)[1]
    assert out.decode().split() == ["primary", "sync", "deposed"]


def test_manatee_adm_needs_a_manatee_and_zookeeper(dc: Datacenter) -> None:
    assert adm(dc, "vmapi0", "show")[0] == 127
    assert adm(dc, "manatee0", "freeze -r x")[0] == 2
    run(dc, "vmadm", "stop", the_vm(dc, "binder0")["uuid"])
    assert adm(dc, "manatee0", "pg-status") == (1, "", "manatee-adm: failed to connect to ZooKeeper\n")


# --- zlogin, once more ------------------------------------------------------------------------------------------------
def test_zlogin_asks_the_service_itself(dc: Datacenter, zone: str) -> None:
    assert '"status":"OK"' in run(dc, "zlogin", zone, "curl -sS localhost/ping")[1]
    run(dc, "svcadm", "-z", zone, "disable", "vmapi")
    assert run(dc, "zlogin", zone, "curl -sS localhost/ping")[0] == 7


def test_zlogin_needs_a_running_zone(dc: Datacenter, zone: str) -> None:
    run(dc, "vmadm", "stop", zone)
    said = f"zlogin: login allowed only to running zones ({zone} is 'installed').\n"
    assert run(dc, "zlogin", zone, "true") == (1, "", said)
    assert run(dc, "zlogin", "nope", "true")[0] == 1


# --- sdc-healthcheck --------------------------------------------------------------------------------------------------
def test_a_healthy_headnode(dc: Datacenter) -> None:
    status, out, _ = run(dc, "sdc-healthcheck", "-p")
    assert status == 0
    assert {"global:running:-:online", "vmapi:running:-:online", "global:running:ur:online"} <= set(out.splitlines())


def test_the_text_form_has_its_header(dc: Datacenter) -> None:
    assert run(dc, "sdc-healthcheck")[1].splitlines()[0].split() == ["ZONE", "STATE", "AGENT", "STATUS"]


@pytest.mark.parametrize(
    "alias, row",
    [
        ("vmapi0", "vmapi:stopped:-:offline"),
        ("moray0", "vmapi:running:-:error"),
        ("sdc0", "sapi:running:-:error"),
        ("rabbitmq0", "global:running:ur:offline"),
    ],
)
def test_what_is_down_shows(dc: Datacenter, alias: str, row: str) -> None:
    run(dc, "vmadm", "stop", str(the_vm(dc, alias)["uuid"]))
    status, out, _ = run(dc, "sdc-healthcheck", "-p")
    assert status == 1
    assert row in out.splitlines()


def test_a_service_that_starts_is_a_svc_err(dc: Datacenter, zone: str) -> None:
    run(dc, "svcadm", "-z", zone, "restart", "vmapi")
    assert "vmapi:running:-:svc-err" in run(dc, "sdc-healthcheck", "-p")[1]
