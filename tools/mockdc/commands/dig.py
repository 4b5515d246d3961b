"""``dig``: asks binder, the global zone's resolver (reference 2.8). With binder down it says so in a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockdc.commands.call import Call

TRY_S = 5.0
TRIES = 3


def dig(call: Call) -> int:
    """The program, as far as ``[@SERVER] NAME [+short] [+noall] [+answer] [+time=N] [+tries=N]``."""
    words = [word for word in call.argv if not word.startswith(("+", "-", "@")) and word not in {"A", "IN", "ANY"}]
    servers = [word[1:] for word in call.argv if word.startswith("@")]
    plus = dict(word[1:].partition("=")[::2] for word in call.argv if word.startswith("+"))
    name = words[0].rstrip(".") if words else "."
    found = _ask(call, name, servers)
    version = "; <<>> DiG 9.18.33 <<>> " + " ".join(call.argv)
    if found is None:
        call.dc.wait(float(plus.get("time") or TRY_S) * int(plus.get("tries") or TRIES))
        if "short" not in plus and "noall" not in plus:
            call.out(f"\n{version}\n;; global options: +cmd")
        call.out(";; connection timed out; no servers could be reached")
        return 9
    if "short" in plus:
        for ip in found:
            call.out(ip)
        return 0
    if "noall" in plus:
        if "answer" in plus:
            _records(call, name, found)
        return 0
    status = "NOERROR" if found else "NXDOMAIN"
    call.out(f"\n{version}\n;; global options: +cmd\n;; Got answer:")
    call.out(f";; ->>HEADER<<- opcode: QUERY, status: {status}, id: 4711")
    call.out(f";; flags: qr rd; QUERY: 1, ANSWER: {len(found)}, AUTHORITY: 0, ADDITIONAL: 0\n")
    call.out(f";; QUESTION SECTION:\n;{name}.\t\tIN\tA\n")
    if found:
        call.out(";; ANSWER SECTION:")
        _records(call, name, found)
    call.out("")
    return 0


def _records(call: Call, name: str, found: list[str]) -> None:
    for ip in found:
        call.out(f"{name}.\t30\tIN\tA\t{ip}")


def _ask(call: Call, name: str, servers: list[str]) -> list[str] | None:
    """The addresses, or None when nobody answers: a server named by address must be a binder that runs."""
    for server in servers:
        vm = call.dc.vm_at(server)
        role = vm["tags"].get("smartdc_role") if vm else None
        if vm is None or role != "binder" or not call.dc.zone_answers(vm["uuid"]):
            return None
    return call.dc.resolve(name)
