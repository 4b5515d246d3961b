"""The plan as a document: what ``prepare`` writes, ``upgrade`` and ``rollback`` carry out to the letter.

Every uuid, path, time-out, order and inverse is in it; the engine has no choices left. It carries a schema version
and a digest of everything else in it.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field, fields, is_dataclass

from sdcupgrade.errors import BadInput, PlanMoved
from sdcupgrade.jsonvalue import Record, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from sdcupgrade.jsonvalue import Json

SCHEMA = 1


class Change(enum.Enum):
    """What the plan does to a service."""

    UPGRADE = "upgrade"
    SAPI_ONLY = "sapi-only"
    """Only the image that SAPI would provision next is changed: there is no instance, or it has the image already."""
    NONE = "none"
    """Instance and SAPI show the wanted image already."""


@dataclass(frozen=True)
class Step:
    """One action: data only; ``steps/registry.py`` knows which class carries out *kind*.

    *undoes* is empty in a service's forward steps; in its rollback steps it names the forward steps that the step
    reverses, and the step runs only if one of those was begun. *option* names the run option that asks for the step
    (``snapshot``), empty for steps that always run. *irreversible* gives the reason when nothing can undo the step.
    """

    id: str
    kind: str
    says: str
    params: Mapping[str, Json]
    timeout_s: int = 60
    disruptive: bool = False
    undoes: tuple[str, ...] = ()
    option: str = ""
    irreversible: str = ""


@dataclass(frozen=True)
class ImageRef:
    """An image as the plan's table shows it; *version* and *published_at* are empty where nobody knows them."""

    uuid: str
    version: str
    published_at: str

    @property
    def short(self) -> str:
        """Branch and stamp of the version, without the hash: it is read from the right, for branches may have dashes
        (reference 3.2). The uuid of an image whose version nobody knows."""
        name, _, hash = self.version.rpartition("-g")
        return (name if name and len(hash) in (7, 8) else self.version) or self.uuid


@dataclass(frozen=True)
class Facts:
    """What the plan rests on, for one service; ``upgrade`` reads it again and refuses when it moved.

    Digests are sha256 of the UTF-8 text; None means that the value is absent. *service_uuid* is empty for ``assets``,
    which SAPI does not know (reference 1.9).
    """

    service_uuid: str
    service_image: Optional[str]
    service_user_script: Optional[str]
    instance: Optional[str]
    server: Optional[str]
    image: Optional[str]
    user_script: Optional[str]
    quota_gib: int


@dataclass(frozen=True)
class ServicePlan:
    """One service: from, to, forward steps, and the steps of its rollback in the order they would run."""

    service: str
    change: Change
    alias: str
    hostname: str
    current: Optional[ImageRef]
    target: ImageRef
    facts: Facts
    steps: tuple[Step, ...]
    rollback: tuple[Step, ...]


@dataclass(frozen=True)
class Download:
    """An image that must be in the datacenter's IMGAPI, and installed in the pools of *servers*, before anything stops.

    *generation* 0 has no missing origin; an image of generation n has its origin in n-1. *present* tells that IMGAPI
    had it, active, when the plan was made. *channel* is the one to ask the file from. *sha256* is the signed digest,
    empty for an image that nobody signed: then TLS and sha1 vouch for it.
    """

    uuid: str
    name: str
    version: str
    size: int
    sha1: str
    generation: int
    present: bool
    channel: str
    servers: tuple[str, ...]
    manifest: Mapping[str, Json]
    signed: bool = False
    sha256: str = ""


@dataclass(frozen=True)
class Plan:
    """The whole upgrade. *name* is "foo" for ``foo.json``; services are in upgrade order, bottom of the stack first."""

    name: str
    created_at: str
    created_by: str
    datacenter: str
    headnode: str
    channel: str
    source: str
    services: tuple[ServicePlan, ...]
    downloads: tuple[Download, ...]
    servers: Mapping[str, str] = field(default_factory=dict)
    """Server uuid -> hostname, for every server that is touched."""
    schema: int = SCHEMA


def to_json(plan: Plan) -> dict[str, Json]:
    """The document to write, with the digest of everything else in it under ``digest``."""
    return {**_body(plan), "digest": digest(plan)}


