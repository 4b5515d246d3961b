"""Images from another images server: manifests, files, and the workflow job behind import-remote.

The job takes its steps by events, and works through the server's own API as the real one does: so two jobs for one
image race, and the clean-up of the one that loses tries to delete what the winner made (recordings dc-011, 037 to 039).
Left out: real HTTP; a source is another store of the same datacenter.
"""

from __future__ import annotations

import json
import pathlib
import urllib.parse
import uuid as uuids
from typing import TYPE_CHECKING, Any, Callable, Optional

from mockdc.apis.routes import Refusal, refuse, working
from mockdc.apis.web import FileBody, Request, Response

if TYPE_CHECKING:
    from mockdc.apis.imgapi.asking import Asking
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

QUEUE_S, STEP_S, CLEAN_S, BYTES_PER_S = 0.1, 0.45, 0.7, 100e6
CHAIN = (("origin_import_images", 3600), ("import_image", 60), ("add_image_file", 3600), ("activate_image", 10))
ON_ERROR = (("delete_image", 60), ("origin_delete_images", 60), ("On error", 0))
ASYNC = {name: {"async": "async"} for name in ("origin_import_images", "origin_delete_images")}
WORKFLOW = "import-remote-image"


class StepFailed(Exception):
    """A call of the job's was refused."""

    def __init__(self, answer: Response) -> None:
        super().__init__(str(answer.body))
        self.code: str = answer.body["code"]
        self.message: str = answer.body["message"]
        self.status = answer.status

    def told(self) -> Doc:
        """As a job's result shows it."""
        body = {"code": self.code, "message": self.message}
        return {"jse_shortmsg": "", "jse_info": {}, "message": self.message, "statusCode": self.status, "body": body,
                "restCode": self.code, "name": f"{self.code}Error"}


# --- the source -----------------------------------------------------------------------------------------------------
def manifest(dc: Datacenter, uuid: str, url: str) -> Doc:
    """The manifest that a source has. Raises Refusal (503)."""
    answer = _ask_source(dc, url, f"/images/{uuid}")
    if answer.status != 200:
        told = f"Unable to get manifest for image {uuid}. Error from remote: {answer.body['message']}"
        refuse(503, "RemoteSourceError", told)
    found: Doc = answer.body
    return found


def file(dc: Datacenter, uuid: str, url: str) -> tuple[Doc, pathlib.Path]:
    """The entry in ``files`` and the file of a source's image. Raises Refusal (503)."""
    entries = manifest(dc, uuid, url)["files"]
    answer = _ask_source(dc, url, f"/images/{uuid}/file")
    if not entries or not isinstance(answer.body, FileBody):
        refuse(503, "RemoteSourceError", f"Unable to get file for image {uuid}")
    return entries[0], pathlib.Path(answer.body.path)


def _ask_source(dc: Datacenter, url: str, path: str) -> Response:
    from mockdc.apis.imgapi import handle

    known: dict[str, str] = dc.store.meta("imgapi:sources", {})
    store = next((name for start, name in known.items() if url.startswith(start)), "updates")
    query = urllib.parse.urlsplit(url).query
    return handle(dc, Request.make("GET", path + (f"?{query}" if query else ""), {"Accept-Version": "~2"}), store)


# --- the job --------------------------------------------------------------------------------------------------------
def import_remote(asking: Asking, uuid: str) -> Response:
    """AdminImportRemoteImage: accepted when the source has the image and this server has not (yet)."""
    dc, source = asking.dc, asking.request.query.get("source")
    if not source:
        errors = [{"field": "source", "code": "MissingParameter"}]
        refuse(422, "ValidationFailed", "missing source parameter", errors=errors)
    skip = asking.flag("skip_owner_check")
    if asking.options.mode != "dc" or not working(dc, "workflow"):
        refuse(503, "ServiceUnavailableError", "Workflow API is down.")
    if asking.load(uuid):
        refuse(409, "ImageUuidAlreadyExists", f'image uuid "{uuid}" already exists')
    params = {"image_uuid": uuid, "req_id": str(uuids.uuid4()), "source": source, "skip_owner_check": skip,
              "allowInsecure": False, "task": WORKFLOW}
    origins = _missing_origins(asking, manifest(dc, uuid, source), source)
    job = _queue(asking, {"origins": origins, **params} if origins else params)
    api = "http://" + dc.config.get("workflow_domain", "workflow")
    return Response(200, {"image_uuid": uuid, "job_uuid": job}, {"workflow-api": api})


