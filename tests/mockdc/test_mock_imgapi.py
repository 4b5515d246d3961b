"""The images servers answer as the recordings of the real one."""

from __future__ import annotations

import email.utils
import pathlib
from dataclasses import replace
from typing import Callable

import pytest
from replay import Difference, Recorded, differences, worse_than
from signing import KEY, sign

from mockdc.apis.imgapi import handle
from mockdc.apis.web import Request, Response
from mockdc.core.datacenter import Datacenter

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
