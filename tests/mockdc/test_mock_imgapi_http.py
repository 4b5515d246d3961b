"""The recordings of the updates server once more, over real sockets: headers and bodies as the wire carries them."""

from __future__ import annotations

import http.client
import json
import pathlib
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator

import pytest
from mockdc.apis.web import Request, Response
from replay import differences, worse_than

MOCKDC = pathlib.Path(__file__).parent.parent.parent / "tools" / "mockdc" / "mockdc"


def mockdc(*argv: str) -> str:
    done = subprocess.run([sys.executable, str(MOCKDC), *argv], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.fixture
def updates(tmp_path: pathlib.Path) -> Iterator[str]:
    """host:port of an updates server without images."""
    root = str(tmp_path / "box")
    up = mockdc("up", "--root", root, "--scenario", "empty")
    try:
        yield urllib.parse.urlsplit(json.loads(up)["env"]["UPDATES_URL"]).netloc
    finally:
        mockdc("down", "--root", root)


def test_the_updates_server_answers_as_recorded_over_http(updates: str) -> None:
    link = http.client.HTTPConnection(updates, timeout=30)

    def send(request: Request) -> Response:
        """All over one connection: a body too many or too few would spoil the next answer."""
        link.request(request.method, request.raw_target, request.bytes() or None, request.headers)
        answer = link.getresponse()
        return Response(answer.status, answer.read(), dict(answer.getheaders()))

    found = worse_than(differences(send, "updates"), "value")
    link.close()
    assert not found
