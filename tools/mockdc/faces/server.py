"""The HTTP face: one process, a loopback port for each API, and a forward proxy that knows the datacenter's own names.

What an API answers is decided by :func:`mockdc.faces.dispatch.http`; here is only the wire: keep-alive, large bodies
without holding them in memory, faults that concern the wire (hang, slow, cut, corrupt, refuse). Restarted on the same
folder it takes the same ports again, so that the environment of an open shell stays true. While it runs it also lets
the datacenter's events happen in time, for those who watch files only. It ends by itself when its folder is gone.
"""

from __future__ import annotations

import contextlib
import email.utils
import fcntl
import http.client
import http.server
import io
import os
import pathlib
import signal
import socket
import socketserver
import sqlite3
import struct
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Optional, Union

from mockdc.apis.web import FileBody, Request, Response, Wire, error
from mockdc.core.datacenter import Datacenter
from mockdc.faces import dispatch, tree

PROXY = "proxy"
IN_MEMORY = 1 << 20
PIECE = 1 << 20
TICK_S = 0.02
DRIP_S = 0.05
REASONS = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}
"""Where the names of Python's releases differ; these are node's."""


class Gone(ConnectionError):
    """The client went away in the middle of its request."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client to one API (or to the proxy)."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 600

    def answer(self) -> None:
        """Read the request, let the datacenter answer, send the answer."""
        body = self.body()
        with contextlib.closing(body) if not isinstance(body, bytes) else contextlib.nullcontext():
            api, target = self.addressee()
            if isinstance(api, Response):
                self.deliver(api)
                return
            request = Request.make(self.command, target, dict(self.headers.items()), body)
            try:
                response = self.asked(api, request)
            except dispatch.Refused:
                if self.server.api == PROXY:
                    self.deliver(no_way("refused", f"connect ECONNREFUSED {self.headers.get('host', '')}"))
                else:
                    self.reset()
                return
            self.deliver(response)

    def asked(self, api: str, request: Request) -> Response:
        """The datacenter's answer. A bug of the box is a 500, and stays in the log. Raises dispatch.Refused."""
        with Bugs():
            return dispatch.http(self.server.dc, api, request)
        return error(500, "InternalError", "the datacenter in the box has a bug here; its log says where")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def addressee(self) -> tuple[Union[str, Response], str]:
        """Which API is meant, and the target as that API should see it; or the proxy's own answer."""
        if self.server.api != PROXY:
            return self.server.api, self.path
        parts = urllib.parse.urlsplit(self.path)
        if parts.scheme != "http" or not parts.hostname:
            return Response(400, {"code": "BadRequest", "message": "a proxy is asked with http://host/path"}), ""
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.hostname in ("127.0.0.1", "localhost"):
            own = {port: api for api, port in self.server.ports.items() if api != PROXY}.get(parts.port or 80)
            return own or no_way("refused", f"nothing listens on {parts.netloc}"), target
        if parts.port not in (None, 80):
            return no_way("refused", f"nothing listens on {parts.netloc}"), target
        try:
            return dispatch.by_host(self.server.dc, parts.hostname), target
        except dispatch.NoSuchHost:
            return no_way("no-such-host", f"getaddrinfo ENOTFOUND {parts.hostname}"), target
        except dispatch.Refused:
            return no_way("refused", f"connect ECONNREFUSED {parts.netloc}"), target

    # --- the request's body -----------------------------------------------------------------------------------
    def body(self) -> Union[bytes, BinaryIO]:
        """The whole body: in memory when it is small, else in a file that nobody else sees. Raises Gone."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self.spool(self.chunks())
        length = int(self.headers.get("content-length") or 0)
        if length <= IN_MEMORY:
            return b"".join(self.pieces(length))
        return self.spool(self.pieces(length))

    def pieces(self, length: int) -> Iterator[bytes]:
        """*length* bytes as they come."""
        while length:
            piece = self.rfile.read(min(length, PIECE))
            if not piece:
                raise Gone("the client closed the connection in the middle of a body")
            length -= len(piece)
            yield piece

    def chunks(self) -> Iterator[bytes]:
        """A chunked body as it comes."""
        while True:
            size = int(self.rfile.readline(1024).split(b";")[0].strip() or b"0", 16)
            if not size:
                break
            yield from self.pieces(size)
            self.rfile.readline(8)
        while self.rfile.readline(65536).strip():
            pass

    def spool(self, pieces: Iterator[bytes]) -> Union[bytes, BinaryIO]:
        """Keep a body in a nameless file; what turns out small comes back as bytes."""
        spool = tempfile.TemporaryFile(dir=self.server.scratch)  # noqa: SIM115  (the caller closes it)
        try:
            spool.writelines(pieces)
        except BaseException:
            spool.close()
            raise
        size = spool.tell()
        spool.seek(0)
        if size > IN_MEMORY:
            return spool
        with spool:
            return spool.read()

    # --- the answer -------------------------------------------------------------------------------------------
    def deliver(self, response: Response) -> None:
        """Send an answer, as the wire's faults let it through."""
        body = response.encoded()
        size = len(body) if isinstance(body, bytes) else body.size
        self.log_request(response.status, size)
        head = self.head(response, size)
        if self.command == "HEAD" or response.status in (204, 304):
            body = b""
        if isinstance(body, bytes) and not response.wire:
            self.wfile.write(head + body)
            return
        self.wfile.write(head)
        if isinstance(body, FileBody):
            with pathlib.Path(body.path).open("rb") as source:
                if response.wire is None:
                    self.connection.sendfile(source, body.offset, body.size)
                else:
                    source.seek(body.offset)
                    self.drip(response.wire, source, body.size)
        elif response.wire is not None:
            self.drip(response.wire, io.BytesIO(body), len(body))

    def drip(self, wire: Wire, source: BinaryIO, size: int) -> None:
        """Send a body with the faults of the wire; a cut one ends the connection."""
        step = PIECE if wire.rate is None else max(1, int(wire.rate * DRIP_S))
        sent = 0
        while sent < size:
            piece = source.read(min(step, size - sent))
            left = dispatch.damaged(wire, piece, sent)
            self.wfile.write(left)
            sent += len(piece)
            if not piece or len(left) < len(piece):
                self.close_connection = True
                return
            if wire.rate is not None:
                time.sleep(len(piece) / wire.rate)

    def head(self, response: Response, size: int) -> bytes:
        """Status line and headers; only what the API did not set itself is added."""
        reason = REASONS.get(response.status) or http.client.responses.get(response.status, "Unknown")
        headers = dict(response.headers)
        given = {name.lower() for name in headers}
        if "content-length" not in given and response.status not in (204, 304):
            headers["Content-Length"] = str(size)
        if "date" not in given:
            headers["Date"] = email.utils.formatdate(usegmt=True)
        if "connection" not in given:
            headers["Connection"] = "close" if self.close_connection else "keep-alive"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {response.status} {reason}\r\n{lines}\r\n".encode("utf-8", "replace")

    def reset(self) -> None:
        """End the connection as a machine does where nobody listens."""
        self.log_message("%s", f"{self.command} {self.path} refused")
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_request(self, code: Union[int, str] = "-", size: Union[int, str] = "-") -> None:
        """One line for each answer."""
        self.log_message("%s", f"{self.command} {self.path} {code} {size}")

    def log_message(self, format: str, *args: object) -> None:
        """Write to the server's log."""
        say(f"{self.server.api} {format % args}")


