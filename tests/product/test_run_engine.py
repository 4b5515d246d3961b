"""The engine announces before it acts, stops at the first failure, and says what is and what is not."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Optional

import pytest
from product_fakes import FakeClock, Heard, files_in, two_services

from sdcupgrade.errors import BadAnswer, Interrupted, SdcupgradeError, StepFailed, StorageError
from sdcupgrade.model import Verdict
from sdcupgrade.plan.document import Step
from sdcupgrade.run.engine import Engine, Outcome
from sdcupgrade.run.journal import Journal
from sdcupgrade.run.moves import pending_rollback, pending_upgrade

PLAN = two_services()
PATH = "/journal.jsonl"


class World:
    """Steps that take ten seconds each; those in *broken* raise, once for each entry."""

    def __init__(self, clock: FakeClock) -> None:
        self.done: set[str] = set()
        self.applied: list[str] = []
        self.broken: dict[str, list[BaseException]] = {}
        self.watch: Callable[[str], None] = lambda step: None
        self.clock = clock

    def build(self, step: Step) -> Doing:
        return Doing(self, step.id)


class Doing:
    def __init__(self, world: World, step: str) -> None:
        self.world = world
        self.step = step

    def is_done(self) -> bool:
        return self.step in self.world.done

    def apply(self) -> None:
        self.world.watch(self.step)
        self.world.clock.sleep(10)
        if self.world.broken.get(self.step):
            raise self.world.broken[self.step].pop(0)
        self.world.applied.append(self.step)
        self.world.done.add(self.step)


class Rig:
    """An engine on a journal in a folder, over a world."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.clock = FakeClock()
        self.files = files_in(folder)
        self.world = World(self.clock)
        self.heard = Heard()
        self.between: Callable[[str, tuple[str, ...]], bool] = lambda after, left: True
        self.again: Callable[[Step, SdcupgradeError], bool] = lambda step, error: False

    @property
    def journal(self) -> Journal:
        return Journal(self.files, PATH, self.clock)

    def engine(self, journal: Optional[Journal] = None, command: str = "upgrade") -> Engine:
        return Engine(
            self.world.build, journal or self.journal, self.clock, self.heard, command, "foo", "/var/log/x.log",
            self.between, self.again,
        )

    def upgrade(self) -> tuple[Outcome, ...]:
        journal = self.journal
        return self.engine(journal).run(pending_upgrade(PLAN, journal.state))


@pytest.fixture
def rig(tmp_path: pathlib.Path) -> Rig:
    return Rig(tmp_path)


def test_steps_run_in_order_and_services_are_told(rig: Rig) -> None:
    everything = [move.step.id for move in pending_upgrade(PLAN, rig.journal.state)]
    outcomes = rig.upgrade()
    assert rig.world.applied == everything
    assert outcomes == (Outcome("imgapi", Verdict.DONE, 30.0), Outcome("adminui", Verdict.DONE, 30.0))


def test_one_verdict_for_each_service(rig: Rig) -> None:
    rig.upgrade()
    verdicts = [event for event in rig.heard.events if event.kind == "verdict" and not event.detail]
    assert [(event.what, event.seconds) for event in verdicts] == [("imgapi", 30.0), ("adminui", 30.0)]


def test_every_step_is_announced_before_it_begins(rig: Rig) -> None:
    seen: list[str] = []

    def look(step: str) -> None:
        announced = rig.journal.state.open_step
        seen.append(announced.step if announced else "")

    rig.world.watch = look
    rig.upgrade()
    assert seen == rig.world.applied


def test_what_reality_shows_done_is_not_done_again(rig: Rig) -> None:
    rig.world.done = {"imgapi.script", "imgapi.zone", "imgapi.check"}
    outcomes = rig.upgrade()
    assert rig.world.applied == ["adminui.script", "adminui.zone", "adminui.check"]
    assert outcomes[0] == Outcome("imgapi", Verdict.ALREADY, 0.0)
    assert rig.journal.state.steps["imgapi.zone"].verdict is Verdict.ALREADY


def test_a_failure_says_what_is_done_what_is_not_and_what_to_type(rig: Rig) -> None:
    rig.world.broken = {"adminui.zone": [BadAnswer("vmadm exited 1", "see vmadm's log")]}
    with pytest.raises(StepFailed) as caught:
        rig.upgrade()
    assert caught.value.message == "adminui: do adminui.zone: vmadm exited 1 (see vmadm's log)"
    assert caught.value.state == (
        "Done in this run: imgapi. Not touched: none.",
        "Done at adminui: do adminui.script.",
    )
    for command in ("sdcupgrade resume foo", "sdcupgrade rollback foo adminui", "sdcupgrade status foo"):
        assert command in caught.value.hint


def test_a_failure_leaves_the_services_after_it_untouched(rig: Rig) -> None:
    rig.world.broken = {"imgapi.script": [BadAnswer("no")]}
    with pytest.raises(StepFailed) as caught:
        rig.upgrade()
    assert caught.value.state == (
        "Done in this run: none. Not touched: adminui.",
        "Done at imgapi: nothing yet. Nothing disruptive was begun at imgapi.",
    )
    assert rig.world.applied == []
    failed = rig.journal.state.steps["imgapi.script"]
    assert (failed.verdict, failed.message, failed.seconds) == (Verdict.FAILED, "no", 10.0)


