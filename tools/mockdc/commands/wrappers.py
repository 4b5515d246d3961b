"""``sdc-sapi`` and its kin, the curl wrappers of the sdc zone, and ``sdc-waitforjob`` (reference 4.1, 4.10).

Headers, an empty line, the body pretty-printed; exit 0 whatever the status, for only a curl that fails shows in the
exit status. They live in the sdc zone: ``wrap`` sees to that.
"""

from __future__ import annotations

import email.utils
import http
import json
import pathlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from mockdc.apis.web import Request, Response
from mockdc.core.clock import TimeUp, VirtualClock
from mockdc.faces import dispatch

if TYPE_CHECKING:
    from mockdc.commands.call import Call

POLL_S = 2
FLAGS = ("-i", "-s", "-S", "-sS", "-k", "-v", "-4", "-g", "-L", "--silent", "--show-error", "--include", "--globoff")
WITH_VALUE = {"-X": "method", "--request": "method", "-d": "data", "--data": "data", "--data-binary": "data",
              "--data-raw": "raw", "-H": "header", "--header": "header", "-m": "limit", "--max-time": "limit",
              "--connect-timeout": "ignored", "-o": "output", "--output": "output", "-A": "ignored"}


class CurlFailed(Exception):
    """curl's own exit status and words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Asked:
    """What curl's arguments ask for."""

    method: str = ""
    data: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    limit: Optional[float] = None
    output: str = ""


def wrapper(call: Call) -> int:
    """``sdc-NAME [--no-headers] PATH [curl arguments]``."""
    argv = list(call.argv)
    bare = argv[:1] == ["--no-headers"]
    argv = argv[1:] if bare else argv
    if not argv or argv[0] in ("-h", "--help"):
        call.out(f"usage: {call.name} [--no-headers] PATH [CURL-OPTIONS]")
        return 1
    try:
        asked = _arguments(call, argv[1:])
        answer = _send(call, asked, argv[0], bare)
        body = dispatch.whole(answer)
        _print(call, answer, body, bare, asked.output)
        _check_length(answer, body)
    except CurlFailed as why:
        call.err(f"curl: ({why.status}) {why}")
        return why.status
    return 0


def _arguments(call: Call, argv: list[str]) -> Asked:
    asked, rest = Asked(), list(argv)
    while rest:
        word = rest.pop(0)
        if word in FLAGS:
            continue
        option, value = (word[:2], word[2:]) if word[:1] == "-" and word[:2] != "--" and word[2:] else (word, None)
        meaning = WITH_VALUE.get(option)
        if meaning is None:
            raise CurlFailed(2, f"option {word}: is unknown" if word.startswith("-") else f"unexpected word: {word}")
        if value is None:
            if not rest:
                raise CurlFailed(2, f"option {word}: requires parameter")
            value = rest.pop(0)
        _take(call, asked, meaning, value)
    return asked


def _take(call: Call, asked: Asked, meaning: str, value: str) -> None:
    if meaning == "data":
        asked.data.append(_data(call, value))
    elif meaning == "raw":
        asked.data.append(value)
    elif meaning == "header":
        name, _, content = value.partition(":")
        asked.headers[name.strip().lower()] = content.strip()
    elif meaning == "limit":
        asked.limit = float(value)
    elif meaning == "method":
        asked.method = value
    elif meaning == "output":
        asked.output = value


def _data(call: Call, value: str) -> str:
    if not value.startswith("@"):
        return value
    if value == "@-":
        return call.stdin().decode("utf-8", "surrogateescape")
    try:
        return pathlib.Path(call.real(value[1:])).read_text(encoding="utf-8")
    except OSError as why:
        raise CurlFailed(26, f"Failed to open {value[1:]}") from why


def _send(call: Call, asked: Asked, path: str, bare: bool) -> Response:
    service = call.name.partition("-")[2]
    headers = {"accept": "application/json", "accept-version": call.env.get("SDC_API_VERSION", "*")}
    if not bare:
        headers["content-type"] = "application/json"
    elif asked.data:
        headers["content-type"] = "application/x-www-form-urlencoded"         # what curl says when it is not told
    method = asked.method or ("POST" if asked.data else "GET")
    body = "&".join(asked.data).encode("utf-8", "surrogateescape")
    request = Request.make(method, path, {**headers, **asked.headers}, body)
    config = call.dc.config
    fallback = f"{service}.{config.get('datacenter_name')}.{config.get('dns_domain')}"
    host = config.get(f"{service}_domain", fallback)
    return curl(call, host, request, asked.limit)


