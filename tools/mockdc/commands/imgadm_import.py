"""``imgadm import``, ``install`` and ``avail``: images come from the datacenter's IMGAPI, origins first.

Only what is active there is found. The bytes are counted and their sha1 is compared; it all takes time by size.
"""

from __future__ import annotations

import hashlib
import json
import urllib.parse
from typing import TYPE_CHECKING, Any, Optional

from mockdc.apis.web import FileBody, Request, Response
from mockdc.commands.imgadm import ImgadmError, filtered, must_uuid, read_sources, rows
from mockdc.commands.options import parse
from mockdc.faces import dispatch

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

RATE = 60 * (1 << 20)
"""Bytes a second that a node reads from IMGAPI and unpacks."""
INSTALL_S = 1.0
MIB = float(1 << 20)


def import_image(call: Call, argv: list[str]) -> None:
    """``imgadm import [-q] [-S URL] U``, with the origins that lack."""
    found = parse(argv, "qf", "PSC", (("source", "S"), ("channel", "C")))
    uuid = must_uuid(found)
    mine = call.dc.installed(call.server, uuid)
    if mine is not None:
        manifest = mine["manifest"]
        call.out(f"Image {uuid} ({manifest['name']} {manifest['version']}) is already installed, skipping")
        return
    urls = found.all("S") or read_sources(call)
    missing = ancestry(call, urls, uuid, found.last("C"))
    quiet = "q" in found
    if not quiet:
        name, source = missing[0][0], missing[0][1]
        call.out(f"Importing {uuid} ({name['name']}@{name['version']}) from \"{source}\"")
        call.out(f"Gather image {uuid} ancestry")
        total = sum(size(manifest) for manifest, _ in missing) / MIB
        call.out(f"Must download and install {len(missing)} image{'s' if len(missing) > 1 else ''} ({total:.1f} MiB)")
    for manifest, source in reversed(missing):
        fetch(call, manifest, source, quiet)


def size(manifest: Doc) -> int:
    """Bytes of an image's file."""
    return sum(int(one["size"]) for one in manifest.get("files", []))


def ancestry(call: Call, urls: list[str], uuid: str, channel: str) -> list[tuple[Doc, str]]:
    """The image and every origin that this node lacks, with where each is to be had. Raises ImgadmError."""
    missing: list[tuple[Doc, str]] = []
    wanted: Optional[str] = uuid
    while wanted and call.dc.installed(call.server, wanted) is None:
        found = locate(call, urls, wanted, channel)
        if found is None:
            raise ImgadmError("ActiveImageNotFound", f'an active image "{wanted}" was not found in image sources')
        check_platform(call, found[0])
        missing.append(found)
        wanted = found[0].get("origin")
    return missing


def locate(call: Call, urls: list[str], uuid: str, channel: str) -> Optional[tuple[Doc, str]]:
    """The active image in the first source that has it. Raises ImgadmError when a source cannot be asked."""
    for url in urls:
        query = f"?channel={channel}" if channel else ""
        answer = ask(call, url, f"/images/{uuid}{query}")
        if answer.status == 200:
            manifest = body(answer)
            if manifest.get("state") == "active":
                return manifest, url
        elif answer.status != 404:
            told = body(answer)
            raise ImgadmError(str(told.get("code", "InternalError")), str(told.get("message", answer.status)))
    return None


def ask(call: Call, url: str, target: str) -> Response:
    """GET from a source. Raises ImgadmError when there is no way to it."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        api = dispatch.OUTSIDE if host.startswith("updates.") else dispatch.by_host(call.dc, host)
        return dispatch.http(call.dc, api, Request.make("GET", target, {"accept": "application/json"}))
    except dispatch.NoSuchHost as why:
        raise ImgadmError("ClientError", f'image source "{url}" error: getaddrinfo ENOTFOUND {host}') from why
    except dispatch.Refused as why:
        raise ImgadmError("ClientError", f'image source "{url}" error: connect ECONNREFUSED') from why


def body(answer: Response) -> Any:
    """The body of an answer as JSON; an empty object when it is none."""
    try:
        return json.loads(dispatch.whole(answer))
    except ValueError:
        return {}


def check_platform(call: Call, manifest: Doc) -> None:
    """Refuse an image that needs a newer platform than this node's: stamps compare as text. Raises ImgadmError."""
    needed = manifest.get("requirements", {}).get("min_platform", {})
    stamp = str((call.dc.server(call.server) or {}).get("current_platform", ""))
    for version, least in needed.items():
        if stamp and str(least) > stamp:
            label = f"{manifest['name']} {manifest['version']}"
            raise ImgadmError("InvalidManifest", f'image "{manifest["uuid"]}" ({label}) requires platform '
                              f"{version}/{least}, this one is {stamp}")  # fmt: skip


