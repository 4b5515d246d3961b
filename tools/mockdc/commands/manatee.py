"""``manatee-adm`` inside a manatee zone: who is in the shard, and how its postgres is doing (reference 4.10).

The instances in order of their aliases, those that run first: primary, sync, the rest async; who does not run is
deposed. Left out: freeze, unfreeze, verify, history, and everything that changes a shard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockdc.commands import table
from mockdc.commands.options import UsageError, parse
from mockdc.core import dns

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter

COLUMNS = {"peers": ("role", "peername", "ip"),
           "pg-status": ("role", "peer", "pg", "repl", "sent", "flush", "replay", "lag")}  # fmt: skip
USAGE = "usage: manatee-adm show [-v] | pg-status [-H] [-o COLUMNS] [-r ROLE] | peers [-H] [-o COLUMNS] [-r ROLE]\n"
WAL = "0/5D2AB30"
Answer = tuple[int, str, str]


def manatee_adm(dc: Datacenter, argv: list[str]) -> Answer:
    """Exit status, stdout, stderr."""
    try:
        found = parse(argv, "Hv", "or")
    except UsageError as why:
        return 2, "", f"manatee-adm: {why}\n{USAGE}"
    command = found.words[0] if len(found.words) == 1 else ""
    if command not in {"show", *COLUMNS}:
        return 2, "", USAGE
    if not dc.listens("binder"):
        return 1, "", "manatee-adm: failed to connect to ZooKeeper\n"
    if command == "show":
        return 0, shown(dc, "v" in found), ""
    names = found.columns("o", ",".join(COLUMNS[command]))
    if not set(names) <= set(COLUMNS[command]):
        return 2, "", f"manatee-adm: unknown column in: {','.join(names)}\n"
    rows = [row for row in peers(dc) if row["role"] in (found.all("r") or [row["role"]])]
    return 0, written(names, rows, "H" not in found), ""


def peers(dc: Datacenter) -> list[dict[str, str]]:
    """The shard, primary first, with everything that a column shows."""
    every = sorted(dc.instances_of("manatee"), key=lambda vm: (not dc.zone_answers(vm["uuid"]), str(vm["alias"])))
    rows = []
    for place, vm in enumerate(every):
        up, last = dc.zone_answers(vm["uuid"]), place + 1 == len(every) or not dc.zone_answers(every[place + 1]["uuid"])
        role = ("primary", "sync", "async")[min(place, 2)] if up else "deposed"
        wal = "-" if last or not up else WAL
        rows.append({"role": role, "peername": str(vm["uuid"]), "peer": str(vm["uuid"])[:8], "ip": dns.admin_ip(vm),
                     "pg": "ok" if up else "fail", "repl": "-" if wal == "-" else "async" if place else "sync",
                     "sent": wal, "flush": wal, "replay": wal, "lag": "-"})  # fmt: skip
    return rows


def written(names: list[str], rows: list[dict[str, str]], header: bool) -> str:
    """A table of these columns."""
    cells = [[row[name] for name in names] for row in rows]
    return "".join(f"{line}\n" for line in table.lines([name.upper() for name in names], cells, header))


def shown(dc: Datacenter, verbose: bool) -> str:
    """What ``show`` prints: the shard in short, then pg-status."""
    every = peers(dc)
    one = len(every) == 1
    words = {"zookeeper": ",".join(dns.admin_ip(vm) for vm in dc.instances_of("binder")), "cluster": "sdc",
             "generation": f"1 ({WAL})", "mode": "singleton (one-node-write)" if one else "normal",
             "freeze": "not frozen"}  # fmt: skip
    head = "".join(f"{name + ':':<12} {value}\n" for name, value in words.items())
    more = written(list(COLUMNS["peers"]), every, True) + "\n" if verbose else ""
    return f"{head}\n{more}{written(list(COLUMNS['pg-status']), every, True)}"
