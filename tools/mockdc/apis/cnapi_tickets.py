"""CNAPI's waitlist: tickets on a server, one active at a time for each scope and id, the others in their order.

VMAPI's jobs queue here; a bare ``vmadm`` does not (reference 2.3).
"""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

OPEN = ("queued", "active")


def create(dc: Datacenter, server: str, given: dict[str, Any], at: float) -> Doc:
    """A new ticket: active at once when nobody else holds the same thing."""
    ahead = queue(dc, server, str(given.get("scope")), str(given.get("id")))
    ticket = {
        **({"action": given["action"]} if given.get("action") else {}),
        "created_at": dc.iso(at), "expires_at": given.get("expires_at") or dc.iso(at + 600),
        "extra": given.get("extra") or {}, "id": given.get("id"), "scope": given.get("scope"), "server_uuid": server,
        "status": "queued" if ahead else "active", "updated_at": dc.iso(at), "uuid": str(uuid.uuid4()),
    }
    dc.store.put("ticket", str(ticket["uuid"]), ticket)
    return ticket


def of_server(dc: Datacenter, server: str) -> list[Doc]:
    """The open tickets of a server, oldest first; those past their time fall out."""
    now = dc.now()
    return [each for each in dc.store.all("ticket")
            if each["server_uuid"] == server and each["status"] in OPEN and not _expired(each, now)]


def _expired(ticket: Doc, now: float) -> bool:
    try:
        until = datetime.datetime.strptime(str(ticket["expires_at"]), "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        return False
    return until.replace(tzinfo=datetime.timezone.utc).timestamp() < now


def queue(dc: Datacenter, server: str, scope: str, id: str) -> list[Doc]:
    """The open tickets for one thing, oldest first."""
    return [each for each in of_server(dc, server) if str(each["scope"]) == scope and str(each["id"]) == id]


def refresh(dc: Datacenter, ticket: Doc, at: float) -> Doc:
    """The ticket as it is now: the oldest open one becomes active."""
    waiting = queue(dc, str(ticket["server_uuid"]), str(ticket["scope"]), str(ticket["id"]))
    if waiting and waiting[0]["uuid"] == ticket["uuid"] and waiting[0]["status"] == "queued":
        ticket = {**waiting[0], "status": "active", "updated_at": dc.iso(at)}
        dc.store.put("ticket", str(ticket["uuid"]), ticket)
    return ticket


def release(dc: Datacenter, uuid: str, at: float) -> bool:
    """Whether there was such a ticket."""
    ticket = dc.store.get("ticket", uuid)
    if ticket is None:
        return False
    dc.store.put("ticket", uuid, {**ticket, "status": "finished", "updated_at": dc.iso(at)})
    return True
