"""Commands that live in the sdc zone: the global zone holds only a wrapper that looks for the zone (reference 1.4)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc


def sdc_zone(dc: Datacenter, server: str) -> Optional[Doc]:
    """The newest sdc zone on the node that runs, or None: amid a reprovision there is no root to run from."""
    here = [vm for vm in dc.instances_of("sdc") if vm["server_uuid"] == server and vm["state"] == "running"]
    return max(here, key=lambda vm: str(vm["create_timestamp"]), default=None)


def wrapped(call: Call) -> int:
    """Run the program behind the wrapper, or say in the wrapper's words why it cannot be."""
    from mockdc.commands import WRAPPED
    from mockdc.core import zonefiles

    zone = sdc_zone(call.dc, call.server)
    if zone is None:
        call.err(f"error: {call.name}: unable to find a 'sdc' core zone on this node")
        return 1
    if not zonefiles.exists(call.dc, zone, "var/svc/setup_complete"):
        # the programs read their addresses from a file that config-agent renders at the zone's first boot (4.1)
        place = f"/zones/{zone['uuid']}/root/opt/smartdc/sdc/etc/config.json"
        call.err(f"cat: cannot open {place}: No such file or directory")
        return 1
    module, _, function = WRAPPED[call.name].partition(":")
    return int(getattr(importlib.import_module(module), function)(call))
