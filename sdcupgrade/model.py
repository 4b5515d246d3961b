"""The nouns of a datacenter as frozen data: what was observed, and what happens as events.

Nothing here does anything. ``dc/`` fills these in from the real answers, ``plan/`` reads them, ``ui/`` shows events.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from sdcupgrade.jsonvalue import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Optional

    from sdcupgrade.jsonvalue import Json



@dataclass(frozen=True)
class ImageFile:
    """The one file of an image. *size* in bytes, *sha1* 40 lower-case hex digits, *compression* as in the manifest."""

    sha1: str
    size: int
    compression: str


@dataclass(frozen=True)
class Image:
    """An image manifest (v2), parsed as far as an upgrade needs it; *manifest* is the whole of it, as served."""

    uuid: str
    name: str
    version: str
    type: str
    state: str
    published_at: str
    origin: Optional[str]
    file: Optional[ImageFile]
    min_platform: str
    channels: tuple[str, ...]
    manifest: Mapping[str, Json] = field(compare=False, repr=False)

    @staticmethod
    def read(record: Record) -> Image:
        """Parse a manifest as IMGAPI and imgadm give it. Raises the record's error class."""
        files = record.records("files")
        file = None
        if files:
            file = ImageFile(files[0].text("sha1"), files[0].number("size"), files[0].text("compression"))
        return Image(
            uuid=record.text("uuid"),
            name=record.text("name"),
            version=record.text("version"),
            type=record.text_or("type", "") or "",
            state=record.text_or("state", "active") or "active",
            published_at=record.text_or("published_at", "") or "",
            origin=record.text_or("origin", None),
            file=file,
            min_platform=record.record("requirements").record("min_platform").text_or("7.0", "") or "",
            channels=record.texts("channels"),
            manifest=dict(record.value),
        )


@dataclass(frozen=True)
class Server:
    """A headnode or compute node as CNAPI (or, with the stack down, sysinfo) tells it."""

    uuid: str
    hostname: str
    headnode: bool
    setup: bool
    status: str
    platform: str
    system_type: str = "SunOS"


@dataclass(frozen=True)
class Service:
    """A SAPI service of the ``sdc`` application. None means that SAPI does not hold the key at all.

    *delegate_dataset* is ``params.delegate_dataset``: its zones are meant to have one (TOOLS-1591).
    """

    uuid: str
    name: str
    type: str
    image_uuid: Optional[str]
    user_script: Optional[str]
    domain: Optional[str]
    delegate_dataset: bool = False


@dataclass(frozen=True)
class Instance:
    """One zone of a service. *quota_gib* 0 means none; *user_script* None means the VM has no such metadata.

    *state* is the VM's own word, or ``missing`` where SAPI holds an instance whose VM is no more (HEAD-2056).
    *in_sapi* is false for a zone of that role which SAPI does not list; that is drift, save for ``assets``, which has
    no SAPI record at all (reference 1.9).
    """

    uuid: str
    alias: str
    service: str
    server_uuid: str
    image_uuid: str
    state: str
    admin_ip: str
    quota_gib: int
    datasets: tuple[str, ...]
    user_script: Optional[str]
    in_sapi: bool = True


@dataclass(frozen=True)
class Space:
    """Free bytes in the places that an upgrade fills."""

    workdir: int
    imgapi: int
    pools: Mapping[str, int]
    """By server uuid."""


@dataclass(frozen=True)
class Inventory:
    """Everything that planning looks at, read once. *images* holds what is known of running images, by uuid; a running
    image that IMGAPI no longer has is simply absent (TOOLS-2110: an unknown version is a value, not an error)."""

    datacenter_name: str
    dns_domain: str
    admin_uuid: str
    headnode_uuid: str
    application_uuid: str
    update_channel: Optional[str]
    servers: tuple[Server, ...]
    services: tuple[Service, ...]
    instances: tuple[Instance, ...]
    images: Mapping[str, Image]
    imgapi_images: frozenset[str]
    """Uuids of the images that the datacenter's IMGAPI holds and that are active there."""
    installed: Mapping[str, frozenset[str]]
    """Server uuid -> image uuids installed in its pool, for the servers that were asked."""
    common_user_script: Optional[str]
    space: Space
    taken_at: str

    def server(self, uuid: str) -> Optional[Server]:
        """The server with that uuid, if CNAPI knows it."""
        return next((server for server in self.servers if server.uuid == uuid), None)

    def service(self, name: str) -> Optional[Service]:
        """The service with exactly that name."""
        return next((service for service in self.services if service.name == name), None)

    def instances_of(self, service: str) -> tuple[Instance, ...]:
        """The instances of a service, in alias order as read."""
        return tuple(instance for instance in self.instances if instance.service == service)


class Verdict(enum.Enum):
    """How a step or a service ended."""

    DONE = "done"
    ALREADY = "already"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Event:
    """Something to show and to log; the renderers in ``ui/`` decide how.

    *kind* is one of ``started``, ``progress``, ``waiting``, ``verdict``, ``note``, ``warning``. *what* names the
    subject (a step id, a service, an image), *text* is a sentence. Progress carries *done* and *total* (bytes, or a
    count).
    """

    kind: str
    what: str
    text: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    verdict: Optional[Verdict] = None
    detail: Mapping[str, Json] = field(default_factory=dict)


if TYPE_CHECKING:
    Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Finding:
    """The answer of one named check, or one reason why a plan is refused.

    *id* is stable (operators write it after ``--ignore``); *subject* names the service, instance or server.
    """

    id: str
    ok: bool
    subject: str
    evidence: str
    remedy: str = ""
