"""``svcadm``: silent; what it asked for happens afterwards, with ``-s`` it waits (reference 4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockdc.commands import svcs
from mockdc.commands.options import UsageError, parse
from mockdc.core import smf

if TYPE_CHECKING:
    from mockdc.commands.call import Call

VERBS = {"enable", "disable", "restart", "refresh", "clear"}
LONGEST_WAIT_S = 300.0


def svcadm(call: Call) -> int:
    """The program."""
    try:
        found = parse(call.argv, "strvT", "z")
    except UsageError as why:
        return usage(call, str(why))
    if len(found.words) < 2 or found.words[0] not in VERBS:
        return usage(call, "expected a subcommand and a service")
    verb, zone = found.words[0], found.last("z") or call.env.get("MOCKDC_ZONE", "")
    try:
        services = svcs.services_of(call, zone)
    except svcs.NoZone as why:
        call.err(f"svcadm: {why}")
        return 1
    wrong = 0
    for pattern in found.words[1:]:
        if not smf.match(services, pattern):
            call.err(f"svcadm: Pattern '{pattern}' doesn't match any instances")
            wrong = 1
        elif zone:
            call.dc.svcadm(zone, verb, pattern)
        else:
            in_global(call, verb, pattern)
    if "s" in found and not wrong:
        wait(call, zone, verb, found.words[1:])
    return wrong


def usage(call: Call, why: str) -> int:
    """Say how it is used."""
    call.err(f"svcadm: {why}\nUsage: svcadm [-v] [-z zone] <{'|'.join(sorted(VERBS))}> [-st] <service> ...")
    return 2


def in_global(call: Call, verb: str, pattern: str) -> None:
    """A service of the global zone: only on or off is remembered."""
    if verb not in {"enable", "disable"}:
        return
    with call.dc.store.transaction():
        changed = call.dc.store.meta(f"gz_smf/{call.server}", {})
        for one in smf.match(svcs.global_services(call), pattern):
            changed[one["fmri"]] = "online" if verb == "enable" else "disabled"
        call.dc.store.set_meta(f"gz_smf/{call.server}", changed)


def wait(call: Call, zone: str, verb: str, patterns: list[str]) -> None:
    """``-s``: until it is so, or the service is in maintenance."""
    settled = {"disabled"} if verb == "disable" else {"online", "maintenance"}
    until = call.dc.now() + LONGEST_WAIT_S
    while zone and call.dc.now() < until:
        services = [one for pattern in patterns for one in smf.match(call.dc.smf(zone), pattern)]
        if all(one["state"] in settled for one in services):
            return
        call.dc.wait(0.5)
