"""The machine's own bash for a node's script, in the face without processes: for what the mini shell does not know.

The script's everyday programs are the machine's, with the node's root in ``SDCUPGRADE_ROOT``. Programs of the box,
curl, uname and df are small stubs that come back here and are answered by the functions that answer everywhere, on the
datacenter's time and with its faults. ``disk-full=HOSTNAME:PATH`` makes df tell of no room.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter

NEEDED = re.compile(r"^\s*(\w+\(\)\s*\{|(for|while|case|local)\b)", re.MULTILINE)
STUB = """#!/bin/sh
cd "$MOCKDC_CALLS" || exit 126
mkfifo answer.$$
if [ -p /dev/stdin ] || [ -f /dev/stdin ]; then cat > in.$$; fi
printf '%s\\0' "${0##*/}" "$@" > call.$$
echo $$ > ask
read status < answer.$$
[ -s out.$$ ] && cat out.$$
[ -s err.$$ ] && cat err.$$ >&2
exit "$status"
"""
OWN = ("curl", "uname", "df")
Said = tuple[int, bytes, bytes]


def needed(script: str) -> bool:
    """Whether a script has functions or loops."""
    return bool(NEEDED.search(script))


class Bash:
    """One script on one node."""

    def __init__(self, dc: Datacenter, server: str, folder: str) -> None:
        from mockdc.faces import tree

        self.dc = dc
        self.server = server
        self.folder = pathlib.Path(folder)
        tree.ensure(dc, server)
        self.stubs = dc.folder / ".mockdc" / "stubs" / ("headnode" if server == dc.headnode else "node")
        if not self.stubs.exists():
            self.stubs.mkdir(parents=True)
            (self.stubs / ".stub").write_text(STUB, encoding="utf-8")
            (self.stubs / ".stub").chmod(0o755)
            for name in {*OWN, *tree.names_for(dc, server)}:
                (self.stubs / name).symlink_to(".stub")
        os.mkfifo(self.folder / "ask")

    def run(self, script: str) -> Said:
        """Run it to its end; what ends it early ends all of its programs."""
        bash = shutil.which("bash") or "/bin/bash"
        line = f"'{bash}' -c \"$1\"; status=$?; echo end > '{self.folder}/ask'; exit $status"
        environ = {"PATH": f"{self.stubs}:{os.environ.get('PATH', os.defpath)}", "HOME": "/",
                   "SDCUPGRADE_ROOT": str(self.dc.root(self.server)), "MOCKDC_CALLS": str(self.folder)}  # fmt: skip
        asked = os.open(self.folder / "ask", os.O_RDWR | os.O_NONBLOCK)
        with (self.folder / "stdout").open("wb") as out, (self.folder / "stderr").open("wb") as err:
            process = subprocess.Popen([bash, "-c", line, bash, script], stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=err, env=environ, start_new_session=True)  # fmt: skip
        try:
            self.serve(asked, process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(asked)
        return process.returncode, self.said("stdout"), self.said("stderr")

    def said(self, name: str) -> bytes:
        """What was written, with the node's own paths."""
        return (self.folder / name).read_bytes().replace(f"{self.dc.root(self.server)}/".encode(), b"/")

    def serve(self, asked: int, process: subprocess.Popen[bytes]) -> None:
        """Answer the stubs until the script has ended."""
        held = b""
        while process.poll() is None:
            if not select.select([asked], [], [], 1.0)[0]:
                continue
            held += os.read(asked, 4096)
            *lines, held = held.split(b"\n")
            for line in lines:
                if line == b"end":
                    process.wait()
                    return
                self.answer(line.decode())

    def answer(self, number: str) -> None:
        """One call of a stub."""
        name, *argv = (self.folder / f"call.{number}").read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]
        given = self.folder / f"in.{number}"
        status, out, err = self.called(name, argv, given.read_bytes() if given.exists() else b"")
        (self.folder / f"out.{number}").write_bytes(out)
        (self.folder / f"err.{number}").write_bytes(err)
        (self.folder / f"answer.{number}").write_text(f"{status}\n", encoding="utf-8")

    def called(self, name: str, argv: list[str], given: bytes) -> Said:
        """What a program says."""
        from mockdc.faces import dispatch

        if name in OWN:
            return {"curl": self.curl, "uname": self.uname, "df": self.df}[name](argv)
        return dispatch.command(self.dc, self.server, name, argv, lambda: given)

    def uname(self, argv: list[str]) -> Said:
        """The system's name, whatever is asked."""
        server = self.dc.server(self.server) or {}
        return 0, f"{server.get('system_type', 'SunOS')}\n".encode(), b""

    def df(self, argv: list[str]) -> Said:
        """``df -k PATH``."""
        from mockdc.core import faults

        server = self.dc.server(self.server) or {}
        path = argv[-1].replace(str(self.dc.root(self.server)), "", 1)
        free = 0 if faults.applying(self.dc, f"disk {server.get('hostname')}:{path}") else 64 << 20
        heading = "Filesystem 1024-blocks Used Available Capacity Mounted on"
        return 0, f"{heading}\nzones/opt 1 1 {free} 1% /opt\n".encode(), b""

    def curl(self, argv: list[str]) -> Said:
        """``curl ... -o FILE URL``, as ``-f`` has it."""
        from mockdc.apis.web import Request
        from mockdc.faces import dispatch

        url, into = urllib.parse.urlsplit(argv[-1]), argv[argv.index("-o") + 1]
        try:
            api = dispatch.by_host(self.dc, url.hostname or "")
            response = dispatch.http(self.dc, api, Request.make("GET", url.path))
        except dispatch.NoSuchHost:
            return 6, b"", f"curl: (6) Could not resolve host: {url.hostname}\n".encode()
        except dispatch.Refused:
            return 7, b"", f"curl: (7) Failed to connect to {url.hostname} port 80: Connection refused\n".encode()
        if response.status >= 400:
            return 22, b"", f"curl: (22) The requested URL returned error: {response.status}\n".encode()
        body = dispatch.whole(response)
        pathlib.Path(into).write_bytes(body)
        if response.wire is not None and response.wire.cut is not None:
            return 18, b"", b"curl: (18) transfer closed with outstanding read data remaining\n"
        return 0, b"", b""


def run(dc: Datacenter, server: str, script: str) -> Said:
    """Run a script on a node: exit status, stdout, stderr."""
    with tempfile.TemporaryDirectory() as folder:
        return Bash(dc, server, folder).run(script)
