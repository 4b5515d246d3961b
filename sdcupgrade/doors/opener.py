"""urllib, told to keep this project's promises. Imported at the first request only.

Every HTTP status is an answer. Redirects: of GET and HEAD only, at most five, never from https to http, and credentials
stay with the host they were meant for. Nothing but http and https; certificates are always verified. An upload that the
server refuses early ends with the server's answer. And what urllib raises instead of an answer, in a person's words.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from email.errors import MissingHeaderBodySeparatorDefect
from http.client import HTTPConnection, HTTPException, HTTPSConnection, RemoteDisconnected
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    AbstractHTTPHandler,
    BaseHandler,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)

from sdcupgrade.doors.http import ENVIRONMENT, RETRY
from sdcupgrade.errors import BadInput, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPMessage, HTTPResponse, _DataType
    from typing import IO, Optional
    from urllib.parse import SplitResult
    from urllib.request import OpenerDirector

MAX_REDIRECTS = 5
CREDENTIALS = ("authorization", "cookie")
NO_ANSWER = (OSError, UnicodeError, HTTPException)
"""What urllib raises when there is none."""

PROXY_ERRORS = {"no-such-host": socket.gaierror, "refused": ConnectionRefusedError}


def make_opener(
    proxy: Optional[str], context: Callable[[], ssl.SSLContext], web_proxy: Optional[str] = None
) -> OpenerDirector:
    """An opener that goes through *proxy*: a URL, ENVIRONMENT, or None. *context* is asked for at the first https.

    *web_proxy*, a URL too, is of the usual kind: https goes through it as a tunnel, and ``no_proxy`` holds.
    """
    if web_proxy:
        named = checked(web_proxy if "://" in web_proxy else f"http://{web_proxy}").geturl()
        proxies = ProxyHandler({"http": named, "https": named})
    else:
        proxies = ProxyHandler() if proxy == ENVIRONMENT else ProxyHandler({})
    made = build_opener(proxies, _Http(), _Https(context), _Redirects(), _Answers())
    if proxy and proxy != ENVIRONMENT and not web_proxy:
        made.add_handler(_Forward(checked(proxy if "://" in proxy else f"http://{proxy}").netloc))
    made.addheaders = [("User-Agent", "sdcupgrade")]
    return made


def checked(url: str) -> SplitResult:
    """Raises BadInput for anything but an http or https URL: urllib would open files, and ftp, and data."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - looking at it checks it
    except ValueError as why:
        raise BadInput(f"{url}: not a URL: {why}") from why
    if parts.username is not None:
        raise BadInput(f"{parts.scheme} URL of {parts.hostname}: not with a user or password in it")
    plain = all(" " < c < "\x7f" for c in url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise BadInput(f"{url}: not an http or https URL")
    return parts


class _Connection(HTTPConnection):
    """A server may answer and stop reading before it has the whole body: then that answer is what matters."""

    def endheaders(self, message_body: Optional[_DataType] = None, *, encode_chunked: bool = False) -> None:
        if self.sock is None:
            self.connect()
        with suppress(BrokenPipeError, ConnectionResetError):
            super().endheaders(message_body, encode_chunked=encode_chunked)


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(HTTPSHandler):
    """With the one context of the run, made when it is needed. HTTPSHandler's own beginning makes one at once (from
    Python 3.12 on): 16 ms, and a plain request would fail where there are no authorities."""

    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        AbstractHTTPHandler.__init__(self)
        self._make = context
        self._made: Optional[ssl.SSLContext] = None

    def https_open(self, req: Request) -> HTTPResponse:
        self._made = self._made or self._make()
        return self.do_open(HTTPSConnection, req, context=self._made)


class _Forward(BaseHandler):
    """Through one forward proxy, whatever ``no_proxy`` says. It tells by a 502 and a header that nobody answered."""

    handler_order = 100

    def __init__(self, netloc: str) -> None:
        self._netloc = netloc

    def http_open(self, req: Request) -> None:
        req.set_proxy(self._netloc, "http")

    https_open = http_open

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:
        reason = response.headers.get("X-Proxy-Error", "")
        if response.status == 502 and reason:
            response.close()
            raise PROXY_ERRORS.get(reason, ConnectionError)(reason)
        return response


class _Answers(BaseHandler):
    """An error status is an answer like any other; headers that break off are none."""

    handler_order = 400
    """Before the handler that raises every status as an error."""

    def http_error_default(
        self, req: Request, fp: HTTPResponse, code: int, msg: str, hdrs: HTTPMessage
    ) -> HTTPResponse:
        return fp

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:
        if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in response.headers.defects):
            response.close()
            raise HTTPException("a header line without a colon")
        return response

    https_response = http_response


class _Redirects(HTTPRedirectHandler):
    max_repeats = MAX_REDIRECTS
    http_error_308 = HTTPRedirectHandler.http_error_302
    """urllib knows it from Python 3.11 on."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Optional[Request]:
        """The request to make instead; None where the redirect itself is the answer."""
        if req.get_method() not in ("GET", "HEAD"):
            return None
        fp.close()  # or urllib reads all of its body, however long
        asked = f"{req.get_method()} {req.full_url}"
        if sum(getattr(req, "redirect_dict", {}).values()) >= MAX_REDIRECTS:
            raise Unreachable(f"{asked}: redirected more than {MAX_REDIRECTS} times")
        kept = _kept(req, newurl, asked)
        return Request(newurl, headers=kept, method=req.get_method())


def _kept(req: Request, url: str, asked: str) -> dict[str, str]:
    """The headers that may go to *url* too. Raises Unreachable when it may not be asked at all."""
    old = urlsplit(req.full_url)
    try:
        new = checked(url)
    except BadInput as why:
        raise Unreachable(f"{asked}: redirects to {url}, which is refused") from why
    if (old.scheme, new.scheme) == ("https", "http"):
        raise Unreachable(f"{asked}: redirects from https to {url}, which is refused")
    same = (old.scheme, old.netloc) == (new.scheme, new.netloc)
    dropped = ("proxy-authorization",) if same else ("proxy-authorization", *CREDENTIALS)
    return {name: value for name, value in req.headers.items() if name.lower() not in dropped}


def reason_and_hint(why: Exception, timeout_s: float) -> tuple[str, str]:
    """What went wrong, one of :data:`NO_ANSWER`, and what to look at; empty where only who asked can know."""
    if isinstance(why, HTTPError):  # every other one is an answer: this is a redirect that urllib refused to follow
        why.close()
        return why.msg, "see what answers there"
    if isinstance(why, URLError) and isinstance(why.reason, Exception):
        why = why.reason
    if isinstance(why, RemoteDisconnected):
        return "the connection was closed before an answer came", RETRY
    if isinstance(why, HTTPException):
        return f"the answer is not HTTP: {str(why).strip() or type(why).__name__}", "see what listens there"
    if isinstance(why, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {why.verify_message}", "name its authority: SSL_CERT_FILE=FILE"
    if isinstance(why, (socket.gaierror, UnicodeError)):
        return "the name does not resolve", "check the name, and the resolvers in /etc/resolv.conf"
    if isinstance(why, (socket.timeout, TimeoutError)):
        return f"timed out after {timeout_s:g} s", ""
    return _system_reason(why)


def _system_reason(why: Exception) -> tuple[str, str]:
    if isinstance(why, ssl.SSLError):
        return f"TLS failed: {why}", "see whether the server speaks TLS 1.2 or newer on that port"
    text = (why.strerror if isinstance(why, OSError) else "") or str(why) or type(why).__name__
    refused = isinstance(why, ConnectionRefusedError)
    return "connection refused" if refused else text, ""
