"""The one table of services: that it says the same thing everywhere, and that its order is the reference's."""

from __future__ import annotations

import pytest

from sdcupgrade.plan import stack

ORDINARY = [entry for entry in stack.STACK if not entry.retired]

NEEDS = {
    "manatee": ["binder"],
    "moray": ["manatee", "binder"],
    "ufds": ["moray", "imgapi"],
    "workflow": ["moray"],
    "papi": ["moray"],
    "napi": ["moray"],
    "fwapi": ["moray"],
    "imgapi": ["moray"],
    "cnapi": ["moray", "workflow", "rabbitmq"],
    "dhcpd": ["cnapi", "napi"],
    "vmapi": ["moray", "workflow", "cnapi", "napi", "imgapi", "papi"],
    "mahi": ["ufds"],
    "amon": ["ufds", "moray", "amonredis"],
    "cloudapi": ["vmapi", "mahi"],
    "adminui": ["vmapi", "ufds"],
}


@pytest.mark.parametrize(("service", "needed"), [(name, need) for name, needs in NEEDS.items() for need in needs])
def test_a_service_comes_after_what_it_needs(service: str, needed: str) -> None:
    assert stack.position(needed) < stack.position(service)


def test_sdc_and_sapi_come_last_of_what_can_be_upgraded() -> None:
    assert [entry.name for entry in ORDINARY][-2:] == ["sdc", "sapi"]


def test_every_position_has_its_reason() -> None:
    assert all(len(entry.reason) > 10 for entry in ORDINARY)


def test_names_are_unique_and_found() -> None:
    assert len(set(stack.names())) == len(stack.STACK)
    assert all(stack.find(name) is stack.STACK[stack.position(name)] for name in stack.names())


def test_an_unknown_name_is_not_found() -> None:
    assert stack.find("moray0") is None
    with pytest.raises(KeyError):
        stack.position("moray0")


def test_no_image_name_belongs_to_two_services() -> None:
    images = [name for entry in stack.STACK for name in entry.image_names()]
    assert len(set(images)) == len(images)


@pytest.mark.parametrize(
    ("image", "service"),
    [
        ("sdc-postgres", "manatee"),
        ("mantav2-nameservice", "binder"),
        ("manta-moray", "moray"),
        ("manta-authcache", "mahi"),
        ("vmapi", "vmapi"),
    ],
)
def test_an_image_name_leads_to_its_service(image: str, service: str) -> None:
    assert stack.of_image(image) == (service,)


def test_agents_and_reserved_names_are_no_services() -> None:
    assert not set(stack.names()) & (stack.AGENTS | set(stack.RESERVED))


def test_what_needs_a_special_procedure_is_as_the_reference_says() -> None:
    assert [entry.name for entry in stack.STACK if entry.special] == ["binder", "manatee", "moray", "ufds"]


def test_what_has_no_sapi_record_is_assets_alone() -> None:
    assert [entry.name for entry in stack.STACK if not entry.sapi] == ["assets"]


def test_only_apis_have_a_ping() -> None:
    pinged = {entry.name for entry in stack.STACK if entry.ping}
    assert pinged == {"imgapi", "workflow", "papi", "napi", "fwapi", "cnapi", "vmapi", "mahi", "sapi"}


def test_the_nearest_name_is_empty_when_none_is_near() -> None:
    assert stack.nearest("zzzzzz") == ""
    assert stack.nearest("vmpi") == "vmapi"
