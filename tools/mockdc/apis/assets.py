"""The assets zone's web server: what lies in the headnode's /usbkey/extra, and pings (reference 1.2)."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from mockdc.apis import pings
from mockdc.apis.web import FileBody, Request, Response

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter


def handle(dc: Datacenter, request: Request) -> Response:
    """A file below ``/extra/``; a file that others may not read is one that nginx may not."""
    if request.method not in {"GET", "HEAD"} or not request.path.startswith("/extra/"):
        return pings.handle(dc, request)
    path = posixpath.normpath(request.path)
    place = dc.root(dc.headnode) / "usbkey" / path.lstrip("/")
    if not path.startswith("/extra/") or not place.is_file():
        return Response(404, b"<html>404 Not Found</html>\n", {"Content-Type": "text/html"})
    if not place.stat().st_mode & 0o004:
        return Response(403, b"<html>403 Forbidden</html>\n", {"Content-Type": "text/html"})
    return Response(200, FileBody(str(place), place.stat().st_size), {"Content-Type": "application/octet-stream"})
