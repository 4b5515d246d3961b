"""``imgadm``, the platform's image tool: 0 done, 3 not installed, 1 other errors (reference 4.4).

What brings images into the pool is in ``imgadm_import.py``. Left out: create, publish, docker and lxd sources.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mockdc.commands import table
from mockdc.commands.options import Options, UsageError, parse
from mockdc.core import datasets

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ImgadmError(Exception):
    """What imgadm reports, with its code and exit status."""

    def __init__(self, code: str, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def imgadm(call: Call) -> int:
    """The program."""
    from mockdc.commands import imgadm_import

    commands: dict[str, Callable[[Call, list[str]], None]] = {
        "list": list_images, "get": get, "show": get, "info": get, "delete": delete, "sources": sources,
        "vacuum": vacuum, "update": update, "avail": imgadm_import.avail, "import": imgadm_import.import_image,
        "install": imgadm_import.install_image,
    }  # fmt: skip
    argv = list(call.argv)
    as_json = "-E" in argv[:2]
    argv = [word for at, word in enumerate(argv) if at > 1 or word not in {"-E", "-v"}]
    if argv[:1] == ["--version"]:
        call.out("imgadm 3.10.0")
        return 0
    if not argv or argv[0] in {"-h", "--help", "help"}:
        call.out("Usage: imgadm [<options>] <command> [<args>...]\n\nCommands:\n    " + "\n    ".join(commands))
        return 0
    name = argv[0]
    try:
        if name not in commands:
            raise ImgadmError("UnknownCommand", f'unknown command: "{name}"')
        commands[name](call, argv[1:])
    except UsageError as why:
        return report(call, name, ImgadmError("Usage", str(why)), as_json)
    except ImgadmError as why:
        return report(call, name, why, as_json)
    return 0


def report(call: Call, name: str, why: ImgadmError, as_json: bool) -> int:
    """The error on stderr; with ``-E`` as an object."""
    known = f"imgadm {name}" if why.code != "UnknownCommand" else "imgadm"
    text = f"{known}: error ({why.code}): {why}"
    call.err(json.dumps({"name": "imgadm", "msg": text, "err": {"code": why.code, "message": str(why)}})
             if as_json else text)  # fmt: skip
    return why.status


def must_uuid(found: Options) -> str:
    """The uuid on the command line. Raises ImgadmError."""
    if len(found.words) != 1:
        raise ImgadmError("Usage", f"incorrect number of args ({len(found.words)})")
    if not UUID.fullmatch(found.words[0]):
        raise ImgadmError("InvalidUUID", f'invalid uuid: "{found.words[0]}"')
    return found.words[0]


def must_installed(call: Call, uuid: str, pool: str) -> Doc:
    """The record of an installed image. Raises ImgadmError with status 3."""
    found = call.dc.installed(call.server, uuid) if pool == "zones" else None
    if found is None:
        raise ImgadmError("ImageNotInstalled", f'image "{uuid}" was not found on zpool "{pool}"', 3)
    return found


def installed(call: Call) -> list[Doc]:
    """Every record of this node."""
    return call.dc.store.all("installed", f"{call.server}/")


def users(call: Call, uuid: str) -> list[str]:
    """The datasets that are clones of an image."""
    every = call.dc.store.all("dataset", f"{call.server}:")
    return [doc["name"] for doc in every if doc["origin"] == f"zones/{uuid}@final"]


# --- subcommands ------------------------------------------------------------------------------------------------------
def cell(manifest: Doc, name: str) -> Any:
    """A column's value."""
    if name == "pub" or name == "published":
        return str(manifest.get("published_at", "-"))[:10 if name == "pub" else 19]
    return manifest.get({"os": "os", "source": "source"}.get(name, name))


def rows(call: Call, found: Options, manifests: list[Doc], default: str) -> None:
    """Print manifests as a table, sorted by publication unless told otherwise."""
    names = found.columns("o", default)
    for name in reversed(found.columns("s", "published_at")):
        manifests.sort(key=lambda one, name=name: str(one.get(name.lstrip("-"), "")),  # type: ignore[misc]
                       reverse=name.startswith("-"))  # fmt: skip
    cells = [[table.shown(cell(manifest, name)) for name in names] for manifest in manifests]
    for line in table.lines([name.upper() for name in names], cells, "H" not in found):
        call.out(line)