def _missing_origins(asking: Asking, image: Doc, source: str) -> list[str]:
    """Deepest first."""
    found: list[str] = []
    while image.get("origin") and not asking.load(image["origin"]):
        found.insert(0, image["origin"])
        image = manifest(asking.dc, image["origin"], source)
    return found


def _queue(asking: Asking, params: Doc) -> str:
    dc, job, uuid = asking.dc, str(uuids.uuid4()), params["image_uuid"]
    kind = dc.name_uuid(WORKFLOW)
    dc.store.put("job", job, {
        "execution": "queued", "chain_results": [], "params": params, "image_uuid": uuid, "task": WORKFLOW,
        "target": f"/import-remote-{uuid}", "workflow": kind, "exec_after": dc.iso(), "num_attempts": 0, "uuid": job,
        "workflow_uuid": kind, "name": f"{WORKFLOW}-7.0.7", "version": "7.0.7", "timeout": 7250,
        "created_at": dc.iso(), "runner_id": None, "onerror_results": [], "oncancel_results": [], "info": [],
        "_chain": CHAIN, "_created": dc.now(), "_store": asking.store, "_todo": [],
    })  # fmt: skip
    dc.later(QUEUE_S, "mockdc.apis.imgapi.remote:advance", job=job, step="begin")
    return job


def advance(dc: Datacenter, job: str, step: str) -> None:
    """Event: take one step of a job and plan the next."""
    doc = dc.store.get("job", job)
    if doc is None or doc["execution"] not in ("queued", "running"):
        return
    doc["execution"] = "running"
    results = doc["onerror_results" if step in dict(ON_ERROR) else "chain_results"]
    since = doc.setdefault("_since", dc.now())
    doc.setdefault("started", int(dc.now() * 1000))
    entry: Doc = {"result": "", "error": "", "name": step, "started_at": dc.iso(since), "finished_at": dc.iso()}
    following: Optional[tuple[str, float]]
    try:
        entry["result"], following = STEPS[step](dc, doc)
    except StepFailed as why:
        entry["error"] = why.told()
        following = None if step in dict(ON_ERROR) else ("delete_image", 0.0)
    if step != "begin" or entry["error"]:
        results.append({**entry, "name": CHAIN[0][0] if step == "begin" else step})
    if step != "begin":
        doc["_since"] = dc.now()
    if following is None:
        doc["execution"] = "failed" if doc["onerror_results"] else "succeeded"
        doc["elapsed"] = round(dc.now() - doc["_created"], 2)
    dc.store.put("job", job, doc)
    if following:
        dc.later(following[1], "mockdc.apis.imgapi.remote:advance", job=job, step=following[0])


Next = tuple[str, Optional[tuple[str, float]]]


def _begin(dc: Datacenter, job: Doc) -> Next:
    """Bring the origins in; one that another job is bringing in is taken as it is."""
    for origin in job["params"].get("origins", []):
        if _state(dc, job, origin) == "active":
            continue
        _call(dc, job, "POST", f"/images/{origin}?action=import&" + _given(job), tolerate="ImageUuidAlreadyExists")
        _call(dc, job, "PUT", f"/images/{origin}/file?" + _given(job))
        job["_todo"].append(origin)
    return "", ("origin_import_images", STEP_S)


def _origins(dc: Datacenter, job: Doc) -> Next:
    if "origins" not in job["params"]:
        return "No origins (skipping import of origins)", ("import_image", STEP_S)
    for origin in job["_todo"]:
        _call(dc, job, "POST", f"/images/{origin}?action=activate")
    return "Image origins have been imported", ("import_image", STEP_S)


