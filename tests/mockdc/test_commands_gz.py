"""What the global zone says of itself, the boot key, and the smaller programs (reference 1.2 to 1.7, 4.10)."""

from __future__ import annotations

import hashlib
import json
import pathlib

import pytest
from mockdc.commands import PROGRAMS, WRAPPED
from mockdc.core.datacenter import Datacenter
from mockdc.faces import dispatch
from small_dc import SERVICES, furnished, run, the_vm


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path, *SERVICES, "assets")


def test_every_program_in_the_table_is_there() -> None:
    import importlib

    for place in {**PROGRAMS, **WRAPPED}.values():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


# --- who am I ---------------------------------------------------------------------------------------------------------
def test_the_headnode_guard_is_the_text_true(dc: Datacenter) -> None:
    facts = run(dc, "sysinfo")[1]
    assert run(dc, "json", "Boot Parameters.headnode", stdin=facts)[1] == "true\n"
    assert json.loads(facts)["Boot Parameters"]["headnode"] == "true"


def test_sysinfo_for_shells(dc: Datacenter) -> None:
    assert "Live_Image='20240118T001122Z'" in run(dc, "sysinfo", "-p")[1].splitlines()
    assert run(dc, "sysinfo", "-u") == (0, "", "")
    assert run(dc, "sysinfo", "-q")[0] == 1


def test_sysinfo_of_another_node(dc: Datacenter) -> None:
    server = next(one for one in dc.store.all("server") if not one["headnode"])
    facts = json.loads(dispatch.command(dc, server["uuid"], "sysinfo", [])[1])
    assert (facts["UUID"], facts["Hostname"]) == (server["uuid"], "cn0")


def test_every_value_of_the_config_is_text(dc: Datacenter) -> None:
    config = json.loads(run(dc, "bash", "/lib/sdc/config.sh", "-json")[1])
    assert config["datacenter_name"] == "coal"
    assert all(isinstance(value, str) for value in config.values())


def test_dig_short_gives_addresses_only(dc: Datacenter) -> None:
    assert run(dc, "dig", "+short", "sapi.coal.example.com") == (0, "10.99.99.8\n", "")
    assert run(dc, "dig", "nope.coal.example.com", "+short") == (0, "", "")


def test_dig_in_full(dc: Datacenter) -> None:
    out = run(dc, "dig", "sapi.coal.example.com")[1]
    assert "status: NOERROR" in out and "\tA\t10.99.99.8" in out
    assert "status: NXDOMAIN" in run(dc, "dig", "nope.coal.example.com")[1]


def test_dig_shows_only_the_answer_when_asked(dc: Datacenter) -> None:
    name = "sapi.coal.example.com"
    assert run(dc, "dig", "+noall", "+answer", name) == (0, f"{name}.\t30\tIN\tA\t10.99.99.8\n", "")
    assert run(dc, "dig", "+noall", "+answer", "nope.coal.example.com") == (0, "", "")


@pytest.mark.parametrize("server", [[], ["@10.99.99.9"]])
def test_without_binder_dig_times_out_in_a_comment(dc: Datacenter, server: list[str]) -> None:
    run(dc, "vmadm", "stop", the_vm(dc, "binder0")["uuid"])
    before = dc.now()
    status, out, _ = run(dc, "dig", "+short", "+time=2", "+tries=2", "sapi.coal.example.com", *server)
    assert (status, out) == (9, ";; connection timed out; no servers could be reached\n")
    assert dc.now() - before == pytest.approx(4)


# --- the boot key -----------------------------------------------------------------------------------------------------
def test_the_key_is_not_mounted_unless_somebody_mounts_it(dc: Datacenter) -> None:
    assert run(dc, "sdc-usbkey", "status")[1] == "unmounted\n"
    assert run(dc, "sdc-usbkey", "mount") == (0, "/mnt/usbkey\n", "")
    assert run(dc, "sdc-usbkey", "mount") == (0, "/mnt/usbkey\n", "")
    assert run(dc, "sdc-usbkey", "status")[1] == "mounted\n"
    assert run(dc, "sdc-usbkey", "unmount") == (0, "", "")


def test_the_key_keeps_what_is_written_with_small_names(dc: Datacenter) -> None:
    run(dc, "sdc-usbkey", "mount")
    key = dc.folder / "mnt" / "usbkey"
    (key / "Scripts").mkdir()
    (key / "Scripts" / "Joysetup.SH").write_text("x", encoding="utf-8")
    run(dc, "sdc-usbkey", "unmount")
    assert list(key.iterdir()) == []
    run(dc, "sdc-usbkey", "mount")
    assert (key / "scripts" / "joysetup.sh").read_text(encoding="utf-8") == "x"


def test_what_lies_under_the_mountpoint_is_hidden_not_lost(dc: Datacenter) -> None:
    place = dc.folder / "mnt" / "usbkey"
    place.mkdir(parents=True)
    (place / "lost").touch()
    run(dc, "sdc-usbkey", "mount")
    assert not (place / "lost").exists()
    run(dc, "sdc-usbkey", "unmount")
    assert (place / "lost").exists()


def test_status_as_json(dc: Datacenter) -> None:
    run(dc, "sdc-usbkey", "mount")
    (dc.folder / "mnt" / "usbkey" / ".joyliveusb").touch()
    found = json.loads(run(dc, "sdc-usbkey", "status", "-j")[1])
    assert found["mountpoint"] == "/mnt/usbkey"
    assert (found["ok"], found["steps"]["marker_file"]) == (True, True)


