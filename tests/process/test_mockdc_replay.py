"""The recordings once more, over real sockets, against boxes that ``mockdc up`` made: headers and bodies as the wire
carries them, and scenarios that need no help."""

from __future__ import annotations

import contextlib
import http.client
import urllib.parse
from collections.abc import Iterator
from typing import Callable, Optional

import pytest
from conftest import Box
from mockdc.apis.web import Request, Response
from mockdc.faces import box
from replay import Before, Difference, Recorded, differences, worse_than

BEFORE_THE_DC_RECORDING = {"dc-011-jobs", "dc-040-import-remote-nofile"}
"""Calls that tell of what the recorder had done before it began."""
BY_CHANCE = {"dc-038-import-remote-race2", "dc-039-race-image"}
"""Which of two jobs is quicker."""


@contextlib.contextmanager
def connected(env: dict[str, str], api: str) -> Iterator[Callable[[Request], Response]]:
    """All over one connection: a byte too many or too few would spoil the next answer."""
    link = http.client.HTTPConnection(urllib.parse.urlsplit(env[f"{api}_URL"]).netloc, timeout=30)

    def send(request: Request) -> Response:
        link.request(request.method, request.raw_target, request.bytes() or None, request.headers)
        answer = link.getresponse()
        return Response(answer.status, answer.read(), dict(answer.getheaders()))

    with contextlib.closing(link):
        yield send


def replayed(env: dict[str, str], api: str, group: str, before: Optional[Before] = None) -> list[Difference]:
    """What differs by more than values."""
    with connected(env, api) as send:
        return worse_than(differences(send, group, before), "value")


@pytest.mark.parametrize(("scenario", "api", "group", "speed"), [
    ("empty", "UPDATES", "updates", "1"),
    ("empty", "SAPI", "sapi", "1"),
    ("empty", "CNAPI", "cnapi", "1"),
    # the answers repeat the Date of the requests as the time of a file: there the clock has to stand still
    ("signed", "UPDATES", "signed", "0.01"),
])  # fmt: skip
def test_a_fresh_box_answers_as_recorded(new_box: Box, scenario: str, api: str, group: str, speed: str) -> None:
    env = new_box.up("--scenario", scenario, "--speed", speed)["env"]
    assert replayed(env, api, group) == []


def test_vmapi_answers_as_recorded_when_its_jobs_have_time(new_box: Box) -> None:
    env = new_box.up("--scenario", "empty", "--speed", "100")["env"]
    dc = box.find(new_box.root)
    assert replayed(env, "VMAPI", "vmapi", lambda call: dc.wait(4)) == []


def test_the_imgapi_of_a_datacenter_answers_as_recorded_after_the_updates_server(new_box: Box) -> None:
    env = new_box.up("--scenario", "empty", "--speed", "100")["env"]
    dc = box.find(new_box.root)

    def pause(call: Recorded) -> None:
        """The recording waited for jobs before it looked."""
        if call.method == "GET" or call.call == "dc-010-import-remote-dup":
            dc.wait(10)

    replayed(env, "UPDATES", "updates")
    found = {one.call for one in replayed(env, "IMGAPI", "dc", pause)}
    assert found - BY_CHANCE == BEFORE_THE_DC_RECORDING