def filtered(records: list[Doc], conditions: list[str]) -> list[Doc]:
    """Those whose manifest has every ``k=v``. Raises ImgadmError."""
    for condition in conditions:
        if "=" not in condition:
            raise ImgadmError("Usage", f'invalid filter: "{condition}" (must be of the form "field=value")')
    pairs = [condition.split("=", 1) for condition in conditions]

    def fits(manifest: Doc, key: str, value: str) -> bool:
        have = table.shown(table.dotted(manifest, key))
        return value[1:] in have if value.startswith("~") else have == value

    return [one for one in records if all(fits(one.get("manifest", one), key, value) for key, value in pairs)]


def list_images(call: Call, argv: list[str]) -> None:
    """``imgadm list``."""
    found = parse(argv, "jHadv", "os", (("json", "j"),))
    records = filtered(installed(call), found.words)
    if "j" in found:
        call.out(json.dumps([{**one, "cloneNames": users(call, one["manifest"]["uuid"])} for one in records], indent=2))
        return
    rows(call, found, [one["manifest"] for one in records], "uuid,name,version,os,type,pub")


def get(call: Call, argv: list[str]) -> None:
    """``imgadm get [-c] U``."""
    found = parse(argv, "cr", "P")
    uuid = must_uuid(found)
    record = must_installed(call, uuid, found.last("P", "zones"))
    if "c" in found:
        record["children"] = users(call, uuid)
    call.out(json.dumps(record, indent=2, ensure_ascii=False))


def delete(call: Call, argv: list[str]) -> None:
    """``imgadm delete U``; not while something is a clone of it."""
    found = parse(argv, "", "P")
    uuid = must_uuid(found)
    record = must_installed(call, uuid, found.last("P", "zones"))
    clones = users(call, uuid)
    if clones:
        raise ImgadmError("ImageHasDependentClones", f'cannot delete image "{uuid}", it has dependent clones: '
                          + ", ".join(clones))  # fmt: skip
    datasets.uninstall(call.dc, call.server, uuid)
    manifest = record["manifest"]
    call.out(f"Deleted image {uuid} ({manifest['name']}@{manifest['version']})")


def vacuum(call: Call, argv: list[str]) -> None:
    """``imgadm vacuum [-n]``: delete what nothing uses, children before their origins."""
    found = parse(argv, "nqf", "", (("dry-run", "n"), ("force", "f")))
    while True:
        unused = [one["manifest"] for one in installed(call) if not users(call, one["manifest"]["uuid"])]
        for manifest in unused:
            if "n" not in found:
                datasets.uninstall(call.dc, call.server, manifest["uuid"])
            call.out(f"Deleted image {manifest['uuid']} ({manifest['name']}@{manifest['version']})")
        if not unused or "n" in found:
            return


def update(call: Call, argv: list[str]) -> None:
    """``imgadm update``: nothing is older than its record in the box."""
    parse(argv, "n")


# --- sources ----------------------------------------------------------------------------------------------------------
def read_sources(call: Call) -> list[str]:
    """The URLs of this node's image sources: as configured, else the datacenter's own IMGAPI."""
    try:
        with open(call.real("/var/imgadm/imgadm.conf"), encoding="utf-8") as source:  # noqa: PTH123  (a str)
            urls = [one["url"] for one in json.load(source).get("sources", [])]
    except (OSError, ValueError):
        urls = []
    return urls or [f"http://{call.dc.config.get('imgapi_domain', '')}"]


def sources(call: Call, argv: list[str]) -> None:
    """``imgadm sources [-j] [-a URL] [-d URL]``."""
    found = parse(argv, "jfkv", "at" + "d")
    urls = read_sources(call)
    for url in found.all("a"):
        if url in urls:
            call.out(f'Already have "imgapi" image source "{url}", no change')
        else:
            urls.append(url)
            call.out(f'Added "imgapi" image source "{url}"')
    for url in found.all("d"):
        urls = [one for one in urls if one != url]
        call.out(f'Deleted "imgapi" image source "{url}"')
    if "a" in found or "d" in found:
        conf = {"sources": [{"type": "imgapi", "url": url} for url in urls]}
        with open(call.real("/var/imgadm/imgadm.conf"), "w", encoding="utf-8") as out:  # noqa: PTH123  (a str)
            json.dump(conf, out)
    elif "j" in found:
        call.out(json.dumps([{"type": "imgapi", "url": url} for url in urls], indent=2))
    else:
        for url in urls:
            call.out(url)
