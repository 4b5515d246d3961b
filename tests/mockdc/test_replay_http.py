"""The recordings of SAPI, CNAPI and VMAPI once more, over real sockets: headers and bodies as the wire carries them."""

from __future__ import annotations

import contextlib
import http.client
import pathlib
from collections.abc import Iterator
from typing import Callable

from mockdc.apis.web import Request, Response
from mockdc.core.datacenter import Datacenter
from mockdc.faces import server
from replay import differences, worse_than
from test_mock_cnapi import PLATFORMS
from test_mock_vmapi import as_recorded_with


@contextlib.contextmanager
def over_http(dc: Datacenter, api: str) -> Iterator[Callable[[Request], Response]]:
    """One API on a port of its own, alone, 4 s between two requests, all over one connection: a byte too many or too
    few would spoil the next answer."""
    dc.store.set_meta("bare", True)
    with server.running(dc) as ports:
        link = http.client.HTTPConnection("127.0.0.1", ports[api], timeout=30)

        def send(request: Request) -> Response:
            dc.wait(4)
            link.request(request.method, request.raw_target, request.bytes() or None, request.headers)
            answer = link.getresponse()
            return Response(answer.status, answer.read(), dict(answer.getheaders()))

        with contextlib.closing(link):
            yield send


def test_sapi(tmp_path: pathlib.Path) -> None:
    with over_http(Datacenter.empty(tmp_path), "sapi") as send:
        assert worse_than(differences(send, "sapi"), "value") == []


def test_cnapi(tmp_path: pathlib.Path) -> None:
    dc = Datacenter.empty(tmp_path)
    dc.store.set_meta("platforms", PLATFORMS)
    dc.store.set_meta("config", {"rabbitmq": "guest:guest:127.0.0.1:18672"})
    with over_http(dc, "cnapi") as send:
        assert worse_than(differences(send, "cnapi"), "value") == []


def test_vmapi(tmp_path: pathlib.Path) -> None:
    with over_http(as_recorded_with(Datacenter.empty(tmp_path)), "vmapi") as send:
        assert worse_than(differences(send, "vmapi"), "value") == []
