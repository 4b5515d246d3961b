"""The doors: the only places that touch the world outside the process.

:class:`Doors` is handed in from the top (``cli/``). Production hands in the real ones; tests hand in those of the
datacenter in a box (``tools/mockdc/faces/inprocess.py``). Paths given to a door are paths of the headnode's global zone
(``/zones/...``, ``/var/tmp/...``); with ``SDCUPGRADE_ROOT`` set they are below that folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.doors.clock import Clock
    from sdcupgrade.doors.files import Files
    from sdcupgrade.doors.http import Http
    from sdcupgrade.doors.process import Process
    from sdcupgrade.doors.run import Runner


def _this_process() -> Process:
    from sdcupgrade.doors.process import RealProcess

    return RealProcess({}, ())


@dataclass(frozen=True)
class Doors:
    """All ways out. *admin* speaks to the datacenter's own services (never by the operator's proxy), *web* to the
    updates server (TLS verified, proxies honoured)."""

    run: Runner
    admin: Http
    web: Http
    files: Files
    clock: Clock
    process: Process = field(default_factory=_this_process)
