"""Programs and services for tests of ``dc/``: small, with behaviour, failing on what nobody foresaw."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from product_fakes import FakeClock, files_in

from sdcupgrade.dc.access import Addresses, Datacenter
from sdcupgrade.dc.cnapi import Cnapi
from sdcupgrade.dc.headnode import Headnode
from sdcupgrade.dc.imgapi import Imgapi
from sdcupgrade.dc.sapi import Sapi
from sdcupgrade.dc.vmapi import Vmapi
from sdcupgrade.doors import Doors
from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.doors.http import FileBody, Response
from sdcupgrade.doors.run import Completed
from sdcupgrade.errors import CommandFailed, Unreachable

if TYPE_CHECKING:
    from sdcupgrade.doors.http import Stream

HERE, THERE, ADMIN = "headnode-uuid", "cn-uuid", "admin-uuid"
Said = Union[str, tuple[int, str, str]]


class FakePrograms:
    """A runner: each program is a function of its arguments and stdin, giving stdout, or (status, stdout, stderr)."""

    def __init__(self, **programs: Callable[[list[str], str], Said]) -> None:
        self.programs = {name.replace("_", "-"): program for name, program in programs.items()}
        self.lines: list[str] = []
        self.stdin: list[Optional[str]] = []
        self.files: Optional[RootedFiles] = None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Optional[str] = None,
        timeout_s: float = 60.0,
        stdout_to: Optional[str] = None,
    ) -> Completed:
        """See Runner."""
        self.lines.append(" ".join(argv))
        self.stdin.append(stdin)
        if argv[0] not in self.programs:
            raise CommandFailed(f"{argv[0]}: there is no such program")
        said = self.programs[argv[0]](list(argv[1:]), stdin or "")
        status, out, err = (0, said, "") if isinstance(said, str) else said
        if stdout_to is not None and status == 0 and self.files is not None:
            self.files.write(stdout_to, out.encode())
        return Completed(tuple(argv), status, out, err, 0.0)

    def find(self, name: str) -> Optional[str]:
        """See Runner."""
        return f"/usr/bin/{name}" if name in self.programs else None


def says(said: Said) -> Callable[[list[str], str], Said]:
    """A program that always says the same."""
    return lambda argv, stdin: said


def answers(*values: tuple[str, int, str, str]) -> str:
    """What ``sdc-oneachnode -J`` prints: uuid, exit status, stdout and stderr of each server."""
    results = [(uuid, {"exit_status": status, "stdout": out, "stderr": err}) for uuid, status, out, err in values]
    return "".join(json.dumps({"uuid": uuid, "hostname": "cn", "result": result}) + "\n" for uuid, result in results)


Handler = Callable[[str, bytes], tuple[int, Any]]


class FakeWeb:
    """Services by base URL; a handler takes ``METHOD /path?query`` and the body. What nobody serves is unreachable."""

    def __init__(self, services: Mapping[str, Handler]) -> None:
        self.services = services
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.date = ""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Union[bytes, FileBody, None] = None,
        timeout_s: float = 30.0,
    ) -> Response:
        """See Http."""
        self.asked.append(f"{method} {url}")
        self.headers.append(headers or {})
        base = "/".join(url.split("/")[:3])
        if base not in self.services:
            raise Unreachable(f"{method} {url}: connection refused")
        sent = body.path.encode() if isinstance(body, FileBody) else body or b""
        status, value = self.services[base](f"{method} {url[len(base):]}", sent)
        raw = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        return Response(status, {"date": self.date} if self.date else {}, raw)

    def stream(
        self, url: str, *, headers: Optional[Mapping[str, str]] = None, timeout_s: float = 30.0
    ) -> AbstractContextManager[Stream]:
        """Nothing is streamed here."""
        raise Unreachable(url)


def always(status: int, value: Any) -> Handler:
    """A service that answers everything the same."""
    return lambda line, body: (status, value)


def headnode() -> Headnode:
    """The headnode of "coal"."""
    return Headnode(HERE, "head", "20240118T001122Z", "SunOS", "coal", "example.com", ADMIN, {})


def doors(folder: pathlib.Path, programs: FakePrograms, web: FakeWeb) -> Doors:
    """Fakes behind every door but files."""
    programs.files = files_in(folder)
    return Doors(programs, web, web, programs.files, FakeClock())


def datacenter(given: Doors) -> Datacenter:
    """The clients over *given*."""
    node = headnode()
    addresses = Addresses(given, node)
    return Datacenter(
        node,
        given,
        addresses,
        Sapi(given.admin, addresses.of("sapi")),
        Vmapi(given.admin, addresses.of("vmapi")),
        Cnapi(given.admin, addresses.of("cnapi")),
        Imgapi(given.admin, addresses.of("imgapi")),
        {HERE: "head", THERE: "cn7"},
    )
