"""Faults: a script of what goes wrong, kept in the store so that every process obeys it.

A rule is a line of words: ``TARGET KIND [#N] [times=K]``, or the same as a JSON object
``{"target": ..., "kind": ..., "value": ..., "nth": N, "times": K}``.

TARGET of a program       its name and leading arguments: ``vmadm reprovision``, ``imgadm import 11c3*``
TARGET of an endpoint     API, method and path: ``sapi PUT /services/*``, ``updates GET /images/*/file``, ``vmapi * *``
    Both are globs, and match what begins with them. APIs: updates, imgapi, sapi, vmapi, cnapi, workflow, napi, ...
KIND
    fail[=STATUS[:MESSAGE]]        the program does nothing, says MESSAGE on stderr, exits STATUS (1); an endpoint: 500
    fails-after[=STATUS[:MESSAGE]] the program does its work, then exits so (OS-3133 the other way round)
    hang                           no end: the caller's time-out is what ends it
    slow=S                         S seconds of the datacenter's time later than usual
    garbage[=TEXT]                 stdout (or the body) is TEXT instead
    status=CODE                    the endpoint answers CODE and does nothing
    refuse                         connection refused
    cut=N                          the body (a file, or a program's stdout) ends after N bytes
    corrupt                        its first byte is another
    rate=N                         the body comes with N bytes a second
#N          only the Nth matching call from now on; with times=K that one and the following, K in all
times=K     the first K matching calls; without both, every call

Trouble in the world itself:
    zone=ALIAS TROUBLE             at the next reprovision of that zone: setup-fails (vmadm fails, state failed),
                                   late-setup-fails (vmadm is content, setup_failed appears), setup-hangs (no
                                   setup_complete ever), provision-hangs (300 s, then failed), maintenance, never-in-dns
    server=HOSTNAME down|up        power
    disk-full=PATH [times=K]       see :func:`disk_full`
"""

from __future__ import annotations

import fnmatch
import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

KINDS = {"fail", "fails-after", "hang", "slow", "garbage", "status", "refuse", "cut", "corrupt", "rate"}
NUMBERS = {"slow", "status", "cut", "rate"}
TROUBLES = {"setup-fails", "late-setup-fails", "setup-hangs", "provision-hangs", "maintenance", "never-in-dns"}
FOREVER_S = 7 * 86400.0


class BadRule(ValueError):
    """A rule that cannot be understood; says why."""


@dataclass(frozen=True)
class Fault:
    """A fault that applies to the call at hand."""

    kind: str
    value: str

    @property
    def number(self) -> float:
        """The value of the kinds that take a number."""
        return float(self.value)

    def ending(self) -> tuple[int, str]:
        """Exit status and message of a failure."""
        status, _, message = self.value.partition(":")
        return int(status or 1), message or "injected failure"


def add(dc: Datacenter, rule: str) -> Doc:
    """Take a rule into the store, or do at once what it says of the world. Raises BadRule."""
    import uuid

    doc = parse(rule)
    if doc["kind"] == "world":
        return _world(dc, doc)
    with dc.store.transaction():
        dc.store.put("fault", str(uuid.uuid4()), doc)
    return doc


def reset(dc: Datacenter) -> None:
    """Forget every rule, also those waiting for a reprovision."""
    with dc.store.transaction():
        for id, _ in dc.store.items("fault"):
            dc.store.delete("fault", id)
        for zone in dc.store.all("zone"):
            if zone["next"]:
                zone["next"] = []
                dc.store.put("zone", zone["uuid"], zone)


def parse(rule: str) -> Doc:
    """A rule as a document. Raises BadRule."""
    if rule.lstrip().startswith("{"):
        given = json.loads(rule)
        return _checked(given["target"].split(), given["kind"], str(given.get("value", "")), given.get("nth", 0),
                        given.get("times", 0))
    words = shlex.split(rule)
    if words and words[0].partition("=")[0] in {"zone", "server"}:
        if len(words) != 2:
            raise BadRule(f"expected {words[0].partition('=')[0]}=NAME and one word: {rule}")
        return {"kind": "world", "what": words[0], "trouble": words[1]}
    return _parse_words(words)


