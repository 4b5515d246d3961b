"""``svcs``: SMF services of a zone or of the global zone. Says nothing and exits 0 when all is well (reference 4.6)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mockdc.commands.options import Options, UsageError, parse
from mockdc.core import smf

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

AGENTS = ("ur", "cn-agent", "vm-agent", "net-agent", "amon-agent", "amon-relay", "config-agent", "firewaller",
          "smartlogin", "hagfish-watcher", "heartbeater", "provisioner")  # fmt: skip
SYSTEM = ("svc:/system/filesystem/smartdc:default", "svc:/system/smartdc/vmadmd:default", "svc:/network/ssh:default",
          "svc:/system/filesystem/local:default")  # fmt: skip


def global_services(call: Call) -> list[Doc]:
    """What runs in a global zone: all online, but what somebody disabled."""
    changed = call.dc.store.meta(f"gz_smf/{call.server}", {})
    fmris = [*SYSTEM, *(f"svc:/smartdc/agent/{name}:default" for name in AGENTS)]
    return [{"fmri": fmri, "state": changed.get(fmri, "online"), "since": call.dc.now() - 86400, "reason": ""}
            for fmri in fmris]  # fmt: skip


class NoZone(Exception):
    """What svcs says of a zone that is not there or does not run."""


def services_of(call: Call, zone: str) -> list[Doc]:
    """The services of a zone of this node; with no name, of where the program runs. Raises NoZone."""
    zone = zone or call.env.get("MOCKDC_ZONE", "")
    if not zone:
        return global_services(call)
    vm = call.dc.vm(zone)
    if vm is None or vm["server_uuid"] != call.server or vm["state"] == "destroyed":
        raise NoZone(f"Could not open zone: {zone}: No such zone configured")
    if vm["zone_state"] != "running":
        raise NoZone(f"Could not bind to repository server: {zone} is not running")
    return call.dc.smf(zone)


def svcs(call: Call) -> int:
    """The program."""
    try:
        found = parse(call.argv, "axvHpZlnd", "zosSL")
    except UsageError as why:
        call.err(f"svcs: {why}\nUsage: svcs [-aHpv] [-o col[,col ... ]] [-z zone] [<pattern> ... ]")
        return 2
    if "Z" in found and "x" in found:
        return explain_all(call, "v" in found)
    try:
        services = services_of(call, found.last("z"))
    except NoZone as why:
        call.err(f"svcs: {why}")
        return 1
    picked, wrong = pick(services, found.words)
    for pattern in wrong:
        call.err(f"svcs: Pattern '{pattern}' doesn't match any instances")
    if "x" in found:
        explain(call, picked, "v" in found, found.last("z"))
    else:
        every = bool(found.words) or "a" in found
        show(call, found, [one for one in picked if every or one["state"] != "disabled"])
    return 1 if wrong else 0


def pick(services: list[Doc], patterns: list[str]) -> tuple[list[Doc], list[str]]:
    """The services that the patterns mean, and the patterns that mean none."""
    if not patterns:
        return services, []
    matched = {pattern: smf.match(services, pattern) for pattern in patterns}
    chosen = {one["fmri"] for found in matched.values() for one in found}
    return [one for one in services if one["fmri"] in chosen], [name for name, found in matched.items() if not found]


def show(call: Call, found: Options, services: list[Doc]) -> None:
    """The table; the last column is not padded."""
    names = found.columns("o", "state,stime,fmri")
    headings = [name.upper() for name in names]
    rows = [[cell(call, one, name) for name in names] for one in services]
    widths = {"state": 14, "stime": 8, "sta": 3, "zone": 36}
    for row in rows if "H" in found else [headings, *rows]:
        call.out(" ".join(text.ljust(widths.get(name, 0)) for name, text in zip(names, row)).rstrip())


def cell(call: Call, service: Doc, name: str) -> str:
    """A column's text."""
    fmri = str(service["fmri"])
    known = {"fmri": fmri, "state": str(service["state"]), "svc": fmri[len("svc:/"):].rpartition(":")[0],
             "inst": fmri.rpartition(":")[2], "zone": "global", "nstate": "-", "ctid": "-", "desc": "?",
             "sta": short(service["state"])}  # fmt: skip
    if name == "stime":
        age = call.dc.now() - service["since"]
        return time.strftime("%H:%M:%S" if age < 86400 else "%b_%d", time.gmtime(service["since"]))
    return known.get(name, "-")


def short(state: str) -> str:
    """``ON``, ``OFF*``, ``DIS``, ``MNT``."""
    names = {"online": "ON", "offline": "OFF", "disabled": "DIS", "maintenance": "MNT"}
    return names.get(state.rstrip("*"), "?") + ("*" if state.endswith("*") else "")


def explain_all(call: Call, verbose: bool) -> int:
    """``svcs -Zx``: the global zone and every running zone of this node."""
    explain(call, global_services(call), verbose, "")
    for vm in call.dc.store.all("vm"):
        if vm["server_uuid"] == call.server and vm["zone_state"] == "running":
            explain(call, call.dc.smf(vm["uuid"]), verbose, vm["uuid"])
    return 0


def explain(call: Call, services: list[Doc], verbose: bool, zone: str) -> None:
    """``svcs -x``: a block for each service that should run and does not."""
    for one in services:
        if one["state"] == "online" or (one["state"] == "disabled" and one["reason"].startswith("Disabled")):
            continue
        fmri = one["fmri"]
        when = time.strftime("%B %e, %Y at %I:%M:%S %p UTC", time.gmtime(one["since"]))
        call.out(f"{fmri} ({fmri.rpartition('/')[2].partition(':')[0]})")
        if zone:
            call.out(f"  Zone: {zone}")
        call.out(f" State: {one['state'].rstrip('*')} since {when}")
        call.out(f"Reason: {one['reason'] or 'Unknown.'}")
        call.out("   See: http://illumos.org/msg/SMF-8000-" + ("KS" if one["state"] == "maintenance" else "C4"))
        if zone or verbose:
            folder = f"/zones/{zone}/root" if zone else ""
            call.out(f"   See: {folder}/var/svc/log/{fmri[len('svc:/'):].replace('/', '-')}.log")
        call.out("Impact: This service is not running.\n")
