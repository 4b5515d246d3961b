"""Properties of datasets as zfs shows and takes them."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from mockdc.core import datasets
from mockdc.core.datasets import ZfsError

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

ALL = ("type", "creation", "used", "available", "referenced", "mounted", "quota", "mountpoint", "zoned", "origin")
SHORT = {"avail": "available", "refer": "referenced"}
HEADINGS = {"available": "AVAIL", "avail": "AVAIL", "refer": "REFER", "referenced": "REFER"}
LIMITS = {"quota", "refquota", "reservation", "refreservation"}
SIZES = {"used", "available", "referenced", "usedbysnapshots"} | LIMITS
UNITS = "KMGTPE"


def level(name: str) -> int:
    """How deep a dataset lies; a snapshot one below its file system."""
    return name.count("/") + name.count("@") + (1 if name else 0)


def order(name: str) -> list[str]:
    """Children follow their parents, snapshots come first."""
    return re.sub(r"@", "/\0", name).split("/")


def heading(name: str) -> str:
    """The heading of a column."""
    return HEADINGS.get(name, name.upper())


def raw(call: Call, doc: Doc, name: str) -> Any:
    """The value of a property; None where it does not apply."""
    name = SHORT.get(name, name)
    snapshot = doc["type"] == "snapshot"
    if name == "available":
        return None if snapshot else _available(call, doc)
    if name == "referenced":
        return doc.get("referenced", doc["used"])
    if name == "mounted":
        return None if snapshot else "yes"
    if name in {"quota", "zoned"} and snapshot:
        return None
    if name in doc["props"]:
        return doc["props"][name]
    if name in {"refquota", "reservation", "refreservation", "usedbysnapshots"}:
        return None if snapshot else 0
    return doc.get(name)


def _available(call: Call, doc: Doc) -> int:
    pool = datasets.get(call.dc, call.server, doc["name"].partition("/")[0])
    free = int((pool or {}).get("available") or 0)
    return min(free, max(0, doc["quota"] - doc["used"])) if doc["quota"] else free


def sortable(call: Call, doc: Doc, name: str) -> tuple[int, Any]:
    """The value for sorting."""
    value = raw(call, doc, name)
    return (0, value) if isinstance(value, (int, float)) else (1, str(value))


def show(call: Call, doc: Doc, name: str, parsable: bool) -> str:
    """The value as it is printed."""
    value = raw(call, doc, name)
    if value is None:
        return "-"
    name = SHORT.get(name, name)
    if name == "creation":
        return str(int(value)) if parsable else time.strftime("%a %b %e %H:%M %Y", time.gmtime(value))
    if name in SIZES:
        if parsable:
            return str(value)
        return "none" if value == 0 and name in LIMITS else human(value)
    return str(value)


def human(size: int) -> str:
    """``25G``, ``1.50M``, ``120G``: three digits that matter."""
    value, unit = float(size), ""
    for letter in UNITS:
        if value < 1024:
            break
        value, unit = value / 1024, letter
    if not unit:
        return str(size)
    if value.is_integer():
        return f"{int(value)}{unit}"
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}{unit}"


def size(text: str) -> int:
    """``25G`` in bytes. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTPE]?)B?", text.upper())
    if found is None:
        raise ValueError(text)
    return int(float(found[1]) * 1024 ** (UNITS.index(found[2]) + 1 if found[2] else 0))


def change(call: Call, doc: Doc, name: str, value: str) -> None:
    """``zfs set``. Raises ZfsError."""
    if name in {"used", "available", "referenced", "type", "creation", "origin", "name"}:
        raise ZfsError(f"cannot set property for '{doc['name']}': '{name}' is readonly")
    if name in SIZES:
        try:
            number = 0 if value == "none" else size(value)
        except ValueError as why:
            raise ZfsError(f"cannot set property for '{doc['name']}': bad numeric value '{value}'") from why
        if name == "quota":
            doc["quota"] = number
        else:
            doc["props"][name] = number
    elif name in {"zoned", "mountpoint"}:
        doc[name] = value
    else:
        doc["props"][name] = value
    with call.dc.store.transaction():
        call.dc.store.put("dataset", f"{call.server}:{doc['name']}", doc)
        vm = call.dc.vm(doc["name"].rpartition("/")[2])
        if vm is not None and name == "quota" and vm["server_uuid"] == call.server:
            vm["quota"] = doc["quota"] // datasets.GIB
            call.dc.touch_vm(vm)


def table(call: Call, headings: list[str], rows: list[list[str]], header: bool) -> None:
    """Aligned columns, or tab-separated without header; numbers to the right as zfs has them."""
    if not header:
        for row in rows:
            call.out("\t".join(row))
        return
    if not rows:
        return
    numeric = {"USED", "AVAIL", "REFER", "QUOTA", "SIZE", "ALLOC", "FREE", "FRAG", "CAP", "DEDUP"}
    widths = [max(len(row[at]) for row in [headings, *rows]) for at in range(len(headings))]
    for row in [headings, *rows]:
        cells = [cell.rjust(width) if name in numeric else cell.ljust(width)
                 for name, cell, width in zip(headings, row, widths)]  # fmt: skip
        call.out("  ".join(cells).rstrip())
