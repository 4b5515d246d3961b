"""The engine: carries out the moves it is given, one after another, journalling each before and after.

It has no choices and knows nothing of any service: what is still to be done was decided by ``moves.py``, how a step is
done is known to the actions it builds. It stops at the first failure and says what was done, what was not touched and
what to type. An interruption leaves an announced step without a result, which is the truth; ``resume`` asks reality.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.errors import Interrupted, SdcupgradeError, StepFailed, StorageError
from sdcupgrade.model import Event, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sdcupgrade.doors.clock import Clock
    from sdcupgrade.model import Emit
    from sdcupgrade.plan.document import ServicePlan, Step
    from sdcupgrade.run.journal import Journal
    from sdcupgrade.run.moves import Move
    from sdcupgrade.steps.registry import Action

    Build = Callable[[Step], Action]


QUICK_S = 60
"""Steps that may take no longer are not worth a line of their own before they are done."""


@dataclass(frozen=True)
class Outcome:
    """How it went with one service: its *verdict* and the *seconds* that its moves took."""

    service: str
    verdict: Verdict
    seconds: float


def _go_on(after: str, left: tuple[str, ...]) -> bool:
    return True


def _stop(step: Step, error: SdcupgradeError) -> bool:
    return False


@dataclass(frozen=True)
class Engine:
    """*command* is ``upgrade`` or ``rollback``, *name* the upgrade's. *between* is called after a service that is not
    the last, with it and those left, and says whether to go on (``--pause each``). *again* is asked about a step that
    failed and says whether to try it once more. *evidence* is where the log of this run is.

    Give the actions that *build* makes the journal's own :meth:`~sdcupgrade.run.journal.Journal.noting` as emit.
    """

    build: Build
    journal: Journal
    clock: Clock
    emit: Emit
    command: str
    name: str
    evidence: str = ""
    between: Callable[[str, tuple[str, ...]], bool] = _go_on
    again: Callable[[Step, SdcupgradeError], bool] = _stop

    def run(self, moves: Sequence[Move]) -> tuple[Outcome, ...]:
        """Carry out *moves*. Raises StepFailed at the first that fails, Interrupted on Ctrl-C or a no at a pause."""
        outcomes: list[Outcome] = []
        services = _grouped(moves)
        planned = {move.service.service: move.service for move in moves}
        for number, (service, steps) in enumerate(services):
            left = tuple(name for name, _ in services[number + 1 :])
            try:
                outcomes.append(self._service(service, steps))
                go_on = not left or self.between(service, left)
            except StepFailed as failed:
                state = (*self._state(outcomes, left), *self._reached(planned[service]))
                raise StepFailed(failed.message, self._hint(service), state) from failed.__cause__
            except (KeyboardInterrupt, Interrupted) as why:
                state = (*self._state(outcomes, left), *self._reached(planned[service]))
                raise Interrupted(f"interrupted at {service}", self._hint(service), state) from why
            if not go_on:
                text = f"stopped by the operator after {service}"
                raise Interrupted(text, self._hint(service), self._state(outcomes, left))
        return tuple(outcomes)

    def _service(self, service: str, steps: Sequence[Step]) -> Outcome:
        started = self.clock.monotonic()
        self.emit(Event("started", service, f"{self.command} {service}"))
        verdicts = set()
        try:
            for step in steps:
                verdicts.add(self._step(service, step))
        except StepFailed:
            self._verdict(service, f"{service}: {self.command} failed", Verdict.FAILED, started)
            raise
        verdict = Verdict.ALREADY if verdicts == {Verdict.ALREADY} else Verdict.DONE
        text = f"{service}: nothing was left to do" if verdict is Verdict.ALREADY else f"{service}: {self.command} done"
        return Outcome(service, verdict, self._verdict(service, text, verdict, started))

    def _verdict(self, what: str, text: str, verdict: Verdict, started: float) -> float:
        seconds = round(self.clock.monotonic() - started, 3)
        self.emit(Event("verdict", what, text, seconds=seconds, verdict=verdict))
        return seconds

    def _step(self, service: str, step: Step) -> Verdict:
        """Do one step, trying again as long as :attr:`again` says so."""
        while True:
            started = self.clock.monotonic()
            try:
                self.journal.append("intent", service=service, step=step.id, says=step.says)
            except StorageError as error:
                raise StepFailed(f"{service}: {step.says}: not begun: {error.message}") from error
            try:
                return self._try(service, step, started)
            except Interrupted:
                raise
            except SdcupgradeError as error:
                failed = self._failed(service, step, error, started)
                if not self.again(step, error):
                    raise failed from error

    def _try(self, service: str, step: Step, started: float) -> Verdict:
        quick = step.timeout_s <= QUICK_S and not step.disruptive
        self.emit(Event("started", step.id, step.says, detail={"service": service, "quick": quick}))
        action = self.build(step)
        already = action.is_done()
        if not already:
            action.apply()
        seconds = round(self.clock.monotonic() - started, 3)
        self.journal.append("done", service=service, step=step.id, seconds=seconds, already=already)
        verdict = Verdict.ALREADY if already else Verdict.DONE
        self.emit(Event("verdict", step.id, step.says, seconds=seconds, verdict=verdict, detail={"service": service}))
        return verdict

    def _failed(self, service: str, step: Step, error: SdcupgradeError, started: float) -> StepFailed:
        """Record the failure; if even that cannot be written, the failure itself is what the operator must hear."""
        seconds = round(self.clock.monotonic() - started, 3)
        text = f"{service}: {step.says}: {error.message}"
        try:
            self.journal.append(
                "failed",
                service=service,
                step=step.id,
                seconds=seconds,
                message=error.message,
                hint=error.hint,
                reference=error.reference,
                evidence=self.evidence,
            )
        except StorageError as why:
            text += f" (and the journal could not take it down: {why.message})"
        what = {"service": service}
        self.emit(Event("verdict", step.id, error.message, seconds=seconds, verdict=Verdict.FAILED, detail=what))
        return StepFailed(text + (f" ({error.hint})" if error.hint else ""))

    def _state(self, outcomes: Sequence[Outcome], left: Sequence[str]) -> tuple[str, ...]:
        done = ", ".join(outcome.service for outcome in outcomes) or "none"
        return (f"Done in this run: {done}. Not touched: {', '.join(left) or 'none'}.",)

    def _reached(self, planned: ServicePlan) -> tuple[str, ...]:
        """How far the service is at which it stopped, in either direction."""
        state = self.journal.state
        steps = planned.rollback if self.command == "rollback" else planned.steps
        done = "; ".join(step.says for step in steps if state.done(step.id) > state.begun(step.id))
        begun = any(state.begun(step.id) for step in (*planned.steps, *planned.rollback) if step.disruptive)
        spared = "" if begun else f" Nothing disruptive was begun at {planned.service}."
        return (f"Done at {planned.service}: {done or 'nothing yet'}.{spared}",)

    def _hint(self, service: str) -> str:
        back = f"sdcupgrade rollback {self.name} {service}"
        go_back = "" if self.command == "rollback" else f"; to go back: {back} (or without {service}, for all)"
        return f"to go on: sdcupgrade resume {self.name}{go_back}; to look: sdcupgrade status {self.name}"


def _grouped(moves: Sequence[Move]) -> list[tuple[str, list[Step]]]:
    groups: list[tuple[str, list[Step]]] = []
    for move in moves:
        if not groups or groups[-1][0] != move.service.service:
            groups.append((move.service.service, []))
        groups[-1][1].append(move.step)
    return groups
