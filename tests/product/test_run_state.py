"""What lines amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdcupgrade.errors import BadInput
from sdcupgrade.model import Verdict
from sdcupgrade.run.state import Entry, Phase, State, fold

if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Json


def _state(*events: tuple[str, str]) -> State:
    """Of (event, step) pairs; line n is written at time n."""
    entries = []
    for number, (event, step) in enumerate(events, 1):
        fields: dict[str, Json] = {"step": step, "service": step.partition(".")[0], "seconds": 2}
        fields.update(message="why", text="for it")
        entries.append(Entry(number, str(number), event, fields))
    return fold(entries)


def test_nothing_is_an_empty_state() -> None:
    assert _state() == State()
    assert State().open_step is None
    assert State().unfinished is None


def test_an_intent_alone_is_open() -> None:
    step = _state(("intent", "a.x")).open_step
    assert step is not None
    assert (step.step, step.service, step.phase, step.since) == ("a.x", "a", Phase.BEGUN, "1")
    assert (step.begun, step.done) == (1, 0)


def test_done_keeps_both_lines_and_the_duration() -> None:
    state = _state(("intent", "a.x"), ("done", "a.x"))
    assert (state.begun("a.x"), state.done("a.x"), state.steps["a.x"].seconds) == (1, 2, 2.0)
    assert state.steps["a.x"].verdict is Verdict.DONE
    assert state.open_step is None


def test_a_failure_keeps_its_reason() -> None:
    state = _state(("intent", "a.x"), ("failed", "a.x"))
    assert (state.steps["a.x"].phase, state.steps["a.x"].message, state.done("a.x")) == (Phase.FAILED, "why", 0)


def test_a_second_try_forgets_the_failure() -> None:
    state = _state(("intent", "a.x"), ("failed", "a.x"), ("intent", "a.x"))
    assert (state.steps["a.x"].phase, state.steps["a.x"].message, state.begun("a.x")) == (Phase.BEGUN, "", 3)


def test_a_step_left_behind_by_a_crash_is_not_open_for_ever() -> None:
    state = _state(("intent", "a.x"), ("intent", "a.undo-x"), ("done", "a.undo-x"))
    assert state.steps["a.x"].phase is Phase.BEGUN
    assert state.open_step is None


def test_a_wait_belongs_to_the_open_step() -> None:
    state = _state(("intent", "a.x"), ("done", "a.x"), ("waiting", ""), ("intent", "a.y"), ("waiting", ""))
    assert state.steps["a.x"].waiting == ""
    assert (state.steps["a.y"].waiting, state.steps["a.y"].waiting_since) == ("for it", "5")


def test_unknown_events_are_passed_over() -> None:
    assert _state(("blessing", "a.x")).steps == {}


def test_a_result_of_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match=r"line 1\.step: a result of a step that was never announced"):
        _state(("done", "a.x"))


def test_an_end_without_a_beginning_is_passed_over() -> None:
    assert fold([Entry(1, "1", "run-end", {"verdict": "done", "message": ""})]).runs == ()


def test_a_killed_run_stays_unfinished_until_another_ends_well() -> None:
    begin: dict[str, Json] = {"command": "upgrade", "who": {}, "options": {}}
    end: dict[str, Json] = {"verdict": "done", "message": ""}
    killed = fold([Entry(1, "1", "run-begin", begin)])
    healed = fold([
        Entry(1, "1", "run-begin", begin), Entry(2, "2", "run-begin", begin), Entry(3, "3", "run-end", end),
    ])
    assert killed.unfinished is not None
    assert healed.unfinished is None
    assert [run.ended for run in healed.runs] == ["", "3"]
