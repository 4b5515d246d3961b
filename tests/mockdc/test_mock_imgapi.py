"""The images servers answer as the recordings of the real one."""

from __future__ import annotations

import email.utils
import pathlib
from dataclasses import replace
from typing import Callable

import pytest
from mockdc.apis.imgapi import handle
from mockdc.apis.web import Request, Response
from mockdc.core.datacenter import Datacenter
from replay import Difference, Recorded, differences, worse_than
from signing import KEY, sign

ADMIN = "930896af-bf8c-48d4-885c-6573a94b1853"
SOURCE = "http://127.0.0.1:18080"
GOOD_SIGNATURE = 'signature="IaoRAQybr9'


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    found = Datacenter.empty(tmp_path)
    found.store.set_meta("config", {"ufds_admin_uuid": ADMIN, "workflow_domain": "workflow.coal.joyent.us"})
    return found


def server(dc: Datacenter, store: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        dc.tick()
        return handle(dc, request, store)

    return answer


def report(found: list[Difference]) -> str:
    return "\n".join(f"{one.call} {one.grade} {one.where} {one.what}" for one in found)


def test_the_updates_server_answers_as_recorded(dc: Datacenter) -> None:
    found = differences(server(dc, "updates"), "updates")
    assert not worse_than(found, "value"), report(found)


def test_a_signed_server_answers_as_recorded(dc: Datacenter) -> None:
    dc.store.set_meta("imgapi:updates:auth", "signature")
    dc.store.set_meta("imgapi:updates:keys", {"tester": KEY})
    answer = server(dc, "updates")

    def signed_here(request: Request) -> Response:
        """The recording's key is not ours: what was signed well then is signed well now, with our key and date."""
        date, given = email.utils.formatdate(dc.now(), usegmt=True), request.headers.get("authorization", "")
        headers = dict(request.headers)
        if "2026" in headers.get("date", ""):
            headers["date"] = date
        if GOOD_SIGNATURE in given:
            headers["authorization"] = sign(given.split('"')[1], date)
        return answer(replace(request, headers=headers))

    found = differences(signed_here, "signed")
    assert not worse_than(found, "value"), report(found)


def test_a_datacenters_server_answers_as_recorded(dc: Datacenter) -> None:
    updates, imgapi = server(dc, "updates"), server(dc, "imgapi")
    differences(updates, "updates")
    unactivated(updates, "a1000000-0000-4000-8000-000000000088")
    race(dc, imgapi)

    def pause(call: Recorded) -> None:
        """The recording waited for jobs before it looked."""
        if call.method == "GET" or "10-import-remote-dup" in call.call:
            dc.clock.sleep(10)

    found = differences(in_recorded_order(imgapi), "dc", pause)
    known = {"$[1].info"}  # a member that the real jobs have or have not, without visible reason
    assert not [one for one in worse_than(found, "value") if one.where not in known], report(found)


def unactivated(updates: Callable[[Request], Response], uuid: str) -> None:
    """Import an image without a file."""
    body = f'{{"v":2,"uuid":"{uuid}","name":"nofile","version":"1","type":"other","os":"other"}}'
    assert updates(Request.make("POST", f"/images/{uuid}?action=import", {}, body.encode())).status == 200


def race(dc: Datacenter, imgapi: Callable[[Request], Response]) -> None:
    """Two jobs for one image, and what they made deleted again: the recorder had done that before it began."""
    for _ in range(2):
        target = f"/images/a1000000-0000-4000-8000-000000000002?action=import-remote&source={SOURCE}"
        assert imgapi(Request.make("POST", target)).status == 200
    dc.clock.sleep(10)
    for last in "25":
        assert imgapi(Request.make("DELETE", f"/images/a1000000-0000-4000-8000-00000000000{last}")).status == 204


def in_recorded_order(imgapi: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Which of two racing jobs failed is chance; in the recording it was the first."""

    def answer(request: Request) -> Response:
        given = imgapi(request)
        if request.path.endswith("/jobs"):
            given.body.sort(key=lambda job: str(job["execution"]))
        return given

    return answer
