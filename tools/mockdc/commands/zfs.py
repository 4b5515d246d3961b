"""``zfs``: silent when it works, its complaints on stderr with exit status 1, wrong usage 2 (reference 4.6).

Properties are in ``zfs_props.py``, streams in ``zfs_stream.py``. Left out: promote, hold, share, volumes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from mockdc.commands import zfs_props
from mockdc.commands.options import Options, UsageError, parse
from mockdc.core import datasets
from mockdc.core.datasets import ZfsError

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc


def zfs(call: Call) -> int:
    """The program."""
    if not call.argv:
        return usage(call, "missing command")
    name, argv = call.argv[0], call.argv[1:]
    if name not in COMMANDS:
        return usage(call, f"unrecognized command '{name}'")
    try:
        return COMMANDS[name](call, argv)
    except UsageError as why:
        wrong = f"missing argument for '{why.option}' option" if why.missing else f"invalid option '{why.option}'"
        return usage(call, wrong if why.option else str(why.args[0]))
    except ZfsError as why:
        call.err(str(why))
        return 1


def usage(call: Call, why: str) -> int:
    """Say what is wrong and how it is used."""
    call.err(f"{why}\nusage: zfs command args ...\nwhere 'command' is one of the following:\n")
    call.err("".join(f"\t{name}\n" for name in sorted(COMMANDS)))
    return 2


class Missing(UsageError):
    """Words that lack, or are too many."""

    def __init__(self, why: str) -> None:
        super().__init__("")
        self.args = (why,)


def one(found: Options, what: str, count: int = 1) -> list[str]:
    """Exactly *count* words. Raises Missing."""
    if len(found.words) < count:
        raise Missing(f"missing {what} argument")
    if len(found.words) > count:
        raise Missing("too many arguments")
    return found.words


def must(call: Call, name: str) -> Doc:
    """The dataset. Raises ZfsError."""
    found = datasets.get(call.dc, call.server, name)
    if found is None:
        raise ZfsError(f"cannot open '{name}': dataset does not exist")
    return found


# --- looking ----------------------------------------------------------------------------------------------------------
def selected(call: Call, found: Options) -> tuple[list[Doc], list[str]]:
    """The datasets that the words, ``-r``, ``-d`` and ``-t`` mean, and complaints about those that are not there."""
    kinds = {"snap": "snapshot", "fs": "filesystem"}
    types = {kinds.get(name, name) for name in found.columns("t", "filesystem,volume")}
    unlimited = "r" in found or not found.words
    below = 1 if types & {"snapshot", "all"} else 0  # a file system's snapshots are listed without -r
    depth = int(found.last("d")) if "d" in found else None if unlimited else below
    picked: dict[str, Doc] = {}
    wrong: list[str] = []
    for name in found.words or [""]:
        if name and not datasets.get(call.dc, call.server, name):
            wrong.append(f"cannot open '{name}': dataset does not exist")
            continue
        every = datasets.tree(call.dc, call.server, name) if name else call.dc.store.all("dataset", f"{call.server}:")
        for doc in every:
            near = depth is None or zfs_props.level(doc["name"]) - zfs_props.level(name) <= depth
            named = "t" not in found and doc["name"] == name
            if near and (named or doc["type"] in types or "all" in types):
                picked.setdefault(doc["name"], doc)
    return list(picked.values()), wrong


def list_datasets(call: Call, argv: list[str]) -> int:
    """``zfs list``."""
    found = parse(argv, "Hpr", "otdsS")
    docs, wrong = selected(call, found)
    names = found.columns("o", "name,used,avail,refer,mountpoint")
    docs.sort(key=lambda doc: zfs_props.order(doc["name"]))
    for letter in "Ss":
        for name in reversed(found.all(letter)):
            docs.sort(key=lambda doc, name=name: zfs_props.sortable(call, doc, name),  # type: ignore[misc]
                      reverse=letter == "S")  # fmt: skip
    rows = [[zfs_props.show(call, doc, name, "p" in found) for name in names] for doc in docs]
    zfs_props.table(call, [zfs_props.heading(name) for name in names], rows, "H" not in found)
    for line in wrong:
        call.err(line)
    if not docs and not wrong:
        call.err("no datasets available")
    return 1 if wrong else 0


def get(call: Call, argv: list[str]) -> int:
    """``zfs get PROPERTY[,...] DATASET...``."""
    found = parse(argv, "Hpr", "otds")
    if not found.words:
        raise Missing("missing property argument")
    names = found.words.pop(0).split(",")
    docs, wrong = selected(call, found)
    columns = found.columns("o", "name,property,value,source")
    rows = []
    for doc in docs:
        for name in zfs_props.ALL if names == ["all"] else names:
            value = zfs_props.show(call, doc, name, "p" in found)
            source = "local" if name in doc["props"] or (name == "quota" and doc["quota"]) else "-"
            cells = {"name": doc["name"], "property": name, "value": value, "source": source}
            rows.append([cells.get(column, "-") for column in columns])
    zfs_props.table(call, [column.upper() for column in columns], rows, "H" not in found)
    for line in wrong:
        call.err(line)
    return 1 if wrong else 0


# --- changing ---------------------------------------------------------------------------------------------------------
def set_properties(call: Call, argv: list[str]) -> int:
    """``zfs set PROPERTY=VALUE DATASET``."""
    found = parse(argv)
    pairs = [word for word in found.words if "=" in word]
    names = [word for word in found.words if "=" not in word]
    if not pairs or not names:
        raise Missing("missing property=value argument" if not pairs else "missing dataset name(s)")
    for name in names:
        doc = must(call, name)
        for pair in pairs:
            zfs_props.change(call, doc, *pair.split("=", 1))
    return 0


def create(call: Call, argv: list[str]) -> int:
    """``zfs create [-p] [-o k=v] DATASET``."""
    found = parse(argv, "p", "o")
    (name,) = one(found, "filesystem")
    parent = name.rpartition("/")[0]
    if not datasets.get(call.dc, call.server, parent):
        if "p" not in found:
            raise ZfsError(f"cannot create '{name}': parent does not exist")
        create(call, ["-p", parent])
    if datasets.get(call.dc, call.server, name) and "p" in found:
        return 0
    doc = datasets.create(call.dc, call.server, name)
    datasets.folder(call.dc, call.server, name).mkdir(parents=True, exist_ok=True)
    for pair in found.all("o"):
        zfs_props.change(call, doc, *pair.split("=", 1))
    return 0


def snapshot(call: Call, argv: list[str]) -> int:
    """``zfs snapshot [-r] DATASET@NAME...``: all or none."""
    found = parse(argv, "r", "o")
    if not found.words:
        raise Missing("missing snapshot argument")
    with call.dc.store.transaction():
        for word in found.words:
            name, at, short = word.partition("@")
            if not at or not short:
                raise ZfsError(f"cannot create snapshot '{word}': missing '@' delimiter in snapshot name")
            below = datasets.tree(call.dc, call.server, name) if "r" in found else []
            for target in [name, *(doc["name"] for doc in below if doc["type"] != "snapshot" and doc["name"] != name)]:
                datasets.snapshot(call.dc, call.server, f"{target}@{short}")
    return 0


def destroy(call: Call, argv: list[str]) -> int:
    """``zfs destroy [-r] DATASET``."""
    found = parse(argv, "rRfnvpd")
    (name,) = one(found, "dataset")
    must(call, name)
    _not_busy(call, name)
    gone = {doc["name"] for doc in datasets.tree(call.dc, call.server, name)}
    for doc in call.dc.store.all("dataset", f"{call.server}:"):
        if doc["origin"] in gone and doc["name"] not in gone:
            kind = "snapshot" if "@" in name else "filesystem"
            raise ZfsError(f"cannot destroy '{name}': {kind} has dependent clones\n"
                           f"use '-R' to destroy the following datasets:\n{doc['name']}")  # fmt: skip
    datasets.destroy(call.dc, call.server, name, recursive=bool({"r", "R"} & set(found.given)))
    return 0


def _not_busy(call: Call, name: str) -> None:
    """The root of a zone that runs cannot be unmounted. Raises ZfsError."""
    vm = call.dc.vm(name.rpartition("/")[2]) if "@" not in name else None
    if vm and vm["server_uuid"] == call.server and vm["zone_state"] == "running":
        raise ZfsError(f"cannot unmount '/{name}': Device busy")


def rename(call: Call, argv: list[str]) -> int:
    """``zfs rename OLD NEW``."""
    found = parse(argv, "rpf")
    old, new = one(found, "target dataset", 2)
    must(call, old)
    _not_busy(call, old)
    parent = new.partition("@")[0] if "@" in new else new.rpartition("/")[0]
    if not datasets.get(call.dc, call.server, parent):
        raise ZfsError(f"cannot rename '{old}': parent does not exist")
    datasets.rename(call.dc, call.server, old, new)
    return 0


def clone(call: Call, argv: list[str]) -> int:
    """``zfs clone SNAPSHOT DATASET``: with the files that the snapshot's file system has now."""
    found = parse(argv, "p", "o")
    source, name = one(found, "target dataset", 2)
    must(call, source)
    if not datasets.get(call.dc, call.server, name.rpartition("/")[0]):
        raise ZfsError(f"cannot create '{name}': parent does not exist")
    doc = datasets.create(call.dc, call.server, name, origin=source)
    for pair in found.all("o"):
        zfs_props.change(call, doc, *pair.split("=", 1))
    files = datasets.folder(call.dc, call.server, source.partition("@")[0])
    if files.is_dir():
        shutil.copytree(files, datasets.folder(call.dc, call.server, name), symlinks=True, dirs_exist_ok=True)
    return 0


