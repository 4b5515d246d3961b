"""A tiny router that answers as restify does where no handler is reached, and dresses answers as the APIs do.

A handler is ``def name(dc, request, **parts) -> Response``; the parts are what the path's ``:name`` matched. To refuse
it raises :class:`Refusal`. What restify itself says (no such path, method not allowed, no such version, bad JSON) is
said here, and but for the last those answers carry no Server header (recordings sapi-005 to sapi-007).
"""

from __future__ import annotations

import json
import re
import urllib.parse
import uuid
from typing import TYPE_CHECKING, Any, Callable, NoReturn

from mockdc.apis.web import Request, Response, error

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
Handler = Callable[..., Response]


class Refusal(Exception):
    """An answer that ends the handling of a request."""

    def __init__(self, response: Response) -> None:
        super().__init__(str(response.body))
        self.response = response


def refuse(status: int, code: str, message: str, **more: Any) -> NoReturn:
    """End the request with a restify error."""
    raise Refusal(error(status, code, message, **more))


def is_uuid(value: object) -> bool:
    """Whether *value* is a uuid in lower case."""
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def working(dc: Datacenter, service: str) -> bool:
    """Whether a service that an API needs works. Where it has no instance at all (a bare API under test, as when the
    recordings were made) nothing is missed."""
    return not dc.instances_of(service) or dc.outage(service) is None


def body_of(request: Request) -> dict[str, Any]:
    """The body as an object: JSON, or a form; an empty one is an empty object. Raises Refusal when it is not JSON."""
    raw = request.bytes()
    if not raw.strip():
        return {}
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(urllib.parse.parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as why:
        end = isinstance(why, json.JSONDecodeError) and why.pos >= len(raw.rstrip())
        refuse(400, "InvalidContent", "Invalid JSON: " + ("Unexpected end of JSON input" if end else str(why)))
    return value if isinstance(value, dict) else {}


def params_of(request: Request) -> dict[str, Any]:
    """Query and body merged, as restify's mapParams does; the body wins."""
    return {**request.query, **body_of(request)}


def _plain(answer: Response) -> Response:
    answer.headers["Content-Type"] = "application/json"
    return answer


class Router:
    """The routes of one API. *server* is its Server header, *service* the role of its zone."""

    def __init__(self, service: str, server: str, *, versions: tuple[str, ...] = (), timed: bool = True) -> None:
        self.service = service
        self.server = server
        self.versions = versions
        self.timed = timed
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def on(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """Register a handler for ``/servers/:uuid``-like paths. The order is the order of an Allow header."""
        pattern = re.compile(re.sub(r":(\w+)", r"(?P<\1>[^/]+)", path))

        def register(handler: Handler) -> Handler:
            self._routes.append((method, pattern, handler))
            return handler

        return register

    def __call__(self, dc: Datacenter, request: Request) -> Response:
        """Find the handler, run it, and put on the headers that every answer of this API has."""
        matches = [(method, found, handler) for method, pattern, handler in self._routes
                   if (found := pattern.fullmatch(request.path))]
        if not matches:
            return _plain(error(404, "ResourceNotFound", f"{request.path} does not exist"))
        wanted = [(found, handler) for method, found, handler in matches if method == request.method]
        if not wanted:
            answer = error(405, "MethodNotAllowedError", f"{request.method} is not allowed")
            answer.headers["Allow"] = ", ".join(dict.fromkeys(method for method, _, _ in matches))
            return _plain(answer)
        asked = request.headers.get("accept-version", "")
        if self.versions and asked not in self.versions:
            said = f"{asked} is not supported by {request.method} {request.path}"
            return _plain(error(400, "InvalidVersion", said))
        found, handler = wanted[0]
        try:
            answer = handler(dc, request, **found.groupdict())
        except Refusal as refusal:
            answer = refusal.response
        return self._dress(dc, request, answer)

    def _dress(self, dc: Datacenter, request: Request, answer: Response) -> Response:
        given = request.headers.get("x-request-id") or request.headers.get("request-id")
        zones = dc.instances_of(self.service)
        headers = {"Server": self.server, "x-request-id": given or str(uuid.uuid4()),
                   "x-server-name": str(zones[0]["uuid"]) if zones else "localhost"}
        if self.timed:
            headers["x-response-time"] = "1"
        if answer.body is not None:
            headers.setdefault("Content-Type", "application/json")
        answer.headers = {**headers, **answer.headers}
        return answer
