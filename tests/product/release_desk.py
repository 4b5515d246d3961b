"""Where releases are made, for tests: folders, the command line of tools/release, an updates server to publish on."""

from __future__ import annotations

import email.utils
import json
import pathlib
import time
import zipfile
from typing import Any, Optional

import pytest

pytest.importorskip("tuf", reason="the tools of releases need python-tuf, which needs a newer python")
pytest.importorskip("responses", reason="the tools of releases need it")

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from mockdc.apis.imgapi import handle
from mockdc.apis.web import Request
from mockdc.core.datacenter import Datacenter
from product_fakes import files_in
from release import __main__ as program

from sdcupgrade.updates.believed import Believed
from sdcupgrade.updates.trusted import FolderFetch

URL = "https://updates.example.com"
STAMP = "main-20261123T101500Z-g0123abc"
BOTH = "--metadata MD --keys OFF --keys ON"


class Desk:
    """A folder, and the command line."""

    def __init__(self, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.md, self.off, self.on, self.new = folder / "md", folder / "off", folder / "on", folder / "new"
        self._capsys = capsys

    def run(self, line: str, *more: pathlib.Path) -> tuple[int, str, str]:
        """One command line; MD, OFF, ON and NEW stand for the folders."""
        known = {"MD": self.md, "OFF": self.off, "ON": self.on, "NEW": self.new}
        status = program.main([*(str(known.get(word, word)) for word in line.split()), *map(str, more)])
        said = self._capsys.readouterr()
        return status, said.out, said.err

    def ok(self, line: str, *more: pathlib.Path) -> str:
        """What it printed, if it ended well."""
        status, out, err = self.run(line, *more)
        assert (status, err) == (0, "")
        return out

    def fails(self, line: str, *more: pathlib.Path) -> str:
        """What it said in one line, if it failed; the metadata is as it was."""
        before = self.metadata()
        status, out, err = self.run(line, *more)
        assert (status, out, err.count("\n"), self.metadata() == before) == (1, "", 1, True), (out, err)
        return err

    def metadata(self) -> dict[str, bytes]:
        """All files of the repository."""
        return {path.name: path.read_bytes() for path in self.md.glob("*")}

    def file(self, content: str = "1", version: str = "1.4.0", stamp: str = STAMP) -> pathlib.Path:
        """Something that is the one file to these tools."""
        path = self.folder / f"sdcupgrade-{version}-{content}"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in (
                ("site-packages/sdcupgrade/__init__.py", f'__version__ = "{version}"\n'),
                ("site-packages/sdcupgrade/_build.py", f"STAMP = {stamp!r}\nBYTECODE = []\n"),
                ("content", content),
            ):
                archive.writestr(zipfile.ZipInfo(name), text)
        return path

    def believed(self) -> Believed:
        """As a site sees it that knows the first root only."""
        root = (self.md / "1.root.json").read_bytes()
        fetch = FolderFetch(files_in(self.folder), "/md")
        return Believed(files_in(self.folder / "site"), root, fetch, time.time())


def begun(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """With keys and an empty repository."""
    made = Desk(folder, capsys)
    made.ok("keys --metadata MD --keys OFF --online-keys ON")
    return made


class Server:
    """The box's updates server, asked by requests without a socket; *dies_at* is the call at which we are killed."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.dc = Datacenter.empty(folder)
        self.key = rsa.generate_private_key(65537, 2048)
        known = {"release": {"n": str(self.key.public_key().public_numbers().n), "e": 65537}}
        self.dc.store.set_meta("imgapi:updates:auth", "signature")
        self.dc.store.set_meta("imgapi:updates:keys", known)
        self.asked: list[str] = []
        self.dies_at: Optional[int] = None

    def __call__(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        """A callback of responses; the box's clock is moved to what the request says."""
        if self.dies_at is not None and len(self.asked) >= self.dies_at:
            raise KeyboardInterrupt
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        self.asked.append(f"{request.method} {request.path_url}")
        given = {name: str(value) for name, value in request.headers.items()}
        if "Date" in given:
            self.dc.clock.sleep(max(0.0, email.utils.parsedate_to_datetime(given["Date"]).timestamp() - self.dc.now()))
        raw = body.encode() if isinstance(body, str) else body
        answer = handle(self.dc, Request.make(str(request.method), request.path_url, given, raw), "updates")
        text = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        return answer.status, {"Content-Type": "application/json"}, text

    @property
    def changes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.asked if not call.startswith("GET")]

    def image(self, number: str) -> dict[str, Any]:
        """What it has of an image."""
        found = self.dc.store.get("image", f"updates/{number}")
        assert found is not None
        return found

    def save_key(self, path: pathlib.Path) -> None:
        """Where whoever publishes has it."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        path.write_bytes(pem)
        path.chmod(0o600)
