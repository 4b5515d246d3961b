"""Bringing images to an updates server: what is still to be done is looked up, told, and done.

An image takes four calls (record, file, activation, channel), and a run may end between any two of them; the plan for
an image comes from what the server has of it, so publishing again goes on. http-signature as the real server wants it
(keyId is the user's name; the Date header is what is signed). Whoever sees a signature can use it for minutes, so
there is no publishing in clear text but to this very machine.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import enum
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from release.failed import Failed
from release.images import Release
from release.keys import Passphrases, private_key

TIMEOUT_S = (30, 600)
"""To connect, and for each answer."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Act(enum.Enum):
    """A call that changes the server."""

    IMPORT = "import the record"
    FILE = "upload the file"
    ACTIVATE = "activate it"
    CHANNEL = "add it to the channel"


@dataclass(frozen=True)
class Call:
    """One such call for one image; *at* is a channel in which the server finds it, *channel* the one it comes into."""

    act: Act
    image: Release
    at: str = ""
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


def load_key(path: pathlib.Path, secrets: Passphrases) -> rsa.RSAPrivateKey:
    """The user's RSA key, PEM or ssh-keygen's form. Raises Failed."""
    key = private_key(path, secrets)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Failed(f"{path}: the updates server takes RSA keys only (ssh-keygen -t rsa -m PEM)")
    return key


class Server:
    """An updates server, signed in when there is a *signature*."""

    def __init__(self, url: str, signature: Optional[Signature] = None, cacert: Optional[pathlib.Path] = None) -> None:
        """Raises Failed for what is no URL of one."""
        self.url = url.rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.username:
            raise Failed(f"{url}: is not the URL of an updates server, as https://updates.example.com")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise Failed(f"{url}: publishing needs https, or a tunnel that ends on this machine; nothing was sent")
        self._signature = signature
        self._verify: str | bool = str(cacert) if cacert else True
        self._session = requests.Session()
        self._session.trust_env = False  # no ~/.netrc, and no other authorities than were named here
        self._session.proxies = requests.utils.get_environ_proxies(self.url)
        self._session.headers.update({"Accept-Version": "~2", "Accept": "application/json"})

    def channels(self) -> list[str]:
        """The names of its channels; none on a server without. Raises Failed."""
        answer = self._ask("GET", "/channels", {})
        if answer.status_code == 404:
            return []
        with _understood(answer):
            return [str(one["name"]) for one in _checked(answer).json()]

    def look(self, image: Release, channels: Sequence[str]) -> Optional[dict[str, Any]]:
        """What it has of the image: its manifest in whatever state, with all its channels; None when it has nothing.
        Raises Failed."""
        answer = self._ask("GET", f"/images/{image.uuid}", {"channel": "*"} if channels else {})
        if answer.status_code == 404:
            return None
        with _understood(answer):
            found: dict[str, Any] = _checked(answer).json()
            return {"channels": [], "files": [], "version": "", "state": "", **found}

    def has(self, name: str, channel: str) -> bool:
        """Whether there is an image of that name in the channel. Raises Failed."""
        answer = self._ask("GET", "/images", {"name": name, "channel": channel, "limit": "1"})
        with _understood(answer):
            return bool(_checked(answer).json())

    def do(self, call: Call) -> None:
        """Carry one call out. Raises Failed."""
        image = call.image
        path, asked = f"/images/{image.uuid}", {"channel": call.at} if call.at else {}
        if call.act is Act.IMPORT:
            manifest = {key: value for key, value in image.manifest().items() if key not in ("files", "state")}
            _checked(self._ask("POST", path, {"action": "import", "skip_owner_check": "true", **asked}, json=manifest))
        elif call.act is Act.FILE:
            asked = {"compression": image.compression, "sha1": image.sha1, **asked}
            with image.file.open("rb") as file:
                answer = _checked(self._ask("PUT", f"{path}/file", asked, data=file))
            with _understood(answer):
                stored = answer.json()["files"][0]
                same = (stored["sha1"], stored["size"]) == (image.sha1, image.size)
            if not same:
                raise Failed(f"{call}: the server has other bytes now; it is not activated")
        elif call.act is Act.ACTIVATE:
            _checked(self._ask("POST", path, {"action": "activate", **asked}))
        else:
            _checked(self._ask("POST", path, {"action": "channel-add", **asked}, json={"channel": call.channel}))

    def _ask(self, method: str, path: str, asked: dict[str, str], **body: Any) -> requests.Response:
        try:
            return self._session.request(
                method, self.url + path, params=asked, timeout=TIMEOUT_S, auth=self._signature, verify=self._verify,
                allow_redirects=False, **body,
            )  # fmt: skip
        except requests.RequestException as why:
            raise Failed(f"{method} {self.url}{path}: no answer: {_short(why)}") from why