class Bugs:
    """Keeps what goes wrong inside an API, but for what is meant to, from whoever asked, and writes it to the log."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Optional[type[BaseException]], why: Optional[BaseException],
                 trace: Optional[TracebackType]) -> bool:  # fmt: skip
        if not isinstance(why, Exception) or isinstance(why, (dispatch.Refused, dispatch.WentDown)):
            return False
        traceback.print_exception(kind, why, trace)
        return True


def say(line: str) -> None:
    """Write a line to the server's log."""
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


def no_way(error: str, message: str) -> Response:
    """The proxy's own answer when it does not reach anybody."""
    return Response(502, {"code": "BadGateway", "message": message},
                    {"Content-Type": "application/json", "X-Proxy-Error": error})  # fmt: skip


class Listener(socketserver.ThreadingTCPServer):
    """The port of one API; a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, dc: Datacenter, api: str, port: int, ports: dict[str, int]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.dc = dc
        self.api = api
        self.ports = ports
        self.scratch = str(dc.folder / ".mockdc" / "run")
        ports[api] = int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing; anything else is a bug of the box and goes to the log."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            traceback.print_exc()


# --- the process ------------------------------------------------------------------------------------------------------
def apis() -> list[str]:
    """Every API that gets a port, the proxy last."""
    return [*dispatch.APIS, *dispatch.PING_ONLY, PROXY]


def listen(dc: Datacenter, before: dict[str, int]) -> list[Listener]:
    """Open the ports: those of *before* where they are still free."""
    ports: dict[str, int] = {}
    listeners = []
    for api in apis():
        try:
            listeners.append(Listener(dc, api, before.get(api, 0), ports))
        except OSError:
            listeners.append(Listener(dc, api, 0, ports))
    return listeners


@contextlib.contextmanager
def running(dc: Datacenter) -> Iterator[dict[str, int]]:
    """The same ports served by threads of this process, for tests that bring their own datacenter; time passes only as
    its clock says."""
    (dc.folder / ".mockdc" / "run").mkdir(parents=True, exist_ok=True)
    listeners = listen(dc, {})
    threads = [threading.Thread(target=listener.serve_forever, args=(0.02,)) for listener in listeners]
    for thread in threads:
        thread.start()
    try:
        yield listeners[0].ports
    finally:
        for listener in listeners:
            listener.shutdown()
            listener.server_close()


def announce(dc: Datacenter, ports: dict[str, int]) -> None:
    """Write down where everything listens, for :func:`mockdc.faces.tree.environment` and for the next server."""
    def url(api: str) -> str:
        return f"http://127.0.0.1:{ports[api]}"

    addresses = {"SDCUPGRADE_ADMIN_PROXY": url(PROXY), "SDCUPGRADE_UPDATES_URL": url("updates"),
                 "SDC_IMGADM_URL": url("imgapi"), "UPDATES_IMGADM_URL": url("updates")}  # fmt: skip
    for api in ("sapi", "vmapi", "cnapi", "imgapi", "workflow", "napi", "papi", "updates"):
        addresses[f"{api.upper()}_URL"] = url(api)
    dc.store.set_meta("ports", ports)
    dc.store.set_meta("addresses", addresses)
    tree.write_proxy(dc, url(PROXY))


def hold(lock: pathlib.Path) -> Optional[int]:
    """Take the lock that says which process serves a folder; None when another has it. Held until the process ends."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    os.pwrite(handle, f"{os.getpid():<10}\n".encode(), 0)
    return handle


def serve(folder: pathlib.Path, ready: int) -> int:
    """Serve the datacenter in *folder* until told to end; the descriptor *ready* is written to and closed once
    everything listens. Exit status."""
    own = folder / ".mockdc"
    lock = hold(own / "server.lock")
    if lock is None:
        print("another server has this folder", file=sys.stderr)
        return 1
    dc = Datacenter.open(folder)
    listeners = listen(dc, dc.store.meta("ports", {}))
    announce(dc, listeners[0].ports)
    for listener in listeners:
        threading.Thread(target=listener.serve_forever, args=(60.0,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.write(ready, b"ready\n")
    os.close(ready)
    say(f"pid {os.getpid()} serves {folder}: {listeners[0].ports}")
    pass_time(dc, own / "state.db")
    return 0


def pass_time(dc: Datacenter, state: pathlib.Path) -> None:
    """Let events happen when their time comes, as long as the datacenter is there."""
    while state.exists():
        try:
            dc.tick()
        except (OSError, sqlite3.Error):
            # the folder may be going away under our feet; what is really wrong comes again and stays in the log
            traceback.print_exc()
            time.sleep(1)
        time.sleep(TICK_S)
