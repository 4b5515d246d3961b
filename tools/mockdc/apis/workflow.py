"""The workflow API: list, look at, cancel jobs (kind "job"). Draining is polling ``?execution=running`` (2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockdc.apis import workflow_jobs
from mockdc.apis.routes import Router, refuse, working
from mockdc.apis.web import Request, Response

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

routes = Router("workflow", "WorkflowAPI")
EXECUTIONS = ("queued", "running", "waiting", "succeeded", "failed", "canceled", "retried")


def handle(dc: Datacenter, request: Request) -> Response:
    """Answer one request."""
    return routes(dc, request)


def _find(dc: Datacenter, id: str) -> Doc:
    found = dc.store.get("job", id)
    if found is None:
        refuse(404, "ResourceNotFound", f"Job {id} not found")
    return found


@routes.on("GET", "/jobs")
def index(dc: Datacenter, request: Request) -> Response:
    """Newest first; filters execution, vm_uuid, task, server_uuid."""
    query = request.query
    if query.get("execution", "queued") not in EXECUTIONS:
        refuse(409, "InvalidArgument", f"Job execution must be one of {', '.join(EXECUTIONS)}")
    wanted = {key: query[key] for key in ("vm_uuid", "task", "server_uuid") if key in query}
    found = [job for job in reversed(dc.store.all("job"))
             if query.get("execution") in (None, job["execution"])
             and all(job["params"].get(key) == value for key, value in wanted.items())]
    start = int(query.get("offset", 0))
    return Response(200, [workflow_jobs.full_view(job) for job in found[start:start + int(query.get("limit", 1000))]])


@routes.on("GET", "/jobs/:id")
def get(dc: Datacenter, request: Request, id: str) -> Response:
    """One job."""
    return Response(200, workflow_jobs.full_view(_find(dc, id)))


@routes.on("GET", "/jobs/:id/info")
def info(dc: Datacenter, request: Request, id: str) -> Response:
    """Jobs here report no progress of their own."""
    _find(dc, id)
    return Response(200, [])


@routes.on("POST", "/jobs/:id/cancel")
def cancel(dc: Datacenter, request: Request, id: str) -> Response:
    """409 when it has ended already."""
    _find(dc, id)
    if not workflow_jobs.cancel(dc, id):
        refuse(409, "InvalidArgument", "Finished jobs cannot be canceled")
    return Response(200, workflow_jobs.full_view(_find(dc, id)))


@routes.on("GET", "/workflows")
def workflows(dc: Datacenter, request: Request) -> Response:
    """The workflows that VMAPI registers."""
    from mockdc.apis.vmapi_jobs import WORKFLOWS

    return Response(200, [{"name": each.name, "timeout": each.timeout} for each in WORKFLOWS.values()])


@routes.on("GET", "/stats")
def stats(dc: Datacenter, request: Request) -> Response:
    """How many jobs there are of each execution."""
    counts: dict[str, int] = {}
    for job in dc.store.all("job"):
        counts[job["execution"]] = counts.get(job["execution"], 0) + 1
    return Response(200, {"all_time": counts})


@routes.on("GET", "/ping")
def ping(dc: Datacenter, request: Request) -> Response:
    """Alive, and whether moray is."""
    online = working(dc, "moray")
    return Response(200 if online else 503, {"pid": 1, "backend": "up" if online else "down"})
