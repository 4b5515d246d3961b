"""The inventory: told by SAPI records, owner and role; the truth from vmadm; few calls, however many servers."""

from __future__ import annotations

import pathlib

import pytest
from dc_box import Boxed, boxed

from sdcupgrade.dc.inventory import natural, take
from sdcupgrade.errors import Unreachable


@pytest.fixture
def coal(tmp_path: pathlib.Path) -> Boxed:
    return boxed(tmp_path)


@pytest.fixture
def luna(tmp_path: pathlib.Path) -> Boxed:
    return boxed(tmp_path, "dc")


def test_every_service_and_its_instance_are_found(coal: Boxed) -> None:
    found = take(coal.dc)
    assert [one.alias for one in found.instances_of("vmapi")] == ["vmapi0"]
    assert found.instances_of("cloudapi") == ()
    service, vm = found.service("vmapi"), coal.vm("vmapi0")
    assert service is not None
    assert (service.image_uuid, service.domain) == (vm["image_uuid"], "vmapi.coal.example.com")


def test_the_datacenter_names_itself(luna: Boxed) -> None:
    found = take(luna.dc)
    assert (found.datacenter_name, found.dns_domain, found.update_channel) == ("luna-2", "dc.moonbase.example", "dev")
    server = found.server(found.headnode_uuid)
    assert server is not None
    assert (server.hostname, server.headnode) == ("hn-4f.core", True)


def test_assets_is_found_though_sapi_has_no_such_service(coal: Boxed) -> None:
    found = take(coal.dc)
    service = found.service("assets")
    assert service is not None
    assert (service.uuid, service.image_uuid) == ("", None)
    assert [(one.alias, one.in_sapi) for one in found.instances_of("assets")] == [("assets0", False)]


def test_a_service_is_not_guessed_from_an_alias(luna: Boxed) -> None:
    found = take(luna.dc)
    ours = {str(vm["uuid"]) for vm in luna.box.instances_of("moray")}
    assert {one.uuid for one in found.instances_of("moray")} == ours
    assert [one.service for one in found.instances if one.alias == "amonredis0"] == ["amonredis"]


def test_a_sapi_record_without_vm_is_a_missing_instance(luna: Boxed) -> None:
    states = {one.alias: one.state for one in take(luna.dc).instances_of("fwapi")}
    assert states == {"fwapi0": "running", "fwapi1": "missing"}


def test_a_zone_that_sapi_does_not_list_is_drift(coal: Boxed) -> None:
    coal.box.store.delete("sapi_instance", coal.vm("papi0")["uuid"])
    assert [(one.alias, one.in_sapi) for one in take(coal.dc).instances_of("papi")] == [("papi0", False)]


def test_vmapi_that_lags_is_not_believed_about_this_headnode(coal: Boxed) -> None:
    vm = coal.vm("papi0")
    believed = coal.box.store.get("vmapi_vm", vm["uuid"]) or {}
    coal.box.store.put("vmapi_vm", vm["uuid"], {**believed, "image_uuid": "other", "state": "stopped"})
    found = take(coal.dc).instances_of("papi")[0]
    assert (found.image_uuid, found.state) == (vm["image_uuid"], "running")


def test_a_zone_that_only_vmapi_still_sees_here_is_missing(coal: Boxed) -> None:
    vm = coal.vm("papi0")["uuid"]
    coal.box.store.delete("vm", vm)
    assert coal.box.store.get("vmapi_vm", vm) is not None
    assert [one.state for one in take(coal.dc).instances_of("papi")] == ["missing"]


def test_a_zone_that_vmapi_sees_elsewhere_is_where_vmadm_finds_it(coal: Boxed) -> None:
    vm = coal.vm("papi0")["uuid"]
    coal.box.store.put("vmapi_vm", vm, {**coal.vm("papi0"), "server_uuid": "elsewhere"})
    assert take(coal.dc).instances_of("papi")[0].server_uuid == coal.box.headnode


def test_manta_s_zone_of_the_same_role_is_not_ours(coal: Boxed) -> None:
    manta = {**coal.vm("moray0"), "uuid": "00000000-0000-4000-8000-000000000001", "alias": "moray.manta"}
    manta["tags"] = {**manta["tags"], "manta_role": "moray"}
    for kind in ("vm", "vmapi_vm"):
        coal.box.store.put(kind, manta["uuid"], manta)
    assert [one.alias for one in take(coal.dc).instances_of("moray")] == ["moray0"]