def digest(plan: Plan) -> str:
    """``sha256:`` and 64 hex digits over the whole plan; any change of any field changes it."""
    return _digest_of(_body(plan))


def _body(plan: Plan) -> dict[str, Json]:
    return {item.name: _plain(getattr(plan, item.name)) for item in fields(plan)}


def _plain(value: object) -> Json:
    """A tree of dataclasses as JSON values: tuples become lists, enums their value."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    raise TypeError(f"a plan cannot hold {type(value).__name__}")


def _digest_of(body: Mapping[str, Json]) -> str:
    return "sha256:" + hashlib.sha256(dumps(body).encode("ascii")).hexdigest()


def from_json(value: Json, where: str = "plan.json") -> Plan:
    """The plan in a document; *where* names the file for messages.

    Raises BadInput when it is no plan or one of another schema, PlanMoved when it is not what was written.
    """
    record = Record(value, where, BadInput, "prepare again with --fresh; nothing was changed")
    schema = record.number("schema", 0)
    if schema != SCHEMA:
        raise BadInput(
            f"{where}: written for schema {schema}, this sdcupgrade knows {SCHEMA}",
            "nothing was changed; use the sdcupgrade that wrote it, or prepare again with --fresh",
        )
    body = {key: item for key, item in record.value.items() if key != "digest"}
    if record.value.get("digest") != _digest_of(body):
        raise PlanMoved(
            f"{where}: was edited after it was written, or is damaged; nothing was changed",
            "change the spec instead and prepare again with --fresh",
        )
    return _plan(record)


def _plan(record: Record) -> Plan:
    return Plan(
        name=record.text("name"),
        created_at=record.text("created_at"),
        created_by=record.text("created_by"),
        datacenter=record.text("datacenter"),
        headnode=record.text("headnode"),
        channel=record.text("channel"),
        source=record.text("source"),
        services=tuple(_service(item) for item in record.records("services")),
        downloads=tuple(_download(item) for item in record.records("downloads")),
        servers={uuid: record.record("servers").text(uuid) for uuid in record.record("servers").value},
        schema=record.number("schema"),
    )


def _service(record: Record) -> ServicePlan:
    return ServicePlan(
        service=record.text("service"),
        change=_change(record),
        alias=record.text("alias"),
        hostname=record.text("hostname"),
        current=None if record.value.get("current") is None else _image(record.record("current")),
        target=_image(record.record("target")),
        facts=_facts(record.record("facts")),
        steps=tuple(_step(item) for item in record.records("steps")),
        rollback=tuple(_step(item) for item in record.records("rollback")),
    )


def _change(record: Record) -> Change:
    try:
        return Change(record.text("change"))
    except ValueError as why:
        raise record.fail("change", str(why)) from why


def _image(record: Record) -> ImageRef:
    return ImageRef(record.text("uuid"), record.text("version"), record.text("published_at"))


def _facts(record: Record) -> Facts:
    return Facts(
        service_uuid=record.text("service_uuid"),
        service_image=record.text_or("service_image", None),
        service_user_script=record.text_or("service_user_script", None),
        instance=record.text_or("instance", None),
        server=record.text_or("server", None),
        image=record.text_or("image", None),
        user_script=record.text_or("user_script", None),
        quota_gib=record.number("quota_gib"),
    )


def _step(record: Record) -> Step:
    return Step(
        id=record.text("id"),
        kind=record.text("kind"),
        says=record.text("says"),
        params=dict(record.record("params").value),
        timeout_s=record.number("timeout_s"),
        disruptive=record.flag("disruptive"),
        undoes=record.texts("undoes"),
        option=record.text("option"),
        irreversible=record.text("irreversible"),
    )


def _download(record: Record) -> Download:
    return Download(
        uuid=record.text("uuid"),
        name=record.text("name"),
        version=record.text("version"),
        size=record.number("size"),
        sha1=record.text("sha1"),
        generation=record.number("generation"),
        present=record.flag("present"),
        channel=record.text("channel"),
        servers=record.texts("servers"),
        manifest=dict(record.record("manifest").value),
        signed=record.flag("signed"),
        sha256=record.text_or("sha256", "") or "",
    )
