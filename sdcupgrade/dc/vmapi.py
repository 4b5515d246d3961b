"""VMAPI: what the datacenter believes about its VMs, on every server.

It lags behind the servers (reference 6.6), lists destroyed VMs and gives at most 1,000 at a time. Absent values come as
null, {} or [].
"""

from __future__ import annotations

from sdcupgrade.dc.api import PAGE, Api, batches
from sdcupgrade.dc.zones import Zone
from sdcupgrade.errors import HttpError
from sdcupgrade.jsonvalue import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Optional

    from sdcupgrade.dc.api import Bases
    from sdcupgrade.doors.http import Http
    from sdcupgrade.jsonvalue import Record


class Vmapi:
    """The client. Every method raises Unreachable, HttpError or BadAnswer."""

    def __init__(self, http: Http, bases: Bases) -> None:
        self.api = Api("vmapi", http, bases, "*")

    def core_zones(self, admin_uuid: str) -> tuple[Zone, ...]:
        """The core zones of the datacenter that are not destroyed, on all servers."""
        query = {"owner_uuid": admin_uuid, "tag.smartdc_type": "core"}
        return _living(self._list(query))

    def zones(self, uuids: Collection[str]) -> tuple[Zone, ...]:
        """Those of the VMs that VMAPI knows and that are not destroyed."""
        found = [record for some in batches(uuids) for record in self._list({"uuids": ",".join(some)})]
        return _living(found)

    def zone(self, uuid: str, sync: bool = False) -> Optional[Zone]:
        """One VM, or None. With *sync* VMAPI asks the server first."""
        try:
            return Zone.read(self.api.record(f"/vms/{uuid}", {"sync": "true" if sync else ""}))
        except HttpError as error:
            if error.http_status == 404:
                return None
            raise

    def _list(self, query: dict[str, str]) -> list[Record]:
        """All pages. The order is asked for, since the marker goes by it."""
        asked = {**query, "sort": "uuid.asc", "limit": str(PAGE)}
        page = self.api.records("/vms", asked)
        found = list(page)
        while len(page) >= PAGE:
            page = self.api.records("/vms", {**asked, "marker": dumps({"uuid": page[-1].text("uuid")})})
            found += page
        return found


def _living(records: list[Record]) -> tuple[Zone, ...]:
    zones = (Zone.read(record) for record in records if record.text_or("state", None) != "destroyed")
    return tuple({zone.uuid: zone for zone in zones}.values())