def fetch(call: Call, manifest: Doc, source: str, quiet: bool) -> None:
    """Bring one image's file and put the image into the pool. Raises ImgadmError."""
    uuid, label = manifest["uuid"], f"{manifest['name']}@{manifest['version']}"
    if call.dc.installed(call.server, uuid) is None:
        answer = ask(call, source, f"/images/{uuid}/file")
        if answer.status != 200:
            raise ImgadmError("DownloadError", f'could not get file of image "{uuid}": {answer.status}')
        check_file(uuid, manifest, answer)
        rate = min(RATE, answer.wire.rate) if answer.wire and answer.wire.rate else RATE
        call.dc.wait(INSTALL_S + size(manifest) / rate)
        kept = {key: value for key, value in manifest.items() if key != "channels"}
        call.dc.install(call.server, kept, source)
    if not quiet:
        call.out(f"Downloaded image {uuid} ({size(manifest) / MIB:.1f} MiB)")
        call.out(f"Imported image {uuid} ({label})")


def check_file(uuid: str, manifest: Doc, answer: Response) -> None:
    """Length and sha1. Raises ImgadmError."""
    digest, length = hashlib.sha1(), 0
    raw = answer.encoded()
    if isinstance(raw, FileBody) and not answer.wire:
        with open(raw.path, "rb") as data:  # noqa: PTH123  (a str)
            for piece in iter(lambda: data.read(1 << 20), b""):
                digest.update(piece)
                length += len(piece)
    else:
        whole = dispatch.whole(answer)
        digest.update(whole)
        length = len(whole)
    for one in manifest.get("files", []):
        if length != one["size"]:
            raise ImgadmError("DownloadError", f'file of image "{uuid}" is {length} bytes, expected {one["size"]}')
        if digest.hexdigest() != one["sha1"]:
            raise ImgadmError("ChecksumError", f'sha1 of the file of image "{uuid}" is {digest.hexdigest()}, '
                              f"expected {one['sha1']}")  # fmt: skip


def install_image(call: Call, argv: list[str]) -> None:
    """``imgadm install -m MANIFEST -f FILE``: needs no IMGAPI at all."""
    found = parse(argv, "q", "mfP")
    if "m" not in found or "f" not in found:
        raise ImgadmError("Usage", "missing required option: -m <manifest> and -f <file>")
    try:
        with open(call.real(found.last("m")), "rb") as source:  # noqa: PTH123  (a str)
            manifest = json.loads(source.read())
        with open(call.real(found.last("f")), "rb") as source:  # noqa: PTH123  (a str)
            data = source.read()
    except (OSError, ValueError) as why:
        raise ImgadmError("InvalidManifest", str(why)) from why
    uuid = manifest["uuid"]
    if call.dc.installed(call.server, uuid):
        raise ImgadmError("ImageAlreadyInstalled", f'image "{uuid}" is already installed')
    origin = manifest.get("origin")
    if origin and call.dc.installed(call.server, origin) is None:
        raise ImgadmError("OriginNotInstalled", f'origin image "{origin}" of image "{uuid}" is not installed')
    check_platform(call, manifest)
    check_file(uuid, manifest, Response(200, data))
    call.out(f"Installing image {uuid} ({manifest['name']}@{manifest['version']})")
    call.dc.wait(INSTALL_S + len(data) / RATE)
    call.dc.install(call.server, manifest, "")
    call.out(f"Installed image {uuid} ({manifest['name']}@{manifest['version']})")


def avail(call: Call, argv: list[str]) -> None:
    """``imgadm avail``: the active images of every source."""
    found = parse(argv, "jHa", "osSC")
    manifests: list[Doc] = []
    for url in found.all("S") or read_sources(call):
        answer = ask(call, url, "/images" + (f"?channel={found.last('C')}" if "C" in found else ""))
        if answer.status != 200:
            raise ImgadmError("InternalError", f'image source "{url}" error: {answer.status}')
        manifests += [one for one in body(answer) if one.get("state") == "active"]
    manifests = filtered(manifests, found.words)
    if "j" in found:
        call.out(json.dumps([{"manifest": one} for one in manifests], indent=2))
    else:
        rows(call, found, manifests, "uuid,name,version,os,type,pub")
