"""Services are reached by address, else by name; 5xx and silence are "unreachable", 4xx is an error with its code."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from dc_fakes import ADMIN, HERE, FakePrograms, FakeWeb, always, datacenter, doors, says

from sdcupgrade.dc.api import Api, batches, target
from sdcupgrade.dc.cnapi import Cnapi
from sdcupgrade.dc.sapi import Sapi
from sdcupgrade.dc.vmapi import Vmapi
from sdcupgrade.doors.http import Response
from sdcupgrade.errors import BadAnswer, HttpError, Unreachable
from sdcupgrade.updates.source import UpdatesServer

ONE = "http://10.0.0.1"
TWO = "http://sapi.coal.example.com"


def api(*services: tuple[str, Any], bases: tuple[str, ...] = (ONE, TWO)) -> Api:
    return Api("sapi", FakeWeb(dict(services)), lambda: bases, "~2")


def test_the_name_is_tried_when_the_address_does_not_answer() -> None:
    assert api((TWO, always(200, ["x"]))).json("/services") == ["x"]


def test_a_server_error_is_not_asked_again_elsewhere() -> None:
    down = always(503, {"code": "ServiceUnavailable", "message": "moray is away"})
    with pytest.raises(Unreachable, match="503 ServiceUnavailable: moray is away"):
        api((ONE, down), (TWO, always(200, []))).json("/")


@pytest.mark.parametrize("handlers", [(), ((ONE, always(503, {})),)])
def test_a_service_that_is_down_is_looked_for_in_its_zone(handlers: tuple[tuple[str, Any], ...]) -> None:
    with pytest.raises(Unreachable) as error:
        api(*handlers).json("/")
    assert error.value.hint.endswith("sdc-healthcheck; svcs -xvz $(vmadm lookup -1 tags.smartdc_role=sapi)")


def test_the_updates_server_is_no_zone() -> None:
    with pytest.raises(Unreachable) as error:
        UpdatesServer(FakeWeb({}), "https://updates.example.com").channels()
    assert "network, firewall, proxy; prepare --source URL" in error.value.hint
    assert "svcs" not in error.value.hint


def test_what_the_wire_knows_is_told_rather() -> None:
    class Wire(FakeWeb):
        def request(self, *args: Any, **more: Any) -> Response:
            raise Unreachable("GET /: TLS failed", "speak TLS")

    with pytest.raises(Unreachable) as error:
        Api("sapi", Wire({}), lambda: (ONE,), "*").json("/")
    assert error.value.hint == "speak TLS"


def test_a_refusal_carries_its_code_and_the_fields() -> None:
    body = {"code": "ValidationFailed", "message": "Bad", "errors": [{"field": "sort", "message": "no such"}]}
    with pytest.raises(HttpError, match=r"Bad \(sort: no such\)") as error:
        api((ONE, always(409, body))).json("/vms")
    assert (error.value.http_status, error.value.code) == (409, "ValidationFailed")


def test_cnapi_s_500_for_a_bad_parameter_is_a_refusal() -> None:
    with pytest.raises(HttpError):
        api((ONE, always(500, {"code": "InvalidParameters", "message": "Request parameters failed"}))).json("/servers")


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_an_error_without_a_restify_body_keeps_its_status(body: bytes) -> None:
    with pytest.raises(HttpError, match="refused with 404"):
        api((ONE, always(404, body))).json("/")


def test_what_is_not_json_is_a_bad_answer_that_names_the_call() -> None:
    with pytest.raises(BadAnswer, match="sapi: GET /mode: not valid JSON"):
        api((ONE, always(200, b"<html>"))).json("/mode")


def test_queries_are_encoded_and_empty_values_left_out() -> None:
    assert target("/images", {"name": "a b&c", "marker": ""}) == "/images?name=a%20b%26c"
    assert [len(some) for some in batches([str(number) for number in range(250)])] == [100, 100, 50]


def zone(role: str, ip: str, **more: Any) -> dict[str, Any]:
    nics = [{"nic_tag": "external", "ip": "8.8.8.8"}, {"nic_tag": "admin", "ip": ip}]
    return {"uuid": role, "tags": {"smartdc_role": role}, "nics": nics, **more}


def test_addresses_come_from_vmadm_once_and_never_from_the_first_nic(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(vmadm=says(json.dumps([zone("sapi", "10.0.0.1"), zone("vmapi", "10.0.0.2")])))
    web = FakeWeb({ONE: always(200, "full"), "http://10.0.0.2": always(200, {})})
    dc = datacenter(doors(tmp_path, programs, web))
    assert dc.sapi.mode() == "full"
    assert dc.vmapi.api.ping() == {}
    assert len(programs.lines) == 1
    assert f"owner_uuid={ADMIN}" in programs.lines[0]


def test_manta_s_moray_is_not_ours(tmp_path: pathlib.Path) -> None:
    manta = zone("moray", "10.9.9.9", tags={"smartdc_role": "moray", "manta_role": "moray"})
    dc = datacenter(doors(tmp_path, FakePrograms(vmadm=says(json.dumps([manta]))), FakeWeb({})))
    assert dc.addresses.of("moray")() == ("http://moray.coal.example.com",)


def test_names_do_when_vmadm_fails(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(vmadm=says((1, "", "no")))
    dc = datacenter(doors(tmp_path, programs, FakeWeb({TWO: always(200, "proto")})))
    assert dc.sapi.mode() == "proto"
    assert dc.sapi.mode() == "proto"
    assert len(programs.lines) == 1


class OneService:
    """A SAPI with one service, merging as the real one does; *forgets* makes it answer 200 and change nothing."""

    def __init__(self, forgets: bool = False) -> None:
        self.forgets = forgets
        params, metadata = {"image_uuid": "old", "ram": "8192"}, {"user-script": "x"}
        self.service: dict[str, Any] = {"uuid": "s1", "name": "imgapi", "params": params, "metadata": metadata}

    def __call__(self, line: str, body: bytes) -> tuple[int, Any]:
        if "/services/s1" not in line:
            return (500, {"message": "updateObject failed"}) if line.startswith("PUT") else (404, {"code": "NotFound"})
        change = json.loads(body) if body and not self.forgets else {}
        for part in ("params", "metadata"):
            for key, value in change.get(part, {}).items():
                self.service[part].pop(key, None)
                if change["action"] == "update":
                    self.service[part][key] = value
        return 200, self.service


def sapi(handler: OneService) -> Sapi:
    return Sapi(FakeWeb({ONE: handler}), lambda: (ONE,))


def test_a_param_is_set_with_its_type_and_read_back() -> None:
    handler = OneService()
    assert sapi(handler).set_param("s1", "image_uuid", "new").image_uuid == "new"
    sapi(handler).set_param("s1", "maintain_resolvers", True)
    assert handler.service["params"] == {"image_uuid": "new", "ram": "8192", "maintain_resolvers": True}


def test_none_removes_the_key() -> None:
    assert sapi(OneService()).set_metadata("s1", "user-script", None).user_script is None


def test_a_write_that_did_not_take_is_noticed() -> None:
    with pytest.raises(BadAnswer, match=r"params\.image_uuid of service s1 reads back otherwise"):
        sapi(OneService(forgets=True)).set_param("s1", "image_uuid", "new")


def test_an_unknown_service_is_a_404_though_sapi_says_500() -> None:
    with pytest.raises(HttpError) as error:
        sapi(OneService()).set_param("s2", "image_uuid", "new")
    assert error.value.http_status == 404


def test_agents_and_other_applications_are_left_out() -> None:
    listed = [
        {"uuid": "1", "name": "imgapi", "application_uuid": "sdc", "type": "vm"},
        {"uuid": "2", "name": "cn-agent", "application_uuid": "sdc", "type": "agent"},
        {"uuid": "3", "name": "moray", "application_uuid": "manta", "type": "vm"},
    ]
    client = Sapi(FakeWeb({ONE: always(200, listed)}), lambda: (ONE,))
    assert [service.name for service in client.services("sdc")] == ["imgapi"]


def test_two_applications_of_one_name_are_refused() -> None:
    with pytest.raises(BadAnswer, match="2 applications named 'sdc'"):
        Sapi(FakeWeb({ONE: always(200, [{"uuid": "1"}, {"uuid": "2"}])}), lambda: (ONE,)).application()


def test_vmapi_is_read_in_pages_and_without_the_destroyed() -> None:
    vms = [{"uuid": f"{number:04}", "state": "destroyed" if number == 3 else "running"} for number in range(1500)]

    def handler(line: str, body: bytes) -> tuple[int, Any]:
        start = 1000 if "marker=" in line else 0
        return 200, vms[start : start + 1000]

    client = Vmapi(FakeWeb({ONE: handler}), lambda: (ONE,))
    assert len(client.core_zones(ADMIN)) == 1499


def test_a_vm_that_vmapi_does_not_know_is_none() -> None:
    client = Vmapi(FakeWeb({ONE: always(404, {"code": "ResourceNotFound"})}), lambda: (ONE,))
    assert client.zone("x", sync=True) is None


def test_all_servers_come_in_pages() -> None:
    servers = [{"uuid": str(number), "hostname": "", "status": "running"} for number in range(1200)]

    def handler(line: str, body: bytes) -> tuple[int, Any]:
        start = int(line.rpartition("offset=")[2])
        return 200, servers[start : start + 1000]

    found = Cnapi(FakeWeb({ONE: handler}), lambda: (ONE,)).all_servers()
    assert (len(found), found[7].hostname, found[7].system_type) == (1200, "7", "SunOS")
    assert HERE not in {server.uuid for server in found}
