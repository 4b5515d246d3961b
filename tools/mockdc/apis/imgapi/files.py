"""The file of an image: taken in with its digests, given out whole; with the option ``ranges`` also in parts.

Promises constant memory. A file takes its place only when all of it has come and its sha1 is right.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import io
import os
import pathlib
import re
import uuid as uuids
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn, Optional, Union

import mockdc.apis.imgapi.remote as remote
from mockdc.apis.imgapi.asking import Asking, etag, invalid
from mockdc.apis.routes import refuse
from mockdc.apis.web import FileBody, Response
from mockdc.core.store import Doc

COMPRESSIONS = ("gzip", "bzip2", "xz", "none")
STORAGES = ("local", "manta")
PIECE = 1 << 20


def add(asking: Asking, uuid: str) -> Response:
    """PUT /images/U/file: the file is the body, or fetched from ``source``."""
    asking.must_be_trusted()
    query = asking.request.query
    source = query.get("source")
    if not source:
        _one_of("compression", query.get("compression"), COMPRESSIONS)
    if "storage" in query:
        _one_of("storage", query["storage"], STORAGES)
    image = asking.find(uuid, reading=False)
    if image["state"] != "unactivated":
        refuse(422, "ImageFilesImmutable", f"cannot modify files on activated image {uuid}")
    if source:
        entry, path = remote.file(asking.dc, uuid, source)
        with path.open("rb") as content:
            taken = _take(asking, uuid, content, entry["sha1"])
        kept = {key: entry[key] for key in ("compression", "dataset_guid") if key in entry}
    else:
        taken = _take(asking, uuid, asking.request.body, query.get("sha1"))
        kept = {key: query[key] for key in ("compression", "dataset_guid") if key in query}
    with asking.dc.store.transaction():
        image = asking.find(uuid, reading=False)
        image["files"] = [{**taken, **kept}]
        asking.keep(image)
    return asking.answer(image)


def get(asking: Asking, uuid: str) -> Response:
    """GET /images/U/file. The ETag is the file's sha1, but what If-None-Match is held against is the manifest's
    (recordings updates-048 and 051)."""
    image = asking.find(uuid)
    index = asking.request.query.get("index")
    if not image["files"] or index not in (None, "0"):
        where = f" at index {index}" if image["files"] else ""
        refuse(404, "ResourceNotFound", f'image "{uuid}" has no file{where}')
    sha1, path, about = image["files"][0]["sha1"], asking.dc.image_path(asking.store, uuid), _about(asking, uuid)
    if not path.exists():
        refuse(500, "InternalError", f"ENOENT: no such file or directory, open '/data/imgapi/images/{uuid}/file0'")
    headers = {"Etag": f'"{sha1}"' if asking.options.ranges else sha1,
               "Last-Modified": email.utils.formatdate(about["mtime"], usegmt=True)}
    marks = {etag(asking.shown(image)), *([headers["Etag"]] if asking.options.ranges else [])}
    if _unchanged(asking, marks, about["mtime"]):
        return Response(304, None, headers)
    headers.update({"Content-Type": "application/octet-stream", "Content-MD5": about["md5"]})
    wanted = asking.request.headers.get("if-match")
    if wanted and wanted not in marks:
        told = f"PreconditionFailedError: if-match '{wanted}' didn't match etag '{etag(asking.shown(image))}'"
        return Response(412, told.encode(), headers)
    whole = FileBody(str(path), path.stat().st_size)
    return _in_parts(asking, whole, headers) if asking.options.ranges else Response(200, whole, headers)


def forget(asking: Asking, uuid: str) -> None:
    """Delete the file of an image that is no more."""
    asking.dc.image_path(asking.store, uuid).unlink(missing_ok=True)
    for kind in ("image_file", "image_seed"):
        asking.dc.store.delete(kind, f"{asking.store}/{uuid}")


def _one_of(field: str, value: Optional[str], choices: tuple[str, ...]) -> None:
    if value is None:
        invalid(field, f'missing "{field}"', why="Missing")
    if value not in choices:
        invalid(field, f'invalid {field} "{value}" (must be one of {", ".join(choices)})')


def _take(asking: Asking, uuid: str, content: Union[bytes, BinaryIO], sha1: Optional[str]) -> Doc:
    """Keep *content* as the image's file; returns its sha1 and size. Raises Refusal when it is not what was told."""
    place = asking.dc.image_path(asking.store, uuid)
    part = place.with_name(f"{uuid}.{uuids.uuid4()}.part")
    try:
        size, digest, md5 = _copy(content, part)
        if size == 0:
            _refuse_file("image file size is 0 bytes, empty files are not allowed")
        if sha1 and sha1 != digest:
            _refuse_file(f'"sha1" hash, {sha1}, does not match the uploaded file sha1 hash, {digest}')
        os.replace(part, place)
    finally:
        part.unlink(missing_ok=True)
    asking.dc.store.put("image_file", f"{asking.store}/{uuid}", {"md5": md5, "mtime": asking.dc.now()})
    return {"sha1": digest, "size": size}


def _refuse_file(message: str) -> NoReturn:
    refuse(400, "Download", message)


def _copy(content: Union[bytes, BinaryIO], part: pathlib.Path) -> tuple[int, str, str]:
    """Size, sha1 in hex and md5 in base64."""
    size, sha1, md5 = 0, hashlib.sha1(), hashlib.md5()
    with part.open("wb") as out:
        for piece in _pieces(content):
            size += len(piece)
            sha1.update(piece)
            md5.update(piece)
            out.write(piece)
    return size, sha1.hexdigest(), base64.b64encode(md5.digest()).decode()


def _pieces(content: Union[bytes, BinaryIO]) -> Iterator[bytes]:
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    while True:
        piece = source.read(PIECE)
        if not piece:
            return
        yield piece


def _about(asking: Asking, uuid: str) -> Doc:
    """md5 and mtime of a file, worked out once for one that came with the scenario."""
    known = asking.dc.store.get("image_file", f"{asking.store}/{uuid}")
    if known:
        return known
    md5: Any = hashlib.md5()
    path = asking.dc.image_path(asking.store, uuid)
    if path.exists():
        with path.open("rb") as source:
            for piece in _pieces(source):
                md5.update(piece)
    found = {"md5": base64.b64encode(md5.digest()).decode(), "mtime": asking.dc.now()}
    if path.exists():
        asking.dc.store.put("image_file", f"{asking.store}/{uuid}", found)
    return found


def _unchanged(asking: Asking, marks: set[str], mtime: float) -> bool:
    headers = asking.request.headers
    if "if-none-match" in headers:
        return headers["if-none-match"] in marks
    if "if-modified-since" in headers:
        return headers["if-modified-since"] == email.utils.formatdate(mtime, usegmt=True)
    return False


def _in_parts(asking: Asking, whole: FileBody, headers: dict[str, str]) -> Response:
    """What a mirror answers: 206 for one range of the version asked for, 416 for one outside, else all of it."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", asking.request.headers.get("range", ""))
    condition = asking.request.headers.get("if-range", headers["Etag"])
    if not asked or asked.group() == "bytes=-" or condition != headers["Etag"]:
        return Response(200, whole, headers)
    first, last = asked.groups()
    start = int(first) if first else max(0, whole.size - int(last))
    end = min(int(last), whole.size - 1) if first and last else whole.size - 1
    if start > end:
        return Response(416, None, {**headers, "Content-Range": f"bytes */{whole.size}"})
    del headers["Content-MD5"]
    part = FileBody(whole.path, end - start + 1, start)
    return Response(206, part, {**headers, "Content-Range": f"bytes {start}-{end}/{whole.size}"})
