"""Which compute nodes get gzbits, in which waves, and when there have been too many failures to go on.

Everything grows with the number of nodes and no faster; nobody is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdcupgrade.errors import BadInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sdcupgrade.bits.ledger import Known
    from sdcupgrade.model import Server

WAVES, BUDGET = "1,3,25%,100%", "2"
"""One node, then three, then a quarter, then the rest; ended by the third failure."""

_AMOUNT = re.compile(r"([0-9]{1,6})(%?)")


@dataclass(frozen=True)
class Amount:
    """A number of nodes, or of hundredths of all nodes."""

    number: int
    percent: bool = False

    def of(self, total: int) -> int:
        """How many that is of *total*, rounded up."""
        return -(-self.number * total // 100) if self.percent else self.number


def amount(text: str, option: str) -> Amount:
    """``3`` or ``25%``. Raises BadInput."""
    found = _AMOUNT.fullmatch(text.strip())
    if not found or (found[2] and int(found[1]) > 100):
        raise BadInput(f"{option} {text!r}: expected numbers of nodes, or percentages up to 100%", f"such as {WAVES}")
    return Amount(int(found[1]), bool(found[2]))


def parse_waves(text: str) -> tuple[Amount, ...]:
    """``1,3,25%,100%``: how many nodes each wave has. Raises BadInput."""
    found = tuple(amount(part, "--waves") for part in text.split(","))
    if not all(one.number for one in found):
        raise BadInput(f"--waves {text}: a wave of no nodes never ends", f"such as {WAVES}")
    return found


def parse_budget(text: str) -> Amount:
    """How many nodes may fail before no further one is begun. Raises BadInput."""
    return amount(text, "--max-fail")


USUAL_WAVES, USUAL_BUDGET = parse_waves(WAVES), parse_budget(BUDGET)


def cut(nodes: Sequence[Server], sizes: Sequence[Amount]) -> Iterator[Sequence[Server]]:
    """The nodes in waves; the last size goes on until there are none left."""
    begun, number = 0, 0
    while begun < len(nodes):
        size = max(1, sizes[min(number, len(sizes) - 1)].of(len(nodes)))
        yield nodes[begun : begun + size]
        begun, number = begun + size, number + 1


@dataclass(frozen=True)
class Sorted:
    """All servers but the headnodes, by what is to be done with them, in the order of their names. *skipped* tells
    why."""

    send: tuple[Server, ...]
    has: tuple[Server, ...]
    down: tuple[Server, ...]
    skipped: tuple[tuple[Server, str], ...]


def sort_out(servers: Sequence[Server], known: Mapping[str, Known], digest: str) -> Sorted:
    """Who needs the set *digest*: nobody who is known to have it, nobody who cannot have it. Empty: who has any."""
    send: list[Server] = []
    has: list[Server] = []
    down: list[Server] = []
    skipped: list[tuple[Server, str]] = []
    for server in sorted(servers, key=lambda one: (one.hostname, one.uuid)):
        if server.headnode:
            continue
        reason = unfit(server)
        if reason:
            skipped.append((server, reason))
        elif server.uuid in known and known[server.uuid].surely(digest):
            has.append(server)
        else:
            (send if server.status == "running" else down).append(server)
    return Sorted(tuple(send), tuple(has), tuple(down), tuple(skipped))


def unfit(server: Server) -> str:
    """Why a server can never have gzbits as it is; empty when it can."""
    if not server.setup:
        return "it is not set up; set-up gives it the tools"
    if server.system_type != "SunOS":
        return f"it runs {server.system_type}, and gzbits are for SmartOS"
    return ""
