"""The HTTP face on the wire: keep-alive, uploads, the proxy that knows the names, faults of connections."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import urllib.parse
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from conftest import Box
from mockdc.faces.box import find

IMAGE = "11111111-2222-4333-8444-555555555555"
FILE = "/images/4803c1cd-5882-9c48-bc2a-fc81c1429a89/file?channel=dev"


def connect(url: str) -> contextlib.closing[http.client.HTTPConnection]:
    """A connection to that server, closed at the end."""
    return contextlib.closing(http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=20))


def ask(link: http.client.HTTPConnection, target: str, method: str = "GET", body: Any = None,
        headers: Optional[dict[str, str]] = None) -> tuple[http.client.HTTPResponse, bytes]:  # fmt: skip
    """One request on an open connection."""
    link.request(method, target, body=body, headers=headers or {})
    answer = link.getresponse()
    return answer, answer.read()


def proxied(box: Box, url: str) -> tuple[http.client.HTTPResponse, bytes]:
    """One request through the proxy."""
    with connect(box.env["SDCUPGRADE_ADMIN_PROXY"]) as link:
        return ask(link, url)


@pytest.fixture
def faulty(coal: Box) -> Iterator[Box]:
    """A box whose faults are forgotten afterwards."""
    yield coal
    coal.must("reset-faults")


def test_a_connection_serves_many_requests(coal: Box) -> None:
    with connect(coal.env["SAPI_URL"]) as link:
        link.connect()
        first = link.sock
        statuses = [ask(link, target)[0].status for target in ("/ping", "/nothing", "/services")]
        assert statuses == [200, 404, 200]
        assert link.sock is first


def test_answers_carry_what_restify_adds(coal: Box) -> None:
    with connect(coal.env["SAPI_URL"]) as link:
        answer, body = ask(link, "/ping")
    assert answer.getheader("Server", "").startswith("sapi/")
    assert answer.getheader("Content-Length") == str(len(body))
    assert all(answer.getheader(name) for name in ("Date", "x-request-id", "x-server-name", "Connection"))


def test_head_is_passed_on_and_its_answer_has_no_body(coal: Box) -> None:
    with connect(coal.env["UPDATES_URL"]) as link:
        answer, body = ask(link, FILE, "HEAD")
        assert (answer.status, answer.getheader("Allow"), body) == (405, "PUT, GET", b"")
        assert ask(link, "/ping")[0].status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_arrives_whole(coal: Box, chunked: bool) -> None:
    data = random.Random(7).randbytes(3_000_001)
    manifest = json.dumps({"v": 2, "uuid": IMAGE, "owner": "00000000-0000-0000-0000-000000000000", "name": "upload",
                           "version": "1", "type": "zone-dataset", "os": "smartos"})  # fmt: skip
    body = iter([data[:2_000_000], data[2_000_000:]]) if chunked else data
    with connect(coal.env["UPDATES_URL"]) as link:
        ask(link, f"/images/{IMAGE}?action=import", "POST", manifest, {"Content-Type": "application/json"})
        answer, told = ask(link, f"/images/{IMAGE}/file?compression=none", "PUT", body,
                           {"Content-Type": "application/octet-stream"})  # fmt: skip
        assert answer.status == 200, told
        assert json.loads(told)["files"][0]["sha1"] == hashlib.sha1(data).hexdigest()
        assert ask(link, f"/images/{IMAGE}", "DELETE")[0].status == 204


def test_a_service_is_reached_by_name_and_by_address(coal: Box) -> None:
    address = coal.state()["dns"]["sapi.coal.example.com"][0]
    for host in ("sapi.coal.example.com", address):
        answer, body = proxied(coal, f"http://{host}/services?name=vmapi")
        assert (answer.status, json.loads(body)[0]["name"]) == (200, "vmapi")


@pytest.mark.parametrize(("url", "error"), [
    ("http://nosuch.coal.example.com/ping", "no-such-host"),
    ("http://10.99.99.250/ping", "refused"),
    ("http://sapi.coal.example.com:8080/ping", "refused"),
])  # fmt: skip
def test_what_the_proxy_cannot_reach(coal: Box, url: str, error: str) -> None:
    answer, body = proxied(coal, url)
    assert (answer.status, answer.getheader("X-Proxy-Error")) == (502, error)
    assert json.loads(body)["code"] == "BadGateway"


def test_the_proxy_reaches_the_updates_server_too(coal: Box) -> None:
    _, body = proxied(coal, coal.env["UPDATES_URL"] + "/ping")
    assert json.loads(body)["imgapi"] is True


def test_a_cut_body_ends_early_and_with_it_the_connection(faulty: Box) -> None:
    faulty.must("fault", "sapi GET /services cut=100")
    with connect(faulty.env["SAPI_URL"]) as link, pytest.raises(http.client.IncompleteRead) as caught:
        ask(link, "/services")
    assert len(caught.value.partial) == 100


def test_a_corrupt_body_differs_in_its_first_byte_only(faulty: Box) -> None:
    with connect(faulty.env["UPDATES_URL"]) as link:
        good = ask(link, FILE)[1]
        faulty.must("fault", "updates GET /images/*/file corrupt")
        bad = ask(link, FILE)[1]
    assert (bad[0] != good[0], bad[1:] == good[1:]) == (True, True)


def test_a_refused_connection_gets_no_answer(faulty: Box) -> None:
    faulty.must("fault", "sapi * * refuse")
    with connect(faulty.env["SAPI_URL"]) as link, pytest.raises(ConnectionError):
        ask(link, "/ping")
    assert proxied(faulty, "http://sapi.coal.example.com/ping")[0].getheader("X-Proxy-Error") == "refused"


def test_a_bug_of_the_box_is_a_500_and_stays_in_the_log(new_box: Box) -> None:
    new_box.up("--scenario", "empty")
    find(new_box.root).store.put("server", "of no kind", {})
    with connect(new_box.env["CNAPI_URL"]) as link:
        answer, body = ask(link, "/servers")
        assert (answer.status, json.loads(body)["code"]) == (500, "InternalError")
        assert ask(link, "/ping")[0].status == 200
    assert "KeyError: 'uuid'" in (new_box.root / ".mockdc" / "server.log").read_text()
