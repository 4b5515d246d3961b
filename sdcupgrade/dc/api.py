"""What all Triton HTTP services have in common: base URLs, JSON, error bodies.

An answer of 5xx or none at all is Unreachable (the service is there again later); 4xx is an HttpError with the restify
code. A service may be reachable by more than one base URL: the next one is tried when nothing answered. No retries in
time: whoever waits does so with a deadline of its own.
"""

from __future__ import annotations

from sdcupgrade.errors import HttpError, Unreachable
from sdcupgrade.jsonvalue import Record, dumps, loads, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Optional, Union

    from sdcupgrade.doors.http import FileBody, Http, Response
    from sdcupgrade.jsonvalue import Json

    Bases = Callable[[], Sequence[str]]

PAGE = 1000
"""The largest page that VMAPI, CNAPI and IMGAPI give (reference 2.2 to 2.4)."""

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str) -> str:
    """Percent-encode *text* for one value of a query."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode("utf-8"))


def target(path: str, query: Mapping[str, str]) -> str:
    """A path with its query, empty values left out."""
    pairs = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items() if value)
    return f"{path}?{pairs}" if pairs else path


def look_at(service: str) -> str:
    """How to see what ails a service of the datacenter, when the uuid of its zone is not at hand."""
    return f"sdc-healthcheck; svcs -xvz $(vmadm lookup -1 tags.smartdc_role={service})"


class Api:
    """One HTTP service. *bases* gives its base URLs, the best first; *version* is what Accept-Version asks for.

    *advice* is what to do when it does not answer and the wire does not tell why; by default, to look into its zone.
    """

    def __init__(self, service: str, http: Http, bases: Bases, version: str, advice: str = "") -> None:
        self.service = service
        self.advice = advice or f"see what ails {service}: {look_at(service)}"
        self.http = http
        self._bases = bases
        self._version = version

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Optional[Mapping[str, str]] = None,
        body: Union[Json, FileBody] = None,
        timeout_s: float = 30.0,
    ) -> Response:
        """Make a request and give its 2xx answer. Raises Unreachable (no answer, or 5xx) or HttpError (the rest)."""
        where = target(path, query or {})
        headers = {"Accept": "application/json", "Accept-Version": self._version}
        data = self._encoded(body, headers)
        answer = self._answer(method, where, headers, data, timeout_s)
        if 200 <= answer.status < 300:
            return answer
        raise failure(f"{self.service}: {method} {where}", answer, self.advice)

    def _answer(
        self, method: str, where: str, headers: Mapping[str, str], body: Union[bytes, FileBody, None], timeout_s: float
    ) -> Response:
        bases = self._bases()
        for base in bases[:-1]:
            try:
                return self.http.request(method, base + where, headers=headers, body=body, timeout_s=timeout_s)
            except Unreachable:
                continue
        try:
            return self.http.request(method, bases[-1] + where, headers=headers, body=body, timeout_s=timeout_s)
        except Unreachable as why:
            raise Unreachable(why.message, why.hint or self.advice) from why

    @staticmethod
    def _encoded(body: Union[Json, FileBody], headers: dict[str, str]) -> Union[bytes, FileBody, None]:
        if body is None:
            return None
        if isinstance(body, (dict, list, str, int, float)):
            headers["Content-Type"] = "application/json"
            return dumps(body).encode()
        headers["Content-Type"] = "application/octet-stream"
        return body

    def json(self, path: str, query: Optional[Mapping[str, str]] = None, timeout_s: float = 30.0) -> Json:
        """GET as JSON. Raises as :meth:`call`, and BadAnswer when it is not JSON."""
        answer = self.call("GET", path, query=query, timeout_s=timeout_s)
        return loads(answer.body, f"{self.service}: GET {path}")

    def record(self, path: str, query: Optional[Mapping[str, str]] = None) -> Record:
        """GET an object."""
        return Record(self.json(path, query), f"{self.service}: GET {path}")

    def records(self, path: str, query: Optional[Mapping[str, str]] = None) -> list[Record]:
        """GET a list of objects, one page."""
        return records(self.json(path, query), f"{self.service}: GET {path}")

    def ping(self, path: str = "/ping") -> Json:
        """What the service's ping says. Raises as :meth:`call` when it is not well."""
        return self.json(path, timeout_s=10.0)


def failure(what: str, answer: Response, advice: str = "") -> Union[HttpError, Unreachable]:
    """The error for an answer that is not 2xx; *advice* for one that is the service's own fault.

    CNAPI answers 500 to bad parameters (reference 2.3): that is the caller's fault all the same.
    """
    code, message = _error_body(answer)
    said = " ".join(part for part in (str(answer.status), code) if part) + (f": {message}" if message else "")
    if answer.status >= 500 and not code.startswith("Invalid"):
        return Unreachable(f"{what}: the service answered {said}", advice)
    return HttpError(f"{what}: refused with {said}", answer.status, code)


def _error_body(answer: Response) -> tuple[str, str]:
    import json

    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    message = str(body.get("message") or "")
    errors = body.get("errors")
    if isinstance(errors, list):
        message += "".join(f" ({item.get('field')}: {item.get('message')})" for item in errors if _telling(item))
    return str(body.get("code") or ""), message


def _telling(item: object) -> bool:
    return isinstance(item, dict) and bool(item.get("message"))


def batches(items: Collection[str], size: int = 100) -> list[list[str]]:
    """*items* in lists of at most *size*: a hundred uuids are as much as fits well into a URL."""
    every = list(items)
    return [every[start : start + size] for start in range(0, len(every), size)]
