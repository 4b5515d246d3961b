"""``zpool list`` and ``status``: one pool, zones, always well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockdc.commands import zfs_props
from mockdc.commands.options import UsageError, parse

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

COLUMNS = "name,size,alloc,free,ckpoint,expandsz,frag,cap,dedup,health,altroot"


def zpool(call: Call) -> int:
    """The program."""
    commands = {"list": list_pools, "status": status}
    try:
        if call.argv and call.argv[0] in commands:
            return commands[call.argv[0]](call, call.argv[1:])
        why = f"unrecognized command '{call.argv[0]}'" if call.argv else "missing command"
    except UsageError as wrong:
        why = f"invalid option '{wrong.option}'"
    call.err(f"{why}\nusage: zpool command args ...\nwhere 'command' is one of the following:\n\n\tlist\n\tstatus")
    return 2


def pools(call: Call, words: list[str]) -> tuple[list[Doc], int]:
    """The pools that are meant, and 1 when one is not there."""
    every = [doc for doc in call.dc.store.all("dataset", f"{call.server}:") if not {"/", "@"} & set(doc["name"])]
    names = {doc["name"] for doc in every}
    missing = [word for word in words if word not in names]
    for word in missing:
        call.err(f"cannot open '{word}': no such pool")
    return [doc for doc in every if not words or doc["name"] in words], 1 if missing else 0


def list_pools(call: Call, argv: list[str]) -> int:
    """``zpool list [-Hp] [-o columns] [pool]``."""
    found = parse(argv, "Hpv", "oT")
    names = found.columns("o", COLUMNS)
    docs, status_code = pools(call, found.words)
    rows = [[_cell(doc, name, "p" in found) for name in names] for doc in docs]
    zfs_props.table(call, [name.upper() for name in names], rows, "H" not in found)
    return status_code


def _cell(doc: Doc, name: str, parsable: bool) -> str:
    used, free = int(doc["used"]), int(doc["available"] or 0)
    sizes = {"size": used + free, "alloc": used, "allocated": used, "free": free}
    if name in sizes:
        return str(sizes[name]) if parsable else zfs_props.human(sizes[name])
    share = used * 100 // max(1, used + free)
    percent, times = ("", "") if parsable else ("%", "x")
    words = {"name": str(doc["name"]), "cap": f"{share}{percent}", "capacity": f"{share}{percent}",
             "frag": f"0{percent}", "dedup": f"1.00{times}", "health": "ONLINE"}  # fmt: skip
    return words.get(name, "-")


def status(call: Call, argv: list[str]) -> int:
    """``zpool status [-x] [pool]``."""
    found = parse(argv, "xvD", "T")
    docs, code = pools(call, found.words)
    if "x" in found:
        call.out(f"pool '{found.words[0]}' is healthy" if found.words and docs else "all pools are healthy")
        return code
    for doc in docs:
        name = doc["name"]
        call.out(f"  pool: {name}\n state: ONLINE\n  scan: none requested\nconfig:\n\n"
                 f"        NAME        STATE     READ WRITE CKSUM\n        {name:<11} ONLINE       0     0     0\n"
                 f"          c1t0d0    ONLINE       0     0     0\n\nerrors: No known data errors")  # fmt: skip
    return code
