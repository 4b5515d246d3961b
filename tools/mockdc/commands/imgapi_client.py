"""How the imgadm programs reach an images server, and what they make of its refusals.

A server of this datacenter is asked directly (:func:`mockdc.faces.dispatch.http`), whether its URL names a port of the
box, a name of the datacenter's DNS, or is not given at all; any other URL is asked over the network. Promises constant
memory for files. Left out: TLS.
"""

from __future__ import annotations

import email.utils
import json
import pathlib
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Optional, Union

from mockdc.apis.web import Request, Response
from mockdc.faces import dispatch

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

TIMEOUT_S = 600


class CliError(Exception):
    """What the program says and exits 1 with. *code* may be empty; *errors* are the fields of a 422."""

    def __init__(self, code: str, message: str, errors: Optional[list[Doc]] = None) -> None:
        super().__init__(message)
        self.code = code
        self.errors = errors or []

    def lines(self, program: str) -> list[str]:
        """For stderr."""
        code = f" ({self.code})" if self.code else ""
        fields = [
            "    " + ": ".join(str(each[key]) for key in ("field", "code", "message") if key in each)
            for each in self.errors
        ]
        return [f"{program}: error{code}: {self}", *fields]


@dataclass(frozen=True)
class Client:
    """*url* is "" for the program's own server; *channel* goes with every request that knows channels."""

    call: Call
    api: str
    url: str
    channel: str
    user: str
    identity: str

    def get(self, path: str, **query: Optional[str]) -> Any:
        """The decoded answer of a GET. Raises CliError."""
        return decoded(self.send("GET", path, query))

    def post(self, path: str, body: Any = None, **query: Optional[str]) -> Any:
        """The decoded answer of a POST. Raises CliError."""
        raw = b"" if body is None else json.dumps(body).encode()
        return decoded(self.send("POST", path, query, raw))

    def send(self, method: str, path: str, query: dict[str, Optional[str]], body: Union[bytes, BinaryIO] = b"",
             kind: str = "application/json") -> Response:
        """One request; an answer below 400. Raises CliError."""
        parts = {"channel": self.channel or None, **query}
        text = urllib.parse.urlencode({name: value for name, value in parts.items() if value is not None})
        headers = {"accept": "application/json", "accept-version": "~2", "user-agent": "sdc-clients", **self.signed()}
        if body:
            headers["content-type"] = kind
        answer = self.reach(Request.make(method, path + (f"?{text}" if text else ""), headers, body))
        if answer.status >= 400:
            raise refusal(answer)
        return answer

    def signed(self) -> dict[str, str]:
        """The headers of who has an identity. Raises CliError."""
        if not (self.user and self.identity):
            return {}
        from mockdc.commands import imgapi_sign

        date = email.utils.formatdate(self.call.dc.now(), usegmt=True)
        try:
            key = imgapi_sign.read_key(pathlib.Path(self.call.real(self.identity)).read_bytes())
        except (OSError, ValueError) as why:
            told = f"Fingerprint format is not supported, or is invalid:  fingerprint = {self.identity}"
            raise CliError("FingerprintFormatError", told) from why
        return {"date": date, "authorization": imgapi_sign.authorization(self.user, date, key)}

    # --- whom to ask ------------------------------------------------------------------------------------------
    def reach(self, request: Request) -> Response:
        """Hand the request to whoever the URL means. Raises CliError when nobody is there."""
        try:
            store = self.own_store()
            if store in ("updates", "imgapi"):
                return dispatch.http(self.call.dc, store, request)
            if store:
                from mockdc.apis.imgapi import handle

                self.call.dc.tick()
                return handle(self.call.dc, request, store)
            return over_the_network(self.url, request)
        except dispatch.NoSuchHost as why:
            raise CliError("ClientError", f"Error: getaddrinfo ENOTFOUND {why}") from why
        except dispatch.Refused as why:
            raise CliError("ClientError", f"Error: connect ECONNREFUSED {self.address()}") from why

    def own_store(self) -> str:
        """Which server of this datacenter is meant; "" when none."""
        dc = self.call.dc
        parts = urllib.parse.urlsplit(self.url)
        if not self.url:
            host = dc.config.get("imgapi_domain", "")
            return self.api if self.api == dispatch.OUTSIDE or not host else dispatch.by_host(dc, host)
        sources: dict[str, str] = dc.store.meta("imgapi:sources", {})
        named = [store for start, store in sources.items() if self.url.startswith(start)]
        ports: dict[str, int] = dc.store.meta("ports", {})
        here = parts.hostname in ("127.0.0.1", "localhost")
        mine = [api for api, port in ports.items() if here and parts.port == port]
        if parts.hostname and parts.hostname.endswith("." + dc.config.get("dns_domain", "?")):
            return dispatch.by_host(dc, parts.hostname)
        return [*named, *mine, ""][0]

    def address(self) -> str:
        """host:port, for messages."""
        parts = urllib.parse.urlsplit(self.url or "http://" + self.call.dc.config.get("imgapi_domain", self.api))
        return f"{parts.hostname}:{parts.port or 80}"


def decoded(answer: Response) -> Any:
    """The JSON of an answer."""
    raw = dispatch.whole(answer)
    try:
        return json.loads(raw) if raw else None
    except ValueError as why:
        raise CliError("InvalidContent", "Invalid JSON in response") from why


def refusal(answer: Response) -> CliError:
    """An error answer as the program tells it."""
    raw = dispatch.whole(answer)
    try:
        body = json.loads(raw)
    except ValueError:
        body = {}
    if not isinstance(body, dict) or "code" not in body:
        return CliError("InternalError", json.dumps(body, indent=2))
    return CliError(str(body["code"]), str(body.get("message", "")), body.get("errors"))


def over_the_network(url: str, request: Request) -> Response:
    """One real request. Raises CliError."""
    import http.client

    parts = urllib.parse.urlsplit(url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
    try:
        headers = dict(request.headers)
        if not isinstance(request.body, bytes):
            headers["content-length"] = str(request.body.seek(0, 2))
            request.body.seek(0)
        link.request(request.method, request.raw_target, body=request.body or None, headers=headers)
        answer = link.getresponse()
        return Response(answer.status, answer.read(), dict(answer.getheaders()))
    except ConnectionRefusedError as why:
        told = f"Error: connect ECONNREFUSED {parts.hostname}:{parts.port or 80}"
        raise CliError("ClientError", told) from why
    except (OSError, http.client.HTTPException) as why:
        raise CliError("ClientError", f"Error: {why}") from why
    finally:
        link.close()
