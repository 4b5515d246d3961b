"""Who needs whom (reference 5.1, 5.2), and names that come and go with delays (reference 2.8)."""

from __future__ import annotations

import pathlib

import pytest
from core_box import box, only, ready, until
from mockdc.core import faults
from mockdc.core.datacenter import Datacenter
from mockdc.core.stack import STACK


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return box(tmp_path)


def address(dc: Datacenter, service: str) -> str:
    return str(only(dc, service)["nics"][0]["ip"])


def test_everything_works_at_first(dc: Datacenter) -> None:
    with_zones = [name for name in STACK if dc.instances_of(name)]
    assert {name: dc.outage(name, changing=True) for name in with_zones} == dict.fromkeys(with_zones)


@pytest.mark.parametrize(("down", "degraded"), [
    ("binder", {"manatee", "moray", "vmapi", "cnapi", "imgapi", "papi", "napi", "workflow", "ufds"}),
    ("manatee", {"moray", "vmapi", "cnapi", "imgapi", "papi", "napi", "workflow", "ufds"}),
    ("moray", {"vmapi", "cnapi", "imgapi", "papi", "napi", "workflow", "ufds", "fwapi", "amon"}),
    ("amonredis", {"amon"}),
    ("rabbitmq", set()),
    ("sapi", set()),
    ("sdc", set()),
])
def test_what_goes_down_with_what(dc: Datacenter, down: str, degraded: set[str]) -> None:
    dc.stop(only(dc, down)["uuid"], force=True)
    outages = {name: dc.outage(name) for name in STACK if dc.instances_of(name)}
    assert outages[down] == "refused" and degraded <= {name for name, why in outages.items() if why == "degraded"}


@pytest.mark.parametrize(("down", "hampered"), [("rabbitmq", "cnapi"), ("workflow", "vmapi"), ("moray", "sapi")])
def test_some_still_read_but_cannot_change(dc: Datacenter, down: str, hampered: str) -> None:
    dc.stop(only(dc, down)["uuid"])
    assert dc.outage(hampered, changing=True) == "degraded"
    assert dc.outage(hampered) in ({None} if hampered != "vmapi" else {None, "degraded"})


def test_one_of_several_instances_is_enough(tmp_path: pathlib.Path) -> None:
    dc = box(tmp_path, "dc")
    dc.stop(dc.instances_of("moray")[0]["uuid"])
    assert dc.outage("moray") is None and dc.outage("vmapi") is None


def test_a_server_without_power_takes_its_zones_along(tmp_path: pathlib.Path) -> None:
    dc = box(tmp_path, "dc")
    faults.add(dc, "server=00-25-90-aa-bb-cc down")
    down = dc.outage("adminui")
    faults.add(dc, "server=00-25-90-aa-bb-cc up")
    until(dc, lambda: dc.outage("adminui") is None)
    assert down == "refused"


# --- names ----------------------------------------------------------------------------------------------------------
def test_names_have_the_addresses_of_the_instances(tmp_path: pathlib.Path) -> None:
    dc = box(tmp_path, "dc")
    ips = [vm["nics"][0]["ip"] for vm in dc.instances_of("binder")]
    assert dc.resolve("binder.luna-2.dc.moonbase.example") == ips and len(ips) == 3


def test_a_name_without_registrations_is_empty_not_an_error(dc: Datacenter) -> None:
    assert dc.resolve("cloudapi.coal.example.com") == []


def test_no_names_without_binder(dc: Datacenter) -> None:
    dc.stop(only(dc, "binder")["uuid"])
    assert dc.resolve("vmapi.coal.example.com") is None


def test_a_disabled_registrar_takes_the_name_away_in_seconds(dc: Datacenter) -> None:
    dc.svcadm(only(dc, "moray")["uuid"], "disable", "registrar")
    assert until(dc, lambda: not dc.resolve("moray.coal.example.com")) == pytest.approx(5, abs=1)


def test_a_zone_that_stops_stays_in_dns_for_a_minute(dc: Datacenter) -> None:
    dc.stop(only(dc, "vmapi")["uuid"], force=True)
    assert until(dc, lambda: not dc.resolve("vmapi.coal.example.com")) == pytest.approx(60, abs=1)


def test_a_started_zone_is_in_dns_some_time_after_it_is_online(dc: Datacenter) -> None:
    uuid, ip = only(dc, "vmapi")["uuid"], address(dc, "vmapi")
    dc.stop(uuid)
    dc.wait(120)
    dc.start(uuid)
    assert 10 < until(dc, lambda: dc.resolve("vmapi.coal.example.com") == [ip]) < 70


def test_an_old_session_that_ends_does_not_take_the_new_name_away(dc: Datacenter) -> None:
    uuid, ip = only(dc, "vmapi")["uuid"], address(dc, "vmapi")
    dc.stop(uuid)
    dc.start(uuid)
    dc.wait(300)
    assert dc.resolve("vmapi.coal.example.com") == [ip]


def test_after_binder_was_replaced_names_come_back_late(dc: Datacenter) -> None:
    uuid, image = ready(dc, "binder")
    dc.reprovision(uuid, image)
    until(dc, lambda: dc.resolve("vmapi.coal.example.com") is not None)
    empty = dc.resolve("vmapi.coal.example.com") == []
    assert empty and until(dc, lambda: bool(dc.resolve("vmapi.coal.example.com"))) > 4


def test_a_zone_may_never_come_into_dns(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    faults.add(dc, "zone=vmapi0 never-in-dns")
    dc.reprovision(uuid, image)
    dc.wait(600)
    assert dc.outage("vmapi") is None and dc.resolve("vmapi.coal.example.com") == []


def test_dependencies_name_services_that_exist() -> None:
    assert {other for kind in STACK.values() for other in kind.hard + kind.soft} <= set(STACK)
