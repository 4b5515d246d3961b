"""A datacenter of few zones for the tests of APIs and their programs, and short ways to ask it."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Callable, Optional

from mockdc.apis.web import Request, Response
from mockdc.core import scenario
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Doc
from mockdc.faces import dispatch

STAMP = "20240118T143155Z"
SERVICES = ("sapi", "binder", "manatee", "moray", "workflow", "sdc", "papi", "napi", "rabbitmq", "imgapi", "cnapi",
            "vmapi")


def furnished(folder: pathlib.Path, *services: str) -> Datacenter:
    """A headnode with one instance of each of these services (default: all that jobs need), quick to reprovision."""
    dc = Datacenter.empty(folder)
    scenario.load(dc, {
        "datacenter_name": "coal", "dns_domain": "example.com", "platform": "20240118T001122Z", "reprovision_s": 20,
        "servers": [{"hostname": "headnode", "headnode": True}, {"hostname": "cn0"}],
        "services": {name: {} for name in services or SERVICES},
        "origins": {"old": {"name": "origin", "version": "1.0.0", "stamp": STAMP, "channels": ["dev"], "imgapi": True}},
        "releases": [
            {"key": "running", "stamp": STAMP, "channels": ["dev"], "origin": "old", "imgapi": True},
            {"key": "newer", "stamp": "20240523T081000Z", "channels": ["dev"], "origin": "old", "imgapi": True}]})
    return dc


def ask(dc: Datacenter, api: str, method: str, target: str, body: Optional[Any] = None, **headers: str) -> Response:
    """One request through the front door, the body as JSON."""
    raw = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dispatch.http(dc, api, Request.make(method, target, {"content-type": "application/json", **named}, raw))


def get(dc: Datacenter, api: str, target: str) -> Any:
    """The body of a good answer."""
    answer = ask(dc, api, "GET", target, accept_version="*")
    assert answer.status == 200, answer.body
    return json.loads(answer.body) if isinstance(answer.body, bytes) else answer.body


def run(dc: Datacenter, *argv: str, stdin: str = "", env: Optional[dict[str, str]] = None) -> tuple[int, str, str]:
    """A program on the headnode: exit status, stdout, stderr."""
    done = dispatch.command(dc, dc.headnode, argv[0], list(argv[1:]), stdin=stdin.encode, env=env)
    return done[0], done[1].decode(), done[2].decode()


def the_vm(dc: Datacenter, alias: str) -> Doc:
    """The vm of that alias."""
    found = dc.vm_by_alias(alias)
    assert found is not None
    return found


def newer(dc: Datacenter, service: str) -> str:
    """The image of a service that its zone does not run yet."""
    running = the_vm(dc, f"{service}0")["image_uuid"]
    names = {"moray": "mantav2-moray"}
    return next(str(image["uuid"]) for image in dc.store.all("image", "imgapi/")
                if image["name"] == names.get(service, service) and image["uuid"] != running)


def in_time(dc: Datacenter, handle: Callable[[Datacenter, Request], Response]) -> Callable[[Request], Response]:
    """An API alone, as the recordings met it: no stack around it, 4 s between two requests."""

    def answer(request: Request) -> Response:
        dc.wait(4)
        return handle(dc, request)

    return answer
