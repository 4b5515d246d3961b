"""Services of which the box knows no more than that they are there: each answers ``GET /ping``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockdc.apis.web import Request, Response, error, request_id

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter

PATHS = {"/ping", "/--ping", "/status"}


def handle(dc: Datacenter, request: Request) -> Response:
    """200 to a ping, 404 to anything else."""
    if request.method == "GET" and request.path in PATHS:
        headers = {"Content-Type": "application/json", "x-request-id": request_id()}
        return Response(200, {"ping": "pong", "status": "OK"}, headers)
    return error(404, "ResourceNotFound", f"{request.path} does not exist")
