"""Events into the log of the run."""

from __future__ import annotations

from sdcupgrade.model import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.log import Log
    from sdcupgrade.model import Emit, Event


def logged(emit: Emit, log: Log) -> Emit:
    """*emit*, with each event also a line of *log*; progress only at its end, a wait only when for something new."""
    waits: dict[str, str] = {}

    def both(event: Event) -> None:
        if event.kind == "waiting":
            new = waits.get(event.what) != event.text
            waits[event.what] = event.text
        else:
            new = event.kind != "progress" or event.done == event.total
        if new:
            _write(log, event)
        emit(event)

    return both


def _write(log: Log, event: Event) -> None:
    bad = event.kind == "warning"
    say = log.error if event.verdict is Verdict.FAILED else log.warn if bad else log.info
    verdict = event.verdict.value if event.verdict else None
    say(event.text, event=event.kind, what=event.what, seconds=event.seconds, verdict=verdict, **_detail(event))


def _detail(event: Event) -> dict[str, object]:
    return {"detail": dict(event.detail)} if event.detail else {}
