"""SAPI 2.1.3: applications, services, instances, manifests, modes, and the configs that zones fetch at first boot.

In proto mode nothing but records changes. In full mode an instance is a VM, made, reprovisioned and destroyed through
VMAPI (``sapi_vms``). While moray is down reads come from the local copy and writes fail (SAPI-219, reference 2.1).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from mockdc.apis import sapi_objects as objects
from mockdc.apis import sapi_vms
from mockdc.apis.routes import Refusal, Router, body_of, params_of, refuse, working
from mockdc.apis.sapi_objects import APPLICATIONS, COLLECTIONS, INSTANCES, MANIFESTS, SERVICES, Collection, mode
from mockdc.apis.web import Request, Response

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter

VERSIONS = {"": 1, "~1": 1, "1": 1, "1.0.0": 1, "*": 2, "~2": 2, "2": 2, "2.0.0": 2, ">=2.0.0": 2}
routes = Router("sapi", "sapi/2.1.3", versions=tuple(VERSIONS), timed=False)


def handle(dc: Datacenter, request: Request) -> Response:
    """Answer one request."""
    return routes(dc, request)


def _version(request: Request) -> int:
    return VERSIONS[request.headers.get("accept-version", "")]


def _must_write(dc: Datacenter) -> None:
    if mode(dc) == "full" and not working(dc, "moray"):
        refuse(500, "InternalError", "moray is unreachable: the object was not written")


def _refuse_master(dc: Datacenter, request: Request) -> None:
    if request.query.get("include_master") == "true" and mode(dc) == "proto":
        refuse(503, "ServiceUnavailableError", "Parameter 'include_master' has been specified but this SAPI instance "
               "has not yet loaded master details")


def _crud(collection: Collection) -> None:
    """The routes that every collection has."""
    base, one = f"/{collection.name}", f"/{collection.name}/:id"

    @routes.on("POST", base)
    def create(dc: Datacenter, request: Request) -> Response:
        given = params_of(request)
        _must_write(dc)
        new = objects.made(dc, collection, given)
        if collection is INSTANCES and mode(dc) == "full":
            new = sapi_vms.provision(dc, new, given)
        dc.store.put(collection.kind, str(new["uuid"]), new)
        more = {"job_uuid": new["job_uuid"]} if "job_uuid" in new else {}
        return Response(200, {**objects.shown(collection, new, _version(request)), **more})

    @routes.on("GET", base)
    def index(dc: Datacenter, request: Request) -> Response:
        _refuse_master(dc, request)
        return Response(200, objects.listed(dc, collection, request.query, _version(request)))

    @routes.on("GET", one)
    def get(dc: Datacenter, request: Request, id: str) -> Response:
        _refuse_master(dc, request)
        return Response(200, objects.shown(collection, objects.find(dc, collection, id), _version(request)))

    if collection is not MANIFESTS:
        @routes.on("PUT", one)
        def update(dc: Datacenter, request: Request, id: str) -> Response:
            given = params_of(request)
            _must_write(dc)
            with dc.store.transaction():
                stored = dc.store.get(collection.kind, id)
                if stored is None:
                    said = f"updateObject failed: no record for bucket {collection.bucket} object {id}"
                    raise Refusal(Response(500, {"message": said}))
                new = objects.changed(collection, stored, given)
                dc.store.put(collection.kind, id, new)
            return Response(200, objects.shown(collection, new, _version(request)))

    @routes.on("DELETE", one)
    def delete(dc: Datacenter, request: Request, id: str) -> Response:
        _must_write(dc)
        if collection is INSTANCES:
            instance = objects.find(dc, INSTANCES, id)
            if mode(dc) == "full" and instance.get("type", "vm") == "vm":
                sapi_vms.destroy(dc, id)
        return Response(204 if dc.store.delete(collection.kind, id) else 404)


for _each in COLLECTIONS.values():
    _crud(_each)


@routes.on("PUT", "/instances/:id/upgrade")
def upgrade(dc: Datacenter, request: Request, id: str) -> Response:
    """Reprovision through VMAPI and wait for the job; the stored object does not change (recording sapi-091)."""
    image = body_of(request).get("image_uuid")
    if not image:
        refuse(409, "MissingParameter", "missing image_uuid")
    instance = objects.find(dc, INSTANCES, id)
    if mode(dc) == "full":
        sapi_vms.reprovision(dc, id, str(image))
    return Response(200, objects.shown(INSTANCES, instance, _version(request)))


@routes.on("GET", "/instances/:id/payload")
def payload(dc: Datacenter, request: Request, id: str) -> Response:
    """What SAPI would send to VMAPI for this instance."""
    return Response(200, sapi_vms.payload(dc, objects.find(dc, INSTANCES, id)))


@routes.on("GET", "/configs/:id")
def configs(dc: Datacenter, request: Request, id: str) -> Response:
    """What config-agent polls and first-boot set-up fetches: manifests, and metadata without the user-script."""
    instance = objects.find(dc, INSTANCES, id)
    service = objects.find(dc, SERVICES, str(instance["service_uuid"]))
    application = objects.find(dc, APPLICATIONS, str(service["application_uuid"]))
    layers = (application, service, instance)
    metadata = {key: value for layer in layers for key, value in (layer.get("metadata") or {}).items()}
    metadata.pop("user-script", None)
    vm = dc.store.get("vm", id) or {}
    server = (instance.get("params") or {}).get("server_uuid") or vm.get("server_uuid")
    own = {"SERVER_UUID": server} if server else {}
    wanted = {name: uuid for layer in layers for name, uuid in (layer.get("manifests") or {}).items()}
    manifests = [dc.store.get(MANIFESTS.kind, str(uuid)) for uuid in wanted.values()]
    body = {"manifests": [each for each in manifests if each is not None],
            "metadata": {**metadata, **own, "ZONE_UUID": id, "INSTANCE_UUID": id}}
    etag = hashlib.sha1(json.dumps(body).encode()).hexdigest()
    if request.headers.get("if-none-match", "").strip('"') == etag:
        return Response(304, None, {"Etag": etag})
    return Response(200, body, {"Etag": etag})


@routes.on("GET", "/mode")
def get_mode(dc: Datacenter, request: Request) -> Response:
    """A bare JSON string."""
    return Response(200, json.dumps(mode(dc)).encode())


@routes.on("POST", "/mode")
def set_mode(dc: Datacenter, request: Request) -> Response:
    """From proto to full; there is no way back over HTTP."""
    wanted = params_of(request).get("mode")
    if wanted is None:
        refuse(409, "MissingParameter", 'missing "mode" parameter')
    if wanted != "full":
        refuse(409, "InvalidArgument", f"invalid mode: {wanted}")
    dc.store.set_meta("sapi_mode", "full")
    return Response(204)


@routes.on("POST", "/cache")
def sync_cache(dc: Datacenter, request: Request) -> Response:
    """The local copy is always fresh here."""
    return Response(204)


@routes.on("GET", "/ping")
def ping(dc: Datacenter, request: Request) -> Response:
    """The mode, the kind of storage, and whether moray can be reached."""
    full = mode(dc) == "full"
    available = not full or working(dc, "moray")
    return Response(200 if available else 500, {
        "mode": mode(dc), "storType": "MorayLocalStorage" if full else "LocalStorage", "storAvailable": available})