def curl(call: Call, host: str, request: Request, limit: Optional[float] = None) -> Response:
    """A request by name, as curl makes it. Raises CurlFailed; *limit* in seconds holds on virtual time only."""
    try:
        if limit is not None and isinstance(call.dc.clock, VirtualClock):
            with call.dc.clock.limit(limit):
                return dispatch.http(call.dc, dispatch.by_host(call.dc, host), request)
        return dispatch.http(call.dc, dispatch.by_host(call.dc, host), request)
    except dispatch.NoSuchHost as why:
        raise CurlFailed(6, f"Could not resolve host: {host}") from why
    except dispatch.Refused as why:
        raise CurlFailed(7, f"Failed to connect to {host} port 80: Connection refused") from why
    except TimeUp as why:
        if limit is None:
            raise
        said = f"Operation timed out after {int(limit * 1000)} milliseconds with 0 bytes received"
        raise CurlFailed(28, said) from why


def _print(call: Call, answer: Response, body: bytes, bare: bool, output: str) -> None:
    if output:
        pathlib.Path(call.real(output)).write_bytes(body)
        return
    if not bare:
        call.stdout.write(_head(call, answer, body))
    call.stdout.write(_pretty(body))


def _head(call: Call, answer: Response, body: bytes) -> bytes:
    named = {name.lower() for name in answer.headers}
    more = {"Content-Length": str(_size(answer)), "Date": email.utils.formatdate(call.dc.now(), usegmt=True),
            "Connection": "keep-alive"}
    headers = {**answer.headers, **{name: value for name, value in more.items() if name.lower() not in named}}
    if answer.status in (204, 304):
        headers.pop("Content-Length", None)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    first = f"HTTP/1.1 {answer.status} {_reason(answer.status)}"
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1", "replace")


def _reason(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _pretty(body: bytes) -> bytes:
    if not body.strip():
        return b""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return body if body.endswith(b"\n") else body + b"\n"
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _check_length(answer: Response, body: bytes) -> None:
    missing = _size(answer) - len(body)
    if missing > 0:
        raise CurlFailed(18, f"transfer closed with {missing} bytes remaining to read")


def _size(answer: Response) -> int:
    whole = answer.encoded()
    return len(whole) if isinstance(whole, bytes) else whole.size


def waitforjob(call: Call) -> int:
    """``sdc-waitforjob [-q] [-t S] [JOB]``: the job may come on stdin, as a wrapper prints the 202. Exit 1 when it
    failed, was canceled, or is not over in time."""
    argv, quiet, limit = list(call.argv), False, 3600.0
    while argv and argv[0].startswith("-"):
        option = argv.pop(0)
        quiet = quiet or option == "-q"
        if option == "-t" and argv:
            limit = float(argv.pop(0))
    job = argv[0] if argv else _job_in(call.stdin().decode("utf-8", "replace"))
    host, until = call.dc.config.get("workflow_domain", "workflow"), call.dc.now() + limit
    while call.dc.now() <= until:
        try:
            answer = curl(call, host, Request.make("GET", f"/jobs/{job}"))
        except CurlFailed as why:
            call.err(f"curl: ({why.status}) {why}")
            return why.status
        if answer.status != 200:
            call.err(f"error: sdc-waitforjob: job {job} not found")
            return 1
        state = answer.body["execution"]
        if state not in ("queued", "running", "waiting"):
            if not quiet:
                call.out(f"Job {job} {state}")
            return 0 if state == "succeeded" else 1
        call.dc.wait(POLL_S)
    call.err(f"error: sdc-waitforjob: timed out waiting for job {job}")
    return 1


def _job_in(text: str) -> str:
    start = text.find("{")
    try:
        found = json.loads(text[start:]) if start >= 0 else {}
    except ValueError:
        found = {}
    return str(found.get("job_uuid", ""))
