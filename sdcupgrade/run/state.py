"""What the lines of a journal amount to: which steps were begun, done or failed, and which runs there were. Pure.

Nothing is ever cleared: every step keeps the numbers of the lines that tell of it, and whether an upgrade step still
stands after a rollback is a comparison of numbers (``moves.py``). Unknown events are passed over.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record
from sdcupgrade.model import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Optional

    from sdcupgrade.jsonvalue import Json


HINT = "the journal was changed by other hands, or by another version; keep a copy; nothing was done"


@dataclass(frozen=True)
class Entry:
    """One line of a journal."""

    seq: int
    time: str
    event: str
    fields: Mapping[str, Json]


class Phase(enum.Enum):
    """How far a step is, by its last line."""

    BEGUN = "begun"
    """Announced, and no result: running now, or the process died; only reality knows."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class StepState:
    """The latest of one step. *begun* and *done* are numbers of lines, 0 for never; *since* is when it last began."""

    step: str
    service: str
    phase: Phase
    since: str
    begun: int
    done: int = 0
    seconds: float = 0.0
    verdict: Optional[Verdict] = None
    message: str = ""
    waiting: str = ""
    waiting_since: str = ""


@dataclass(frozen=True)
class Run:
    """One run of a command. *verdict* is empty while it goes on, and for ever if it was killed."""

    command: str
    seq: int
    started: str
    who: Mapping[str, Json]
    options: Mapping[str, Json]
    ended: str = ""
    verdict: str = ""
    message: str = ""


@dataclass(frozen=True)
class State:
    """Everything that the journal says. *steps* is by id, in the order in which they were first begun."""

    steps: Mapping[str, StepState] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    entries: int = 0
    downloaded: bool = False
    """Whether a download came to its end."""

    def begun(self, step: str) -> int:
        """The number of the line that last announced the step; 0 for never."""
        found = self.steps.get(step)
        return found.begun if found else 0

    def done(self, step: str) -> int:
        """The number of the line that last told of its success; 0 for never."""
        found = self.steps.get(step)
        return found.done if found else 0

    @property
    def open_step(self) -> Optional[StepState]:
        """The step that was announced last, if it has no result yet."""
        return _open(self.steps)

    @property
    def last_run(self) -> Optional[Run]:
        """The latest run that changed or may change something."""
        return self.runs[-1] if self.runs else None

    @property
    def unfinished(self) -> Optional[Run]:
        """The run that ``resume`` goes on with: the latest, unless it ended well."""
        last = self.last_run
        return None if last is None or last.verdict == "done" else last


def fold(entries: Iterable[Entry]) -> State:
    """Read the lines in order. Raises BadInput for a known event without its fields."""
    steps: dict[str, StepState] = {}
    runs: list[Run] = []
    count, downloaded = 0, False
    for entry in entries:
        count += 1
        downloaded = downloaded or entry.event == "downloaded"
        record = Record(dict(entry.fields), f"journal: line {entry.seq}", BadInput, HINT)
        if entry.event in ("intent", "done", "failed"):
            step = record.text("step")
            steps[step] = _STEP_EVENTS[entry.event](steps.get(step), entry, record)
        elif entry.event == "waiting":
            _wait(steps, entry, record)
        elif entry.event == "run-begin":
            who, options = record.record("who").value, record.record("options").value
            runs.append(Run(record.text("command"), entry.seq, entry.time, who, options))
        elif entry.event == "run-end" and runs:
            verdict, message = record.text("verdict"), record.text("message")
            runs[-1] = replace(runs[-1], ended=entry.time, verdict=verdict, message=message)
    return State(steps, tuple(runs), count, downloaded)


def _intent(old: Optional[StepState], entry: Entry, record: Record) -> StepState:
    done = old.done if old else 0
    return StepState(record.text("step"), record.text("service"), Phase.BEGUN, entry.time, entry.seq, done)


def _done(old: Optional[StepState], entry: Entry, record: Record) -> StepState:
    verdict = Verdict.ALREADY if record.flag("already") else Verdict.DONE
    return replace(_begun(old, record), phase=Phase.DONE, done=entry.seq, seconds=_seconds(record), verdict=verdict)


def _failed(old: Optional[StepState], entry: Entry, record: Record) -> StepState:
    message = record.text("message")
    return replace(
        _begun(old, record), phase=Phase.FAILED, seconds=_seconds(record), verdict=Verdict.FAILED, message=message
    )


_STEP_EVENTS = {"intent": _intent, "done": _done, "failed": _failed}


def _begun(old: Optional[StepState], record: Record) -> StepState:
    if old is None:
        raise record.fail("step", "a result of a step that was never announced")
    return old


def _seconds(record: Record) -> float:
    value = record.value.get("seconds")
    return float(value) if isinstance(value, (int, float)) else 0.0


def _wait(steps: dict[str, StepState], entry: Entry, record: Record) -> None:
    step = _open(steps)
    if step is not None:
        steps[step.step] = replace(step, waiting=record.text("text"), waiting_since=entry.time)


def _open(steps: Mapping[str, StepState]) -> Optional[StepState]:
    latest = max(steps.values(), key=lambda step: step.begun, default=None)
    return latest if latest is not None and latest.phase is Phase.BEGUN else None