def test_resume_tries_the_failed_step_again(rig: Rig) -> None:
    rig.world.broken = {"imgapi.zone": [BadAnswer("no")]}
    with pytest.raises(StepFailed):
        rig.upgrade()
    rig.upgrade()
    assert rig.world.applied.count("imgapi.script") == 1
    assert rig.journal.state.steps["imgapi.zone"].verdict is Verdict.DONE


def test_the_operator_may_have_it_tried_again_at_once(rig: Rig) -> None:
    rig.world.broken = {"imgapi.zone": [BadAnswer("first"), BadAnswer("second")]}
    asked: list[str] = []

    def again(step: Step, error: SdcupgradeError) -> bool:
        asked.append(error.message)
        return True

    rig.again = again
    rig.upgrade()
    assert asked == ["first", "second"]
    assert len(rig.world.applied) == 6


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted("told to stop")])
def test_an_interruption_records_nothing_false(rig: Rig, stop: BaseException) -> None:
    rig.world.broken = {"imgapi.zone": [stop]}
    with pytest.raises(Interrupted, match=r"interrupted at imgapi") as caught:
        rig.upgrade()
    assert caught.value.state[0] == "Done in this run: none. Not touched: adminui."
    assert "sdcupgrade resume foo" in caught.value.hint
    step = rig.journal.state.open_step
    assert step is not None
    assert step.step == "imgapi.zone"


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("number", range(6))
def test_a_crash_in_any_step_is_made_good_without_repeating_it(rig: Rig, number: int, applied: bool) -> None:
    """The process dies between the intent and the result; *applied* tells whether the act had happened."""
    step = pending_upgrade(PLAN, rig.journal.state)[number].step.id
    rig.world.broken = {step: [SystemExit()]}
    with pytest.raises(SystemExit):
        rig.upgrade()
    if applied:
        rig.world.applied.append(step)
        rig.world.done.add(step)
    rig.upgrade()
    assert sorted(rig.world.applied) == sorted(rig.world.done)
    assert len(rig.world.applied) == 6


def test_between_services_the_operator_may_stop(rig: Rig) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def stop(after: str, left: tuple[str, ...]) -> bool:
        asked.append((after, left))
        return False

    rig.between = stop
    with pytest.raises(Interrupted, match="stopped by the operator after imgapi") as caught:
        rig.upgrade()
    assert caught.value.state == ("Done in this run: imgapi. Not touched: adminui.",)
    assert asked == [("imgapi", ("adminui",))]


def test_after_the_last_service_nobody_is_asked(rig: Rig) -> None:
    asked: list[str] = []
    rig.between = lambda after, left: not asked.append(after)  # type: ignore[func-returns-value]  # append says None
    rig.upgrade()
    assert asked == ["imgapi"]


def test_nothing_to_do_is_fine(rig: Rig) -> None:
    assert rig.engine().run(()) == ()


def test_a_rollback_is_run_by_the_same_engine(rig: Rig) -> None:
    rig.upgrade()
    journal = rig.journal
    rig.engine(journal, "rollback").run(pending_rollback(PLAN, journal.state))
    assert rig.world.applied[6:] == [
        f"{name}.undo-{kind}" for name in ("adminui", "imgapi") for kind in ("script", "zone", "check")
    ]


def test_a_failed_rollback_does_not_propose_itself(rig: Rig) -> None:
    rig.upgrade()
    rig.world.broken = {"adminui.undo-zone": [BadAnswer("no")]}
    journal = rig.journal
    with pytest.raises(StepFailed) as caught:
        rig.engine(journal, "rollback").run(pending_rollback(PLAN, journal.state))
    assert "sdcupgrade rollback" not in caught.value.hint
    assert "sdcupgrade resume foo" in caught.value.hint


def _full(journal: Journal, at: str) -> None:
    """From the first *at* on, nothing can be written any more."""
    append = journal._files.append

    def fill(path: str, line: bytes) -> None:
        if f'"event":"{at}"'.encode() in line:
            full.append(True)
        if full:
            raise StorageError("/journal.jsonl: cannot be written: no space left on device")
        append(path, line)

    full: list[bool] = []
    journal._files.append = fill  # type: ignore[method-assign]  # a disk that fills up


def test_nothing_is_done_that_could_not_be_announced(rig: Rig) -> None:
    journal = rig.journal
    _full(journal, "intent")
    with pytest.raises(StepFailed, match=r"imgapi: do imgapi\.script: not begun: .* no space left"):
        rig.engine(journal).run(pending_upgrade(PLAN, journal.state))
    assert rig.world.applied == []


@pytest.mark.parametrize("at", ["done", "failed"])
def test_a_result_that_cannot_be_written_hides_no_failure(rig: Rig, at: str) -> None:
    rig.world.broken = {"imgapi.script": [BadAnswer("the reason")]} if at == "failed" else {}
    journal = rig.journal
    _full(journal, at)
    with pytest.raises(StepFailed, match="the journal could not take it down") as caught:
        rig.engine(journal).run(pending_upgrade(PLAN, journal.state))
    assert ("the reason" in caught.value.message) == (at == "failed")


def test_a_bug_is_not_taken_for_a_failure(rig: Rig) -> None:
    rig.world.broken = {"imgapi.script": [ZeroDivisionError()]}
    with pytest.raises(ZeroDivisionError):
        rig.upgrade()
    assert rig.journal.state.open_step is not None