def rollback(call: Call, argv: list[str]) -> int:
    """``zfs rollback [-r] SNAPSHOT``: newer snapshots go; files stay, for the box keeps none in snapshots."""
    found = parse(argv, "rRf")
    (name,) = one(found, "dataset")
    mine = must(call, name)
    parent = name.partition("@")[0]
    newer = [doc["name"] for doc in datasets.tree(call.dc, call.server, parent)
             if doc["name"].startswith(f"{parent}@") and doc["creation"] > mine["creation"]]  # fmt: skip
    if newer and "r" not in found:
        raise ZfsError(f"cannot rollback to '{name}': more recent snapshots or bookmarks exist\n"
                       "use '-r' to force deletion of the following snapshots and bookmarks:\n" + "\n".join(newer))
    for each in newer:
        datasets.destroy(call.dc, call.server, each)
    return 0


def mount(call: Call, argv: list[str]) -> int:
    """``zfs mount`` and ``unmount``: every file system of the box is mounted, always."""
    for name in parse(argv, "afO", "o").words:
        if not name.startswith("/"):
            must(call, name)
    return 0


def send(call: Call, argv: list[str]) -> int:
    """``zfs send [-R] [-i FROM] SNAPSHOT``: the stream on stdout."""
    from mockdc.commands import zfs_stream

    found = parse(argv, "RpPvDenLec", "iI")
    (name,) = one(found, "snapshot")
    if "@" not in name:
        raise ZfsError("Error: Unsupported flag with filesystem or bookmark.")
    must(call, name)
    zfs_stream.send(call, name)
    return 0


def receive(call: Call, argv: list[str]) -> int:
    """``zfs receive DATASET``: the stream from stdin."""
    from mockdc.commands import zfs_stream

    found = parse(argv, "Fuvnsde", "ox")
    (name,) = one(found, "snapshot")
    zfs_stream.receive(call, name, force="F" in found)
    return 0


COMMANDS: dict[str, Callable[[Call, list[str]], int]] = {
    "list": list_datasets, "get": get, "set": set_properties, "create": create, "snapshot": snapshot, "snap": snapshot,
    "destroy": destroy, "rename": rename, "clone": clone, "rollback": rollback, "mount": mount, "unmount": mount,
    "umount": mount, "send": send, "receive": receive, "recv": receive,
}  # fmt: skip
