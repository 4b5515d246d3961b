"""The plan as a document: what ``prepare`` writes, ``upgrade`` and ``rollback`` carry out to the letter.

Every uuid, path, time-out, order and inverse is in it; the engine has no choices left. It carries a schema version
and a digest of everything else in it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

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
    """No instance: only the image that SAPI would provision next is changed."""
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


@dataclass(frozen=True)
class Facts:
    """What the plan rests on, for one service; ``upgrade`` reads it again and refuses when it moved.

    Digests are sha256 of the UTF-8 text; None means that the value is absent.
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
    had it, active, when the plan was made. *channel* is the one to ask the file from.
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


# To be written here: to_json(plan) -> dict incl. "digest"; from_json(value) -> Plan (raises BadInput when the schema is
# unknown, PlanMoved when the digest does not fit); digest(plan) -> "sha256:<hex>".
