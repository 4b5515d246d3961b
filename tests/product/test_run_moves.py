"""What is still to be done: up, down, up again, and from the middle of each."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from product_fakes import two_services

from sdcupgrade.errors import BadInput
from sdcupgrade.run.moves import Move, Standing, pending_rollback, pending_upgrade, standing
from sdcupgrade.run.state import Entry, State, fold

PLAN = two_services()
UP = [f"{name}.{kind}" for name in ("imgapi", "adminui") for kind in ("script", "zone", "check")]
DOWN = [f"{name}.undo-{kind}" for name in ("adminui", "imgapi") for kind in ("script", "zone", "check")]


def _ids(moves: Iterable[Move]) -> list[str]:
    return [move.step.id for move in moves]


class _Story:
    """A journal told step by step."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def _say(self, event: str, step: str) -> None:
        fields = {"step": step, "service": step.partition(".")[0], "message": ""}
        self._entries.append(Entry(len(self._entries) + 1, "", event, fields))

    def did(self, *steps: str) -> _Story:
        for step in steps:
            self._say("intent", step)
            self._say("done", step)
        return self

    def began(self, step: str) -> _Story:
        self._say("intent", step)
        return self

    def failed(self, step: str) -> _Story:
        self._say("intent", step)
        self._say("failed", step)
        return self

    @property
    def state(self) -> State:
        return fold(self._entries)


def test_at_first_everything_is_to_be_done_and_nothing_undone() -> None:
    assert _ids(pending_upgrade(PLAN, State())) == UP
    assert pending_rollback(PLAN, State()) == ()


@pytest.mark.parametrize("count", range(len(UP) + 1))
def test_an_upgrade_goes_on_where_it_stopped(count: int) -> None:
    assert _ids(pending_upgrade(PLAN, _Story().did(*UP[:count]).state)) == UP[count:]


@pytest.mark.parametrize("count", range(len(UP)))
def test_a_step_without_result_is_to_be_done(count: int) -> None:
    assert _ids(pending_upgrade(PLAN, _Story().did(*UP[:count]).began(UP[count]).state)) == UP[count:]
    assert _ids(pending_upgrade(PLAN, _Story().did(*UP[:count]).failed(UP[count]).state)) == UP[count:]


def test_a_rollback_goes_backwards_through_the_services() -> None:
    assert _ids(pending_rollback(PLAN, _Story().did(*UP).state)) == DOWN


def test_a_rollback_undoes_only_what_was_begun() -> None:
    assert _ids(pending_rollback(PLAN, _Story().did("imgapi.script").state)) == ["imgapi.undo-script"]
    assert _ids(pending_rollback(PLAN, _Story().began("imgapi.script").state)) == ["imgapi.undo-script"]


def test_a_rollback_of_one_service_leaves_the_rest() -> None:
    state = _Story().did(*UP).state
    assert _ids(pending_rollback(PLAN, state, ["imgapi"])) == DOWN[3:]
    assert _ids(pending_rollback(PLAN, state, [])) == DOWN


def test_a_rollback_of_a_service_that_is_not_in_the_plan() -> None:
    with pytest.raises(BadInput, match="moray: not part of upgrade foo, which has: imgapi, adminui"):
        pending_rollback(PLAN, State(), ["moray", "imgapi"])


@pytest.mark.parametrize("count", range(len(DOWN) + 1))
def test_a_rollback_goes_on_where_it_stopped(count: int) -> None:
    assert _ids(pending_rollback(PLAN, _Story().did(*UP, *DOWN[:count]).state)) == DOWN[count:]


@pytest.mark.parametrize("count", range(len(DOWN)))
def test_a_rollback_step_without_result_is_to_be_done(count: int) -> None:
    assert _ids(pending_rollback(PLAN, _Story().did(*UP, *DOWN[:count]).began(DOWN[count]).state)) == DOWN[count:]


def test_after_a_rollback_everything_can_be_done_again() -> None:
    assert _ids(pending_upgrade(PLAN, _Story().did(*UP, *DOWN).state)) == UP


def test_after_a_partial_rollback_only_that_service_is_done_again() -> None:
    state = _Story().did(*UP, *DOWN[3:]).state
    assert _ids(pending_upgrade(PLAN, state)) == UP[:3]
    assert _ids(pending_rollback(PLAN, state)) == DOWN[:3]


def test_up_down_and_up_again_can_be_taken_down_again() -> None:
    story = _Story().did(*UP, *DOWN, *UP)
    assert _ids(pending_upgrade(PLAN, story.state)) == []
    assert _ids(pending_rollback(PLAN, story.state)) == DOWN


def test_a_rollback_given_up_in_the_middle_is_upgraded_over() -> None:
    story = _Story().did(*UP, DOWN[0])
    assert _ids(pending_upgrade(PLAN, story.state)) == UP[3:]
    story.did(*UP[3:])
    assert _ids(pending_rollback(PLAN, story.state)) == DOWN


def test_optional_steps_only_when_asked_for() -> None:
    plan = two_services(option="snapshot")
    assert _ids(pending_upgrade(plan, State())) == UP
    assert _ids(pending_upgrade(plan, State(), {"snapshot"}))[0] == "imgapi.keep"


@pytest.mark.parametrize(
    ("story", "where"),
    [
        (_Story(), Standing.UNTOUCHED),
        (_Story().began(UP[0]), Standing.PARTLY),
        (_Story().did(*UP[:2]), Standing.PARTLY),
        (_Story().did(*UP[:3]), Standing.UPGRADED),
        (_Story().did(*UP[:3], DOWN[3]), Standing.PARTLY),
        (_Story().did(*UP[:3], *DOWN[3:]), Standing.ROLLED_BACK),
        (_Story().did(UP[0], DOWN[3]), Standing.ROLLED_BACK),
        (_Story().did(*UP[:3], *DOWN[3:], UP[0]), Standing.PARTLY),
        (_Story().did(*UP[:3], *DOWN[3:], *UP[:3]), Standing.UPGRADED),
    ],
)
def test_where_a_service_stands(story: _Story, where: Standing) -> None:
    assert standing(PLAN.services[0], story.state) is where