def test_variables_of_the_loader(dc: Datacenter) -> None:
    assert run(dc, "sdc-usbkey", "set-variable", "smt", "on") == (0, "", "")
    assert run(dc, "sdc-usbkey", "get-variable", "smt")[1] == "on\n"
    assert run(dc, "sdc-usbkey", "get-variable", "none")[1] == ""


def test_a_compute_node_has_no_key(dc: Datacenter) -> None:
    server = next(one["uuid"] for one in dc.store.all("server") if not one["headnode"])
    assert dispatch.command(dc, server, "sdc-usbkey", ["mount"])[0] == 1
    assert dispatch.command(dc, server, "sdc-usbkey", ["update", "--ignore-missing"])[0] == 0
    assert run(dc, "sdc-usbkey", "nonsense")[0] == 2


# --- small ones -------------------------------------------------------------------------------------------------------
def test_add_userscript_feeds_vmadm_update(dc: Datacenter) -> None:
    out = run(dc, "/usr/vm/sbin/add-userscript".rpartition("/")[2], "/usbkey/default/user-script.common")[1]
    vm = the_vm(dc, "papi0")
    assert run(dc, "vmadm", "update", vm["uuid"], stdin=out)[0] == 0
    expected = (dc.folder / "usbkey/default/user-script.common").read_text(encoding="utf-8")
    assert the_vm(dc, "papi0")["customer_metadata"]["user-script"] == expected
    assert run(dc, "add-userscript", "/nope")[0] == 1


def test_digest_of_a_file_and_of_stdin(dc: Datacenter) -> None:
    expected = hashlib.sha1(b"abc").hexdigest()
    (dc.folder / "f").write_bytes(b"abc")
    assert run(dc, "digest", "-a", "sha1", str(dc.folder / "f"))[1] == f"{expected}\n"
    assert run(dc, "digest", "-a", "sha1", stdin="abc")[1] == f"{expected}\n"
    assert run(dc, "digest", "-a", "crc", "f")[0] == 1
    assert run(dc, "digest", "-a", "md5", "/nope")[0] == 1


def test_ping_agent_goes_through_rabbitmq(dc: Datacenter) -> None:
    assert run(dc, "ping-agent", dc.headnode, "ur")[1].startswith("req_id: ")
    run(dc, "vmadm", "stop", the_vm(dc, "rabbitmq0")["uuid"])
    assert run(dc, "ping-agent", dc.headnode, "ur", "timeout=1000")[0] == 1


def test_zoneadm_and_zonecfg(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    assert run(dc, "zoneadm", "list", "-p")[1].splitlines()[0].startswith("0:global:running:/:")
    assert uuid in run(dc, "zoneadm", "list")[1].split()
    assert run(dc, "zonecfg", "-z", uuid, f"add dataset; set name=zones/{uuid}/data; end") == (0, "", "")
    assert the_vm(dc, "papi0")["datasets"] == [f"zones/{uuid}/data"]
    assert run(dc, "zonecfg", "-z", "nope", "info")[0] == 1


def test_sdc_tools_find_zones_and_servers(dc: Datacenter) -> None:
    assert run(dc, "sdc", "hostname")[1] == "sdc0\n"
    assert run(dc, "sdc-login", "-l", "papi", "hostname")[1] == "papi0\n"
    assert run(dc, "sdc-vmname", "papi0")[1].strip() == the_vm(dc, "papi0")["uuid"]
    assert run(dc, "sdc-server", "lookup", "headnode=true")[1].strip() == dc.headnode
    assert run(dc, "sdc-role", "list", "-H")[1].split()[0] == "assets"


@pytest.mark.parametrize("words", [["sdc-login", "nope"], ["sdc-role"], ["sdc-server", "x"], ["sdc-vmname", "nope"]])
def test_sdc_tools_that_find_nothing(dc: Datacenter, words: list[str]) -> None:
    assert run(dc, *words)[0] == 1


def test_sdcadm_lists_instances_and_health(dc: Datacenter) -> None:
    found = json.loads(run(dc, "sdcadm", "insts", "-j", "svc=papi")[1])
    assert [(one["alias"], one["service"]) for one in found] == [("papi0", "papi")]
    assert run(dc, "sdcadm", "health", "-q")[0] == 0
    run(dc, "vmadm", "stop", the_vm(dc, "papi0")["uuid"])
    assert run(dc, "sdcadm", "health", "-q")[0] == 1
    assert run(dc, "sdcadm", "up", "papi")[0] == 2


@pytest.mark.parametrize("name", sorted(WRAPPED))
def test_wrapped_commands_need_the_sdc_zone(dc: Datacenter, name: str) -> None:
    run(dc, "vmadm", "stop", the_vm(dc, "sdc0")["uuid"])
    said = f"error: {name}: unable to find a 'sdc' core zone on this node\n"
    assert run(dc, name, "/ping") == (1, "", said)


def test_wrapped_commands_need_the_sdc_zone_to_be_set_up(dc: Datacenter) -> None:
    vm = the_vm(dc, "sdc0")
    (dc.folder / "zones" / vm["uuid"] / "root/var/svc/setup_complete").unlink()
    status, _, err = run(dc, "sdc-sapi", "/ping")
    assert status == 1
    assert "config.json" in err
