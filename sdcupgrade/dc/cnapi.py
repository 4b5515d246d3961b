"""CNAPI: the servers. ``transitional_status`` is internal and never looked at (TRITON-1293)."""

from __future__ import annotations

from sdcupgrade.dc.api import PAGE, Api, batches
from sdcupgrade.model import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from sdcupgrade.dc.api import Bases
    from sdcupgrade.doors.http import Http
    from sdcupgrade.jsonvalue import Record


class Cnapi:
    """The client. Every method raises Unreachable, HttpError or BadAnswer."""

    def __init__(self, http: Http, bases: Bases) -> None:
        self.api = Api("cnapi", http, bases, "*")

    def servers(self, uuids: Collection[str]) -> tuple[Server, ...]:
        """Those of the servers that CNAPI knows."""
        found = [self.api.records("/servers", {"uuids": ",".join(some)}) for some in batches(uuids)]
        return tuple(_server(record) for page in found for record in page)

    def all_servers(self) -> tuple[Server, ...]:
        """Every server, set up or not; more than 1,000 come in pages."""
        found: list[Record] = []
        while True:
            page = self.api.records("/servers", {"limit": str(PAGE), "offset": str(len(found))})
            found += page
            if len(page) < PAGE:
                return tuple(_server(record) for record in found)


def _server(record: Record) -> Server:
    return Server(
        uuid=record.text("uuid"),
        hostname=record.text_or("hostname", "") or record.text("uuid"),
        headnode=record.flag("headnode"),
        setup=record.flag("setup"),
        status=record.text_or("status", "unknown") or "unknown",
        platform=record.text_or("current_platform", "") or "",
        system_type=record.text_or("system_type", "SunOS") or "SunOS",
    )