def _import(dc: Datacenter, job: Doc) -> Next:
    uuid = job["image_uuid"]
    answer = _call(dc, job, "POST", f"/images/{uuid}?action=import&" + _given(job))
    size = sum(each["size"] for each in manifest(dc, uuid, job["params"]["source"])["files"])
    return f"Image {answer.body['uuid']} created", ("add_image_file", STEP_S + size / BYTES_PER_S)


def _file(dc: Datacenter, job: Doc) -> Next:
    uuid = job["image_uuid"]
    _call(dc, job, "PUT", f"/images/{uuid}/file?" + _given(job))
    return f"Image {uuid} file added", ("activate_image", STEP_S)


def _activate(dc: Datacenter, job: Doc) -> Next:
    uuid = job["image_uuid"]
    _call(dc, job, "POST", f"/images/{uuid}?action=activate")
    return f"Image {uuid} activated", None


def _delete(dc: Datacenter, job: Doc) -> Next:
    """The loser's clean-up: it does not ask who made the image."""
    uuid = job["image_uuid"]
    answer = _call(dc, job, "DELETE", f"/images/{uuid}", tolerate="ResourceNotFound")
    told = "deleted" if answer.status == 204 else "did not exist to be deleted"
    return f"Image {uuid} {told}", ("origin_delete_images", CLEAN_S)


def _delete_origins(dc: Datacenter, job: Doc) -> Next:
    if "origins" not in job["params"]:
        return "No origin images to delete", None
    for origin in reversed(job["params"]["origins"]):
        _call(dc, job, "DELETE", f"/images/{origin}", tolerate="ResourceNotFound")
    return "Origin images have been deleted", None


STEPS: dict[str, Callable[[Any, Any], Next]] = {
    "begin": _begin,
    "origin_import_images": _origins,
    "import_image": _import,
    "add_image_file": _file,
    "activate_image": _activate,
    "delete_image": _delete,
    "origin_delete_images": _delete_origins,
}


def _given(job: Doc) -> str:
    skip = json.dumps(job["params"]["skip_owner_check"])
    return urllib.parse.urlencode({"source": job["params"]["source"], "skip_owner_check": skip})


def _call(dc: Datacenter, job: Doc, method: str, target: str, tolerate: str = "") -> Response:
    """One call to the server that the job works for. Raises StepFailed."""
    from mockdc.apis.imgapi import handle

    answer = handle(dc, Request.make(method, target), job["_store"])
    if answer.status >= 400 and answer.body.get("code") != tolerate:
        raise StepFailed(answer)
    return answer


def _state(dc: Datacenter, job: Doc, uuid: str) -> Optional[str]:
    found = dc.store.get("image", f"{job['_store']}/{uuid}")
    return str(found["state"]) if found else None


# --- asking about jobs ----------------------------------------------------------------------------------------------
def jobs(asking: Asking, uuid: str) -> Response:
    """GET /images/U/jobs, also of an image that is gone."""
    if asking.options.mode != "dc":
        refuse(503, "ServiceUnavailableError", "Workflow API is down.")
    return Response(200, [shown(each) for each in asking.dc.store.all("job") if each.get("image_uuid") == uuid])


def job(asking: Asking, uuid: str, job: str) -> Response:
    """GET /images/U/jobs/J."""
    found = asking.dc.store.get("job", job)
    if found is None or found.get("image_uuid") != uuid:
        raise Refusal(Response(404, {"code": "ResourceNotFound", "message": f"job {job} not found"}))
    return Response(200, shown(found))


def shown(doc: Doc) -> Doc:
    """A job as IMGAPI shows it, with its chains."""
    def chain(steps: tuple[tuple[str, int], ...]) -> list[Doc]:
        return [{"name": name, "body": "function", "modules": {"sdcClients": "sdc-clients", **ASYNC.get(name, {})},
                 "timeout": limit, "retry": 1} if limit else {"name": name, "modules": {}, "body": "function"}
                for name, limit in steps]

    return {**{key: value for key, value in doc.items() if not key.startswith("_")}, "chain": chain(CHAIN),
            "onerror": chain(ON_ERROR), "oncancel": chain(tuple((name, 10) for name, _ in ON_ERROR[:2]))}
