"""Bringing images to an updates server: what is still to be done is looked up, told, and done.

An image takes four calls (record, file, activation, channel), and a run may end between any two of them; the plan for
an image comes from what the server has of it, so publishing again goes on. http-signature as the real server wants it
(keyId is the user's name; the Date header is what is signed).
"""

from __future__ import annotations

import base64
import email.utils
import enum
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from release.failed import Failed
from release.images import Release

TIMEOUT_S = (30, 600)
"""To connect, and for each answer."""


class Act(enum.Enum):
    """A call that changes the server."""

    IMPORT = "import the record"
    FILE = "upload the file"
    ACTIVATE = "activate it"
    CHANNEL = "add it to the channel"


@dataclass(frozen=True)
class Call:
    """One such call for one image."""

    act: Act
    image: Release
    channel: str = ""

    def __str__(self) -> str:
        to = f" {self.channel}" if self.channel else ""
        return f"{self.image.name} {self.image.version} ({self.image.uuid}): {self.act.value}{to}"


class Signature(requests.auth.AuthBase):
    """Signs each request for *user* with an RSA key."""

    def __init__(self, user: str, key: rsa.RSAPrivateKey) -> None:
        self._user = user
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """See requests."""
        date = email.utils.formatdate(usegmt=True)
        raw = self._key.sign(f"date: {date}".encode(), padding.PKCS1v15(), hashes.SHA256())
        signature = base64.b64encode(raw).decode()
        request.headers["Date"] = date
        request.headers["Authorization"] = (
            f'Signature keyId="{self._user}",algorithm="rsa-sha256",signature="{signature}"'
        )
        return request


def load_key(path: pathlib.Path, secret: Optional[bytes]) -> rsa.RSAPrivateKey:
    """The user's RSA key, PEM or ssh-keygen's form. Raises Failed."""
    try:
        data = path.read_bytes()
        load = serialization.load_ssh_private_key if b"OPENSSH" in data[:60] else serialization.load_pem_private_key
        key = load(data, secret)
    except (OSError, ValueError, TypeError) as why:
        raise Failed(f"{path}: cannot be used as a private key: {why}") from why
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Failed(f"{path}: the updates server takes RSA keys only (ssh-keygen -t rsa -m PEM)")
    return key


class Server:
    """An updates server, signed in when there is a *signature*."""

    def __init__(self, url: str, signature: Optional[Signature] = None, cacert: Optional[pathlib.Path] = None) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = signature
        self._session.verify = str(cacert) if cacert else True
        self._session.headers.update({"Accept-Version": "~2", "Accept": "application/json"})

    def channels(self) -> list[str]:
        """The names of its channels; none on a server without. Raises Failed."""
        answer = self._ask("GET", "/channels", {})
        return [] if answer.status_code == 404 else [one["name"] for one in _checked(answer).json()]

    def look(self, image: Release, channels: Sequence[str]) -> Optional[dict[str, Any]]:
        """What it has of the image: its manifest in whatever state, with all its channels; None when it has nothing."""
        asked = {"channel": "*"} if channels else {}
        answer = self._ask("GET", f"/images/{image.uuid}", asked)
        if answer.status_code == 404:
            return None
        found: dict[str, Any] = _checked(answer).json()
        return found

    def do(self, call: Call, channels: Sequence[str]) -> None:
        """Carry one call out. Raises Failed."""
        image = call.image
        path, asked, sent = f"/images/{image.uuid}", _at(channels), {}
        if call.act is Act.IMPORT:
            manifest = {key: value for key, value in image.manifest().items() if key not in ("files", "state")}
            _checked(self._ask("POST", path, {"action": "import", "skip_owner_check": "true", **asked}, json=manifest))
        elif call.act is Act.FILE:
            asked = {"compression": image.compression, "sha1": image.sha1, **asked}
            with image.file.open("rb") as file:
                sent = _checked(self._ask("PUT", f"{path}/file", asked, data=file)).json()
            stored = sent["files"][0]
            if (stored["sha1"], stored["size"]) != (image.sha1, image.size):
                raise Failed(f"{call}: the server has other bytes now; it is not activated")
        elif call.act is Act.ACTIVATE:
            _checked(self._ask("POST", path, {"action": "activate", **asked}))
        else:
            _checked(self._ask("POST", path, {"action": "channel-add", **asked}, json={"channel": call.channel}))

    def _ask(self, method: str, path: str, asked: dict[str, str], **body: Any) -> requests.Response:
        try:
            return self._session.request(method, self.url + path, params=asked, timeout=TIMEOUT_S, **body)
        except requests.RequestException as why:
            raise Failed(f"{method} {self.url}{path}: no answer: {_short(why)}") from why


def plan(server: Server, images: Sequence[Release], channels: Sequence[str]) -> Iterator[Call]:
    """The calls that are left, in order; the first channel is the one it is imported into. Raises Failed for an image
    that is there with other bytes, and for a channel that there is not."""
    there = server.channels()
    unknown = [name for name in channels if name not in there]
    if unknown:
        raise Failed(f"{server.url} has no channel {', '.join(unknown)}; it has: {', '.join(there) or 'none'}")
    if there and not channels:
        raise Failed(f"{server.url} has channels: name at least one with --channel ({', '.join(there)})")
    for image in images:
        yield from _calls(image, server.look(image, channels), channels)


def _calls(image: Release, found: Optional[dict[str, Any]], channels: Sequence[str]) -> Iterator[Call]:
    files = found.get("files", []) if found else []
    if files and files[0]["sha1"] != image.sha1:
        raise Failed(f"{image.name} {image.uuid} is on the server with other bytes; nothing was published of it")
    if found is None:
        yield Call(Act.IMPORT, image)
    if not files:
        yield Call(Act.FILE, image)
    if found is None or found["state"] == "unactivated":
        yield Call(Act.ACTIVATE, image)
    has = found.get("channels", channels[:1]) if found else channels[:1]
    yield from (Call(Act.CHANNEL, image, name) for name in channels if name not in has)


def _at(channels: Sequence[str]) -> dict[str, str]:
    return {"channel": channels[0]} if channels else {}


def _checked(answer: requests.Response) -> requests.Response:
    """The answer, if it is a good one. Raises Failed in the server's own words."""
    if answer.ok:
        return answer
    try:
        said = answer.json()
        words = f"{said['code']}: {said['message']}"
    except (ValueError, KeyError, TypeError):
        words = answer.text[:200].strip() or "nothing more"
    hint = "; see --user and --key" if answer.status_code in (401, 403) else ""
    where = answer.request.path_url.partition("?")[0]
    raise Failed(f"{answer.request.method} {where}: HTTP {answer.status_code}: {words}{hint}")


def _short(why: requests.RequestException) -> str:
    inner: BaseException = why
    while inner.args and isinstance(inner.args[0], BaseException):
        inner = inner.args[0]
    return str(getattr(inner, "reason", inner)).split("(", 1)[0].strip() or type(why).__name__
