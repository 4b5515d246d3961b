"""The scenarios are sound: origins exist, uuids differ, digests are true, and what the product is to find is there."""

from __future__ import annotations

import gzip
import hashlib
import pathlib

import pytest
from core_box import box, only
from mockdc.core import scenario
from mockdc.core.datacenter import Datacenter

CUSTOMERS_IMAGE = "4803c1cd-5882-9c48-bc2a-fc81c1429a89"


@pytest.fixture(scope="module", params=["coal", "dc", "big"])
def any_dc(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Datacenter:
    return box(tmp_path_factory.mktemp("box"), request.param)


@pytest.fixture(scope="module")
def coal(tmp_path_factory: pytest.TempPathFactory) -> Datacenter:
    return box(tmp_path_factory.mktemp("box"))


@pytest.fixture(scope="module")
def luna(tmp_path_factory: pytest.TempPathFactory) -> Datacenter:
    return box(tmp_path_factory.mktemp("box"), "dc")


def test_every_origin_exists(any_dc: Datacenter) -> None:
    for store in ("updates", "imgapi"):
        images = {image["uuid"]: image for image in any_dc.store.all("image", f"{store}/")}
        origins = {image.get("origin") for image in images.values() if image["state"] == "active"}
        assert origins - set(images) == {None}


def test_uuids_differ(any_dc: Datacenter) -> None:
    kinds = ("server", "vm", "sapi_service", "sapi_application", "sapi_manifest")
    uuids = [doc["uuid"] for kind in kinds for doc in any_dc.store.all(kind)]
    assert len(uuids) == len(set(uuids)) and len({vm["nics"][0]["ip"] for vm in any_dc.store.all("vm")}) == len(
        any_dc.store.all("vm"))


def test_running_images_are_installed_and_known(any_dc: Datacenter) -> None:
    for vm in any_dc.store.all("vm"):
        assert any_dc.installed(vm["server_uuid"], vm["image_uuid"]), vm["alias"]
        assert any_dc.store.get("image", f"imgapi/{vm['image_uuid']}"), vm["alias"]


def test_no_newer_image_is_in_the_datacenter_yet(coal: Datacenter) -> None:
    held = {image["uuid"] for image in coal.store.all("image", "imgapi/")}
    images = coal.store.all("image", "updates/")
    new = {image["uuid"] for image in images if image["version"].startswith("master-202405")}
    assert len(new) > 20 and not held & new


def test_digests_are_true(coal: Datacenter) -> None:
    manifest = coal.store.get("image", f"updates/{CUSTOMERS_IMAGE}")
    assert manifest is not None
    data = coal.image_path("updates", CUSTOMERS_IMAGE).read_bytes()
    (entry,) = manifest["files"]
    assert (hashlib.sha1(data).hexdigest(), len(data)) == (entry["sha1"], entry["size"])
    assert len(gzip.decompress(data)) > 60000


def test_a_scenario_is_the_same_on_every_run(tmp_path: pathlib.Path, coal: Datacenter) -> None:
    again = box(tmp_path)
    for kind in ("vm", "image", "sapi_service", "zone", "server"):
        assert again.store.items(kind) == coal.store.items(kind)


def test_the_customers_spec_can_run(coal: Datacenter) -> None:
    newer, running = coal.store.get("image", f"updates/{CUSTOMERS_IMAGE}"), only(coal, "imgapi")["image_uuid"]
    current = coal.store.get("image", f"imgapi/{running}")
    assert newer and current and newer["name"] == "imgapi" and newer["published_at"] > current["published_at"]
    assert "dev" in newer["channels"]


def test_an_experimental_image_is_newer_than_all_others(coal: Datacenter) -> None:
    images = [image for image in coal.store.all("image", "updates/") if image["name"] == "vmapi"]
    newest = max(images, key=lambda image: str(image["published_at"]))
    assert newest["channels"] == ["experimental"] and any(len(image["channels"]) > 1 for image in images)


def test_coal_has_services_without_instances(coal: Datacenter) -> None:
    names = {service["name"] for service in coal.store.all("sapi_service")}
    assert {"cloudapi", "manta"} <= names and "assets" not in names
    assert not coal.instances_of("cloudapi") and len(coal.instances_of("assets")) == 1


def test_some_quotas_are_text(coal: Datacenter) -> None:
    kinds = {type(service["params"]["quota"]) for service in coal.store.all("sapi_service") if service["type"] == "vm"}
    assert kinds == {str, int}


def test_dc_has_several_instances_on_compute_nodes(luna: Datacenter) -> None:
    counts = {name: len(luna.instances_of(name)) for name in ("cloudapi", "binder", "manatee", "moray", "adminui")}
    assert counts == {"cloudapi": 2, "binder": 3, "manatee": 3, "moray": 2, "adminui": 1}
    assert only(luna, "adminui")["server_uuid"] != luna.headnode and only(luna, "mahi")["server_uuid"] != luna.headnode


def test_dc_has_decoys(luna: Datacenter) -> None:
    aliases = [vm["alias"] for vm in luna.store.all("vmapi_vm") if vm["alias"].startswith("imgapi0")]
    assert len(aliases) > 3 and only(luna, "imgapi")["alias"] == "imgapi0"
    assert [app["name"] for app in luna.store.all("sapi_application")] == ["sdc", "manta"]
    assert sum(service["name"] == "moray" for service in luna.store.all("sapi_service")) == 2


def test_dc_has_leftovers_of_earlier_troubles(luna: Datacenter) -> None:
    unactivated = [image for image in luna.store.all("image", "imgapi/") if image["state"] == "unactivated"]
    stale = [each for each in luna.store.all("sapi_instance") if each["type"] == "vm" and not luna.vm(each["uuid"])]
    assert [image["name"] for image in unactivated] == ["papi"] and len(stale) == 1
    assert only(luna, "dhcpd")["quota"] == 0


def test_dc_has_a_linux_server_and_one_not_set_up(luna: Datacenter) -> None:
    servers = luna.store.all("server")
    assert len(servers) == 9 and sum(not server["setup"] for server in servers) == 1
    assert sum(server["sysinfo"]["System Type"] == "Linux" for server in servers) == 1


def test_big_has_a_thousand_compute_nodes(tmp_path: pathlib.Path) -> None:
    assert len(box(tmp_path, "big").store.all("server")) == 1001


def test_a_file_may_be_a_scenario(tmp_path: pathlib.Path) -> None:
    place = tmp_path / "mine.json"
    place.write_text('{"datacenter_name": "mine", "dns_domain": "example.org", "services": {"napi": {}}}')
    dc = Datacenter.empty(tmp_path)
    scenario.load(dc, str(place))
    assert dc.config["napi_domain"] == "napi.mine.example.org" and dc.outage("napi") == "degraded"


def test_an_unknown_scenario_names_those_there_are(tmp_path: pathlib.Path) -> None:
    with pytest.raises(scenario.BadScenario, match="big, coal, dc, empty"):
        scenario.load(Datacenter.empty(tmp_path), "nowhere")


def test_zones_have_their_files(coal: Datacenter) -> None:
    root = coal.root(coal.headnode) / "zones" / only(coal, "imgapi")["uuid"] / "root"
    assert (root / "var/svc/setup_complete").exists() and (root / "var/svc/setup.log").exists()
    assert (root / "var/svc/log/smartdc-site-imgapi:default.log").exists()


@pytest.mark.parametrize(("more", "told"), [
    ({"sevices": {}}, "there is no key 'sevices' (did you mean services?)"),
    ({"services": {"napi": {"on": ["hedanode"]}}}, "there is no server 'hedanode' (did you mean headnode?)"),
    ({"services": {"napi": {"qouta": 1}}}, "service napi: there is no key 'qouta' (did you mean quota?)"),
    ({"services": []}, "services is an object, not []"),
    ({"agents": "yes"}, "agents is true or false, not 'yes'"),
    ({"services": {"napi": {"on": ["headnode"], "aliases": []}}}, "fewer aliases than instances"),
    ({"releases": [{"key": "a", "stamp": "20240101T000000Z", "origin": "x"}]}, "there is no origin 'x'"),
    ({"servers": [{"headnode": True}]}, "a server: hostname is missing"),
    ({"packages": [{"name": "a", "version": "1", "stamp": "2024"}]}, "stamp is like 20240118T001122Z, not '2024'"),
    ({"services": {"napi": {"user_script": "new"}}}, "service napi: user_script: there is no script 'new'"),
    ({"servers": []}, "there must be one"),
    ({"leftover": ["papi"]}, "leftover: there is no service 'papi'"),
])  # fmt: skip
def test_what_a_scenario_gets_wrong_is_told_in_one_line(more: dict[str, object], told: str) -> None:
    with pytest.raises(scenario.BadScenario) as why:
        scenario.read({"datacenter_name": "a", "dns_domain": "b", **more})
    assert told in str(why.value) and "\n" not in str(why.value)


def test_the_scenario_empty_is_empty_but_for_a_root(tmp_path: pathlib.Path) -> None:
    dc = box(tmp_path, "empty")
    assert [dc.store.all(f"sapi_{kind}") for kind in ("application", "service", "instance", "manifest")] == [[]] * 4
    assert (dc.store.all("image"), dc.store.all("vm"), dc.root(dc.headnode)) == ([], [], tmp_path)


def test_a_scenario_takes_what_it_lacks_from_the_one_it_extends() -> None:
    signed = scenario.read("signed")
    assert (signed["bare"], signed["start"]) == (True, "2026-11-23T09:03:49.000Z")
