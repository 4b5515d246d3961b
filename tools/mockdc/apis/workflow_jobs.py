"""The life of a workflow job: a chain of steps, run at their times by an event.

A job is a document of kind "job". What begins with ``_`` is ours and never shown. A step is a function of the
datacenter, the job and the time it runs at; it returns its result, or :class:`Again`, or raises :class:`StepFailed`. A
job is advanced by one event at a time, through every step that is due, so it keeps its own time however late somebody
looks.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Union

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

STEP_S = 0.15           # what a step that has nothing to wait for takes in the recordings
OPEN = ("queued", "running")


@dataclass(frozen=True)
class Workflow:
    """*timeout* in seconds for the whole job. *chain*: step names, each maybe with a colon and its own time-out."""

    name: str
    timeout: int
    chain: tuple[str, ...]


@dataclass(frozen=True)
class Again:
    """The step is not done: look again in some seconds."""

    seconds: float


class StepFailed(Exception):
    """*error* is put in the chain's result as it is: text or an object."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.error = error


Step = Callable[["Datacenter", "Doc", float], Union[str, Again]]
Clean = Callable[["Datacenter", "Doc", float], None]


def create(dc: Datacenter, workflow: Workflow, params: dict[str, Any], action: str) -> str:
    """Queue a job; *action* names the event that will call :func:`advance` with the right steps. Returns its uuid."""
    now, job = dc.now(), str(uuid.uuid4())
    chain = [(name, int(limit or 0)) for name, _, limit in (each.partition(":") for each in workflow.chain)]
    dc.store.put("job", job, {
        "name": workflow.name, "uuid": job, "execution": "queued", "params": params, "exec_after": dc.iso(now),
        "created_at": dc.iso(now), "timeout": workflow.timeout, "chain_results": [], "target": None,
        "_chain": chain, "_created": now, "_since": now + STEP_S, "_due": now + STEP_S, "_action": action})
    dc.later(STEP_S, action, job=job)
    return job


def view(job: Doc) -> Doc:
    """The job as VMAPI shows it."""
    return {key: value for key, value in job.items() if not key.startswith("_") and key != "target"}


def full_view(job: Doc) -> Doc:
    """The job as the workflow API shows it."""
    chain = [{"name": name, "timeout": limit, "retry": 1} for name, limit in job["_chain"]]
    return {**view(job), "target": job.get("target") or f"/{job['name']}/{job['params'].get('vm_uuid', '')}",
            "chain": chain, "onerror": [], "onerror_results": [], "num_attempts": 0}


def open_jobs(dc: Datacenter) -> list[Doc]:
    """Jobs that are queued or running, oldest first."""
    return [job for job in dc.store.all("job") if job["execution"] in OPEN]


def advance(dc: Datacenter, uuid: str, steps: dict[str, Step], on_failure: Clean) -> None:
    """Run what is due, and see to it that the rest will run. *on_failure* cleans up after a job."""
    while True:
        with dc.store.transaction():
            job = dc.store.get("job", uuid)
            if job is None or job["execution"] not in OPEN:
                return
            if job["_due"] > dc.now():
                dc.later(job["_due"] - dc.now(), str(job["_action"]), job=uuid)
                return
            _run_one(dc, job, steps)
            if job["execution"] == "failed":
                on_failure(dc, job, job["_due"])
            dc.store.put("job", uuid, job)


def cancel(dc: Datacenter, uuid: str) -> bool:
    """Whether the job was still open."""
    job = dc.store.get("job", uuid)
    if job is None or job["execution"] not in OPEN:
        return False
    dc.store.put("job", uuid, {**job, "execution": "canceled"})
    return True


def _run_one(dc: Datacenter, job: Doc, steps: dict[str, Step]) -> None:
    at = float(job["_due"])
    name, limit = job["_chain"][len(job["chain_results"])]
    job["execution"] = "running"
    try:
        outcome = steps[name](dc, job, at)
        late = at - job["_created"] > job["timeout"] or (limit and at - job["_since"] > limit)
        if isinstance(outcome, Again) and late:
            raise StepFailed("timeout")
    except StepFailed as why:
        _record(dc, job, name, at, result="", error=why.error)
        job["execution"] = "failed"
        return
    if isinstance(outcome, Again):
        job["_due"] = at + outcome.seconds
        return
    _record(dc, job, name, at, result=outcome, error="")
    if len(job["chain_results"]) == len(job["_chain"]):
        job["execution"] = "succeeded"


def _record(dc: Datacenter, job: Doc, name: str, at: float, *, result: str, error: Any) -> None:
    end = at + STEP_S
    job["chain_results"].append({"result": result, "error": error, "name": name, "started_at": dc.iso(job["_since"]),
                                 "finished_at": dc.iso(end)})
    job["_since"] = job["_due"] = end