def _parse_words(words: list[str]) -> Doc:
    target: list[str] = []
    kind, value, nth, times = "", "", 0, 0
    for word in words:
        name, _, rest = word.partition("=")
        if word.startswith("#") and word[1:].isdigit():
            nth = int(word[1:])
        elif name == "times" and rest.isdigit():
            times = int(rest)
        elif name == "disk-full" and not target:
            target, kind = ["disk", rest], "fail"
        elif target and not kind and name in KINDS:
            kind, value = name, rest
        elif kind:
            raise BadRule(f"did not expect {word!r} after {kind!r}")
        else:
            target.append(word)
    return _checked(target, kind, value, nth, times)


def _checked(target: list[str], kind: str, value: str, nth: int, times: int) -> Doc:
    if not target:
        raise BadRule("a rule begins with a program or an API")
    _known(target[0])
    if kind not in KINDS:
        raise BadRule(f"no kind of fault in the rule for {' '.join(target)!r}; there are {', '.join(sorted(KINDS))}")
    if kind in NUMBERS and not value.replace(".", "", 1).isdigit():
        raise BadRule(f"{kind} needs a number, as in {kind}=5")
    return {"target": " ".join(target), "kind": kind, "value": value, "nth": nth,
            "times": times or (1 if nth else 0), "seen": 0}


def _known(name: str) -> None:
    """Raises BadRule when a target begins with what is no program or API: such a rule would never fire."""
    from mockdc.commands import PROGRAMS
    from mockdc.core.scenario_check import nearest
    from mockdc.core.stack import STACK
    from mockdc.faces.dispatch import APIS, PING_ONLY

    apis = sorted({*APIS, *PING_ONLY, *STACK})
    if not any(fnmatch.fnmatchcase(each, name) for each in (*PROGRAMS, *apis, "disk")):
        near = nearest(name, (*PROGRAMS, *apis))
        raise BadRule(f"no program or API is called {name!r}{near}; programs: {', '.join(sorted(PROGRAMS))}; "
                      f"APIs: {', '.join(apis)}")


def applying(dc: Datacenter, call: str) -> list[Fault]:
    """The faults that this call (``vmadm reprovision U``, ``sapi PUT /services/U``) meets; counts it."""
    if not dc.store.items("fault"):
        return []
    found = []
    with dc.store.transaction():
        for id, doc in dc.store.items("fault"):
            if fnmatch.fnmatchcase(call, doc["target"]) or fnmatch.fnmatchcase(call, f"{doc['target']}[ /]*"):
                doc["seen"] += 1
                dc.store.put("fault", id, doc)
                first = doc["nth"] or 1
                if doc["seen"] >= first and (not doc["times"] or doc["seen"] < first + doc["times"]):
                    found.append(Fault(doc["kind"], doc["value"]))
    return found


def disk_full(dc: Datacenter, path: str) -> bool:
    """Whether writing to *path* (of the headnode's global zone) fails for want of space."""
    return bool(applying(dc, f"disk {path}"))


def _world(dc: Datacenter, doc: Doc) -> Doc:
    what, _, name = doc["what"].partition("=")
    if what == "server":
        power(dc, name, doc["trouble"])
    else:
        vm = dc.vm_by_alias(name)
        if vm is None:
            raise BadRule(f"no zone has the alias {name!r}")
        if doc["trouble"] not in TROUBLES:
            raise BadRule(f"no such trouble: {doc['trouble']!r}; there are {', '.join(sorted(TROUBLES))}")
        with dc.store.transaction():
            zone = dc.store.get("zone", vm["uuid"]) or {}
            zone["next"].append(doc["trouble"])
            dc.store.put("zone", vm["uuid"], zone)
    return doc


def power(dc: Datacenter, hostname: str, state: str) -> None:
    """Take a server's power away, or give it back; its zones go down hard, and boot. Raises BadRule."""
    from mockdc.core import life

    servers = dc.store.all("server")
    server = next((each for each in servers if hostname in (each["hostname"], each["uuid"])), None)
    if server is None or state not in {"down", "up"}:
        raise BadRule(f"server={hostname} {state}: expected the hostname of a server and down or up")
    with dc.store.transaction():
        server["_alive"] = state == "up"
        server["status"] = "running" if state == "up" else "unknown"
        dc.store.put("server", server["uuid"], server)
        for vm in dc.store.all("vm"):
            if vm["server_uuid"] == server["uuid"] and vm["state"] != "destroyed" and dc.store.get("zone", vm["uuid"]):
                life.lost(dc, vm["uuid"]) if state == "down" else life.boot_again(dc, vm["uuid"])