def plan(server: Server, images: Sequence[Release], channels: Sequence[str]) -> list[Call]:
    """The calls that are left, in order; the first channel is the one a new image is imported into. Raises Failed for
    an image that is there with other bytes, and for a channel that there is not: then nothing at all is to be done."""
    there = server.channels()
    unknown = [name for name in channels if name not in there]
    if unknown:
        raise Failed(f"{server.url} has no channel {', '.join(unknown)}; it has: {', '.join(there) or 'none'}")
    if there and not channels:
        raise Failed(f"{server.url} has channels: name at least one with --channel ({', '.join(there)})")
    wanted = list(dict.fromkeys(channels))
    return [call for image in images for call in _calls(image, server.look(image, wanted), wanted)]


def elsewhere(server: Server, trust: Release, channels: Sequence[str]) -> list[Call]:
    """The calls by which metadata also comes into every other channel that has older metadata: a site that has seen
    newer metadata in one channel believes none that is older in another."""
    others = [name for name in server.channels() if name not in channels and server.has(trust.name, name)]
    at = channels[0] if channels else ""
    found = server.look(trust, others) if others else None
    there = found["channels"] if found else []
    return [Call(Act.CHANNEL, trust, at, name) for name in others if name not in there]


def _calls(image: Release, found: Optional[dict[str, Any]], channels: Sequence[str]) -> Iterator[Call]:
    has, files, state = channels[:1], [], "unactivated"
    if found is None:
        yield Call(Act.IMPORT, image, "".join(has))
    else:
        has, files, state = found["channels"], found["files"], found["state"]
        _refuse_other(image, found)
    at = has[0] if has else ""
    if not files:
        yield Call(Act.FILE, image, at)
    if state == "unactivated":
        yield Call(Act.ACTIVATE, image, at)
    yield from (Call(Act.CHANNEL, image, at, name) for name in channels if name not in has)


def _refuse_other(image: Release, found: dict[str, Any]) -> None:
    """What is under the uuid must be this image, and of use."""
    files = [(one.get("sha1"), one.get("size")) for one in found["files"]]
    if files not in ([], [(image.sha1, image.size)]):
        raise Failed(f"{image.name} {image.uuid} is on the server with other bytes; nothing was published")
    if (found.get("name"), found["version"]) != (image.name, image.version):
        called = f"{found.get('name')} {found['version']}"
        raise Failed(f"{image.name} {image.version} ({image.uuid}) is on the server as {called}; nothing was published")
    if found["state"] not in ("active", "unactivated"):
        raise Failed(f"{image.name} {image.uuid} is {found['state']} on the server; enable or delete it there first")


def _checked(answer: requests.Response) -> requests.Response:
    """The answer, if it is a good one. Raises Failed in the server's own words."""
    if 200 <= answer.status_code < 300:
        return answer
    try:
        said = answer.json()
        words = f"{said['code']}: {said['message']}"
    except (ValueError, KeyError, TypeError):
        words = answer.headers.get("Location") or answer.text[:200] or "nothing more"
    words = " ".join(words.split())
    hint = "; see --user and --key, and this machine's clock" if answer.status_code in (401, 403) else ""
    where = answer.request.path_url.partition("?")[0]
    raise Failed(f"{answer.request.method} {where}: HTTP {answer.status_code}: {words}{hint}")


@contextlib.contextmanager
def _understood(answer: requests.Response) -> Iterator[None]:
    """Around the reading of an answer. Raises Failed when it is not of the form it should have."""
    try:
        yield
    except (ValueError, KeyError, IndexError, TypeError) as why:
        where = answer.request.path_url.partition("?")[0]
        raise Failed(f"{answer.request.method} {where}: answers what no updates server does: {why!r}") from why


def _short(why: requests.RequestException) -> str:
    inner: BaseException = why
    while inner.args and isinstance(inner.args[0], BaseException):
        inner = inner.args[0]
    return str(getattr(inner, "reason", inner)).split("(", 1)[0].strip() or type(why).__name__
