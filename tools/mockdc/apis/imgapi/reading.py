"""What anybody may ask of an images server: ping, channels, one image, lists (by :mod:`.listing`)."""

from __future__ import annotations

from mockdc.apis.imgapi import listing
from mockdc.apis.imgapi.asking import Asking, invalid
from mockdc.apis.routes import refuse
from mockdc.apis.web import Response

VERSION = "4.13.1"
SAMPLE_ERRORS = {"ValidationFailed": 422, "InvalidParameter": 422, "ResourceNotFound": 404, "InternalError": 500}


def ping(asking: Asking) -> Response:
    """GET /ping: the pid for those who are trusted; ``?error=`` shows what an error looks like."""
    name = asking.request.query.get("error")
    if name is not None:
        code = name[: -len("Error")] if name.endswith("Error") else name
        if code not in SAMPLE_ERRORS:
            invalid("error", f"unknown error: {code}Error", why="Missing")
        refuse(SAMPLE_ERRORS[code], code, "boom", errors=[])
    pong = {"ping": "pong", "version": VERSION, "imgapi": True}
    if asking.trusted:
        pong["pid"] = 1
    if asking.user:
        pong["user"] = asking.user
    return Response(200, pong)


def channels(asking: Asking) -> Response:
    """GET /channels: 404 on a server without."""
    if asking.options.channels is None:
        refuse(404, "ResourceNotFound", "/channels does not exist")
    return Response(200, asking.options.channels)


def image(asking: Asking, uuid: str) -> Response:
    """GET /images/U, in any state."""
    admin_fields = asking.admin_fields()
    answer = asking.answer(asking.find(uuid), admin_fields)
    if asking.request.headers.get("if-none-match") == answer.headers["Etag"]:
        return Response(304, None, answer.headers)
    return answer


def images(asking: Asking) -> Response:
    """GET /images."""
    admin_fields = asking.admin_fields()
    dc, key = asking.dc, f"{asking.store}/{asking.trusted}/{asking.request.raw_target}"
    kept = dc.store.get("image_list", key) if asking.options.stale_s else None
    if kept is None or dc.now() - kept["at"] >= asking.options.stale_s:
        kept = {"at": dc.now(), "images": listing.chosen(asking)}
        if asking.options.stale_s:
            dc.store.put("image_list", key, kept)
    return Response(200, [asking.shown(each, admin_fields) for each in kept["images"]])


def icon(asking: Asking, uuid: str) -> Response:
    """GET /images/U/icon: nobody has one here."""
    asking.find(uuid)
    refuse(404, "ResourceNotFound", f'image "{uuid}" has no icon')


def state(asking: Asking) -> Response:
    """GET /state: the inside of the real program, which has no likeness here."""
    asking.must_be_trusted()
    return Response(200, {"cache": {}})


def to_docs(_asking: Asking) -> Response:
    """GET /."""
    return Response(301, None, {"Location": "/docs/"})


def to_images(_asking: Asking) -> Response:
    """GET /datasets, as it was called before images."""
    return Response(301, None, {"Location": "/images"})
