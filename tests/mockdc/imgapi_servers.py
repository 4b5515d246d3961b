"""Images servers in the states in which the recordings were made, and how far the box's answers are from them."""

from __future__ import annotations

import email.utils
import pathlib
from dataclasses import replace
from typing import Callable

from mockdc.apis.imgapi import handle
from mockdc.apis.web import Request, Response
from mockdc.core.datacenter import Datacenter
from replay import Difference, Recorded, differences
from signing import KEY, sign

ADMIN = "930896af-bf8c-48d4-885c-6573a94b1853"
SOURCE = "http://127.0.0.1:18080"
IMAGE = "/images/a1000000-0000-4000-8000-0000000000"
GOOD_SIGNATURE = 'signature="IaoRAQybr9'

Server = Callable[[Request], Response]


def empty(folder: pathlib.Path) -> Datacenter:
    """A datacenter of nothing but an admin."""
    dc = Datacenter.empty(folder)
    dc.store.set_meta("config", {"ufds_admin_uuid": ADMIN, "workflow_domain": "workflow.coal.example.com"})
    return dc


def server(dc: Datacenter, store: str) -> Server:
    """An images server as a function."""

    def answer(request: Request) -> Response:
        dc.tick()
        return handle(dc, request, store)

    return answer


def ask(server: Server, method: str, target: str, body: str = "", **headers: str) -> Response:
    """One request; underscores in the names of headers are dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server(Request.make(method, target, named, body.encode()))


def replay_updates(dc: Datacenter) -> list[Difference]:
    """The updates server: no authentication."""
    return differences(server(dc, "updates"), "updates")


def replay_signed(dc: Datacenter, store: str) -> list[Difference]:
    """A server that asks for signatures. The recording's key is not ours: what was signed well then is signed well now,
    with our key and date; what was signed badly is signed for another date."""
    dc.store.set_meta(f"imgapi:{store}:auth", "signature")
    dc.store.set_meta(f"imgapi:{store}:keys", {"tester": KEY})
    answer = server(dc, store)

    def signed_here(request: Request) -> Response:
        date, given = email.utils.formatdate(dc.now(), usegmt=True), request.headers.get("authorization", "")
        headers = dict(request.headers)
        if "2026" in headers.get("date", ""):
            headers["date"] = date
        if given.startswith("Signature") and 'signature="AAAA"' not in given:
            headers["authorization"] = sign(given.split('"')[1], date if GOOD_SIGNATURE in given else "another date")
        return answer(replace(request, headers=headers))

    return differences(signed_here, "signed")


def replay_dc(dc: Datacenter) -> list[Difference]:
    """The server of a datacenter; the updates server must have been replayed before."""
    updates, imgapi = server(dc, "updates"), server(dc, "imgapi")
    assert import_empty(updates, "88").status == 200
    race(dc, imgapi)

    def pause(call: Recorded) -> None:
        """The recording waited for jobs before it looked."""
        if call.method == "GET" or call.call == "dc-010-import-remote-dup":
            dc.clock.sleep(10)

    return differences(in_recorded_order(imgapi), "dc", pause)


def import_empty(server: Server, last: str) -> Response:
    """Import an image without a file."""
    uuid = f"{IMAGE}{last}".rpartition("/")[2]
    body = f'{{"v":2,"uuid":"{uuid}","name":"nofile","version":"1","type":"other","os":"other"}}'
    return ask(server, "POST", f"/images/{uuid}?action=import", body)


def race(dc: Datacenter, imgapi: Server) -> None:
    """Two jobs for one image, and what they made deleted again: the recorder had done that before it began."""
    for _ in range(2):
        assert ask(imgapi, "POST", f"{IMAGE}02?action=import-remote&source={SOURCE}").status == 200
    dc.clock.sleep(10)
    for last in ("02", "05"):
        assert ask(imgapi, "DELETE", IMAGE + last).status == 204


def in_recorded_order(imgapi: Server) -> Server:
    """Which of two racing jobs failed is chance; in the recording it was the first."""

    def answer(request: Request) -> Response:
        given = imgapi(request)
        if request.path.endswith("/jobs"):
            given.body.sort(key=lambda job: str(job["execution"]))
        return given

    return answer