def test_other_servers_zones_come_from_vmapi_with_their_user_script(luna: Boxed) -> None:
    found = take(luna.dc).instances_of("adminui")[0]
    vm = luna.vm("adminui0")
    assert (found.server_uuid, found.user_script) == (vm["server_uuid"], vm["customer_metadata"]["user-script"])


def test_quota_text_and_no_quota_are_numbers(luna: Boxed) -> None:
    found = take(luna.dc)
    assert found.instances_of("dhcpd")[0].quota_gib == 0
    assert found.instances_of("napi")[0].quota_gib == 25


def test_an_image_that_imgapi_lost_is_simply_unknown(coal: Boxed) -> None:
    image = coal.vm("papi0")["image_uuid"]
    coal.box.store.delete("image", f"imgapi/{image}")
    found = take(coal.dc)
    assert image not in found.images
    assert found.images[coal.vm("vmapi0")["image_uuid"]].name == "vmapi"


def test_only_active_images_count_as_held(luna: Boxed) -> None:
    found = take(luna.dc)
    leftover = [one for one in luna.box.store.all("image", "imgapi/") if one["state"] == "unactivated"]
    assert leftover
    assert leftover[0]["uuid"] not in found.imgapi_images


def test_the_user_script_of_today_is_read_from_the_key_s_copy(coal: Boxed) -> None:
    assert (take(coal.dc).common_user_script or "").startswith("#!/usr/bin/bash")
    coal.doors.files.remove("/usbkey/default/user-script.common")
    assert take(coal.dc).common_user_script is None


def test_without_services_no_server_is_looked_into(coal: Boxed) -> None:
    found = take(coal.dc)
    assert (found.installed, found.space.pools) == ({}, {})
    assert not [line for line in coal.calls("command") if line.startswith(("imgadm", "zfs"))]


def test_the_calls_do_not_grow_with_the_servers(tmp_path: pathlib.Path) -> None:
    few, many = boxed(tmp_path / "few"), boxed(tmp_path / "many", "big")
    for one in (few, many):
        take(one.dc)
    assert len(many.calls("http")) <= len(few.calls("http")) + 1
    assert len(many.calls("command")) == len(few.calls("command"))


def test_aliases_are_in_the_order_of_their_numbers() -> None:
    assert sorted(["moray10", "moray9", "moray", "amon0"], key=natural) == ["amon0", "moray", "moray9", "moray10"]


@pytest.mark.parametrize("service", ["vmapi", "cnapi", "imgapi"])
def test_a_service_that_is_down_is_an_error_unless_expected(coal: Boxed, service: str) -> None:
    coal.fault(f"{service} * refuse")
    with pytest.raises(Unreachable, match="refused"):
        take(coal.dc)
    found = take(coal.dc, down=(service,))
    assert found.instances_of("papi")[0].image_uuid == coal.vm("papi0")["image_uuid"]
    assert found.server(found.headnode_uuid) is not None


def test_servers_of_the_services_asked_for_are_looked_into(luna: Boxed) -> None:
    found = take(luna.dc, ["adminui"])
    there, here = luna.vm("adminui0")["server_uuid"], found.headnode_uuid
    assert set(found.installed) == {there, here}
    assert luna.vm("adminui0")["image_uuid"] in found.installed[there]
    assert min(found.space.pools[there], found.space.imgapi, found.space.workdir) > 0


def test_other_servers_are_looked_into_in_one_call(luna: Boxed) -> None:
    take(luna.dc, ["cloudapi", "adminui", "mahi"])
    assert len([line for line in luna.calls("command") if line.startswith("sdc-oneachnode")]) == 1


def test_a_server_that_cnapi_does_not_hear_from_is_not_looked_into(luna: Boxed) -> None:
    luna.fault("server=moon-03 down")
    found = take(luna.dc, ["mahi"])
    server = found.server(luna.vm("mahi0")["server_uuid"])
    assert server is not None and server.status != "running"
    assert server.uuid not in found.installed and server.uuid not in found.space.pools


def test_a_server_that_takes_no_commands_is_named(luna: Boxed) -> None:
    luna.fault("sdc-oneachnode 'fail=10:nodes not found'")
    with pytest.raises(Unreachable, match="server moon-03 cannot be looked into"):
        take(luna.dc, ["mahi"])


def test_without_vmapi_other_servers_are_asked_themselves(luna: Boxed) -> None:
    luna.fault("vmapi * refuse")
    found = take(luna.dc, down=("vmapi",))
    assert found.instances_of("adminui")[0].image_uuid == luna.vm("adminui0")["image_uuid"]
