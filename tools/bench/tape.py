"""Doors that remember what came through them, and give it again: the product's own work without the box's.

The first run records; then the same questions get the same answers at once. Files and clock are the box's throughout.
"""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Optional, Union

if TYPE_CHECKING:
    from sdcupgrade.doors import Doors
    from sdcupgrade.doors.http import FileBody, Http, Response, Stream
    from sdcupgrade.doors.run import Completed, Runner


@dataclass
class Tape:
    """Answers by question, in the order in which they came."""

    answers: dict[object, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    calls: int = 0

    def note(self, question: object, answer: Any) -> Any:
        """Record; gives the answer through."""
        self.answers[question].append(answer)
        self.calls += 1
        return answer

    def again(self, question: object) -> Any:
        """The next answer to the question, which then goes to the end: the tape is endless."""
        waiting = self.answers[question]
        waiting.rotate(-1)
        return waiting[-1]


@dataclass
class TapeRunner:
    """Runs programs through *door*, or answers from the tape when there is none."""

    tape: Tape
    door: Optional[Runner]

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Optional[str] = None,
        timeout_s: float = 60.0,
        stdout_to: Optional[str] = None,
    ) -> Completed:
        """See Runner."""
        question = ("run", tuple(argv), stdin)
        if self.door is None:
            found: Completed = self.tape.again(question)
            return found
        done = self.door.run(argv, stdin=stdin, timeout_s=timeout_s, stdout_to=stdout_to)
        self.tape.note(question, done)
        return done

    def find(self, name: str) -> Optional[str]:
        """See Runner; on no tape."""
        return self.door.find(name) if self.door is not None else None


@dataclass
class TapeHttp:
    """Makes requests through *door*, or answers from the tape when there is none."""

    tape: Tape
    door: Optional[Http]

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Union[bytes, FileBody, None] = None,
        timeout_s: float = 30.0,
    ) -> Response:
        """See Http."""
        question = ("http", method, url)
        if self.door is None:
            found: Response = self.tape.again(question)
            return found
        answer = self.door.request(method, url, headers=headers, body=body, timeout_s=timeout_s)
        self.tape.note(question, answer)
        return answer

    def stream(
        self, url: str, *, headers: Optional[Mapping[str, str]] = None, timeout_s: float = 30.0
    ) -> contextlib.AbstractContextManager[Stream]:
        """See Http; nothing that is measured here streams."""
        raise io.UnsupportedOperation("streams are not taped")


def recording(doors: Doors, tape: Tape) -> Doors:
    """*doors*, with everything that comes through put on the tape."""
    return replace(doors, run=TapeRunner(tape, doors.run), admin=TapeHttp(tape, doors.admin),
                   web=TapeHttp(tape, doors.web))  # fmt: skip


def replaying(doors: Doors, tape: Tape) -> Doors:
    """Doors that answer from the tape."""
    return replace(doors, run=TapeRunner(tape, None), admin=TapeHttp(tape, None), web=TapeHttp(tape, None))
