"""SAPI: what the datacenter's services are meant to be.

Lists are never paged; an unknown uuid in a PUT is answered with 500 (reference 2.1). Whatever is written is read back
where it is used, because sdcadm once wrote the user-script where nobody reads it (reference record 26) and others wrote
text for numbers (record 80).
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.dc.api import Api
from sdcupgrade.errors import BadAnswer, Unreachable
from sdcupgrade.jsonvalue import Record
from sdcupgrade.model import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdcupgrade.dc.api import Bases
    from sdcupgrade.doors.http import Http
    from sdcupgrade.jsonvalue import Json


@dataclass(frozen=True)
class Application:
    """A SAPI application; *metadata* as stored."""

    uuid: str
    name: str
    metadata: Mapping[str, Json]


@dataclass(frozen=True)
class SapiInstance:
    """A SAPI instance record; the VM of the same uuid is the truth about it. Texts are empty where SAPI has none."""

    uuid: str
    service_uuid: str
    alias: str
    server_uuid: str


class Sapi:
    """The client. Every method raises Unreachable, HttpError or BadAnswer."""

    def __init__(self, http: Http, bases: Bases) -> None:
        self.api = Api("sapi", http, bases, "~2")

    def mode(self) -> str:
        """``full``, or ``proto`` where records live only in sapi's own files."""
        mode = self.api.json("/mode")
        if not isinstance(mode, str):
            raise BadAnswer(f"sapi: GET /mode: expected text, got {mode!r}")
        return mode

    def application(self, name: str = "sdc") -> Application:
        """The application with that name; one that is not there, or twice, is a BadAnswer."""
        found = self.api.records("/applications", {"name": name})
        if len(found) != 1:
            raise BadAnswer(f"sapi has {len(found)} applications named {name!r}; there must be one")
        return Application(found[0].text("uuid"), name, dict(found[0].record("metadata").value))

    def services(self, application_uuid: str) -> tuple[Service, ...]:
        """The zone services of an application; agents are left out."""
        query = {"application_uuid": application_uuid, "type": "vm"}
        found = self.api.records("/services", query)
        return tuple(
            _service(record)
            for record in found
            if record.text("application_uuid") == application_uuid and record.text_or("type", "vm") == "vm"
        )

    def service(self, uuid: str) -> Service:
        """One service; HttpError (404) when SAPI has none."""
        return _service(self.api.record(f"/services/{uuid}"))

    def instances(self) -> tuple[SapiInstance, ...]:
        """The zone instances of every application: with thousands of agents in SAPI, those are not asked for."""
        found = self.api.records("/instances", {"type": "vm"})
        return tuple(_instance(record) for record in found if record.text_or("type", "vm") == "vm")

    def set_param(self, service_uuid: str, key: str, value: Json) -> Service:
        """Set one of a service's params, or remove it when *value* is None; read back."""
        return self._set(service_uuid, "params", key, value)

    def set_metadata(self, service_uuid: str, key: str, value: Json) -> Service:
        """Set one key of a service's metadata, or remove it when *value* is None; read back."""
        return self._set(service_uuid, "metadata", key, value)

    def _set(self, service_uuid: str, part: str, key: str, value: Json) -> Service:
        action = "delete" if value is None else "update"
        return self.update_service(service_uuid, {part: {key: value}}, action)

    def update_service(self, uuid: str, parts: Mapping[str, Mapping[str, Json]], action: str = "update") -> Service:
        """Merge (*action* ``update``) or remove (``delete``) keys of params and metadata, and read them back.

        *parts* is ``{"params": {...}, "metadata": {...}}``; values keep their JSON types. Raises BadAnswer when what is
        read back is not what was written.
        """
        body: dict[str, Json] = {part: dict(values) for part, values in parts.items()}
        body["action"] = action
        try:
            self.api.call("PUT", f"/services/{uuid}", body=body, timeout_s=60.0)
        except Unreachable:
            self.service(uuid)
            raise
        record = self.api.record(f"/services/{uuid}")
        for part, values in parts.items():
            _compare(record, part, values, action)
        return _service(record)


def _compare(record: Record, part: str, values: Mapping[str, Json], action: str) -> None:
    now = record.record(part).value
    for key, value in values.items():
        wrong = key in now if action == "delete" else key not in now or now[key] != value
        if wrong:
            raise BadAnswer(
                f"sapi: {part}.{key} of service {record.text('uuid')} reads back otherwise than it was written",
                f"look at it: sdc-sapi /services/{record.text('uuid')}",
            )


def _instance(record: Record) -> SapiInstance:
    params = record.record("params")
    return SapiInstance(
        uuid=record.text("uuid"),
        service_uuid=record.text("service_uuid"),
        alias=params.text_or("alias", "") or "",
        server_uuid=params.text_or("server_uuid", "") or "",
    )


def _service(record: Record) -> Service:
    params, metadata = record.record("params"), record.record("metadata")
    return Service(
        uuid=record.text("uuid"),
        name=record.text("name"),
        type=record.text_or("type", "vm") or "vm",
        image_uuid=params.text_or("image_uuid", None),
        user_script=metadata.text_or("user-script", None),
        domain=metadata.text_or("SERVICE_DOMAIN", None),
        delegate_dataset=params.flag("delegate_dataset"),
    )
