"""Questions are answered by a person, by --yes, or not at all."""

from __future__ import annotations

import io

import pytest

from sdcupgrade.errors import Declined
from sdcupgrade.ui.prompt import Prompt


class Person(io.StringIO):
    """Somebody at a terminal who types this."""

    def isatty(self) -> bool:
        return True


def _prompt(typed: str, yes: bool = False) -> tuple[Prompt, io.StringIO]:
    stream = io.StringIO()
    return Prompt(Person(typed), stream, yes=yes), stream


@pytest.mark.parametrize(
    ("typed", "answer"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("yup\n", False), ("", False)]
)
def test_only_a_clear_yes_is_one(typed: str, answer: bool) -> None:
    prompt, stream = _prompt(typed)
    assert prompt.ask("Upgrade 2 services?") is answer
    assert stream.getvalue().startswith("Upgrade 2 services? [y/N] ")


def test_yes_answers_without_asking() -> None:
    prompt, stream = _prompt("n\n", yes=True)
    assert prompt.ask("Upgrade?")
    assert stream.getvalue() == ""


def test_nobody_is_there_to_ask() -> None:
    with pytest.raises(Declined, match="nothing was changed") as caught:
        Prompt(io.StringIO("y\n"), io.StringIO()).ask("Upgrade?")
    assert "--yes" in caught.value.hint


@pytest.mark.parametrize(("typed", "goes_on"), [("\n", True), ("s\n", False), ("stop\n", False), ("", False)])
def test_a_pause_goes_on_with_enter(typed: str, goes_on: bool) -> None:
    prompt, stream = _prompt(typed)
    assert prompt.pause("imgapi", ("adminui", "cloudapi")) is goes_on
    assert "imgapi is done. Enter goes on with adminui (2 left)" in stream.getvalue()


def test_a_pause_asks_even_under_yes_when_somebody_is_there() -> None:
    assert not _prompt("s\n", yes=True)[0].pause("imgapi", ("adminui",))


def test_a_pause_without_a_terminal() -> None:
    assert Prompt(io.StringIO(), io.StringIO(), yes=True).pause("imgapi", ("adminui",))
    with pytest.raises(Declined) as caught:
        Prompt(io.StringIO(), io.StringIO()).pause("imgapi", ("adminui",))
    assert "--pause never" in caught.value.hint


@pytest.mark.parametrize(("typed", "again"), [("r\n", True), ("\n", False), ("y\n", False)])
def test_a_failure_may_be_tried_again(typed: str, again: bool) -> None:
    assert _prompt(typed)[0].again("imgapi.zone", "vmadm exited 1") is again


def test_a_failure_without_a_terminal_stops() -> None:
    assert not Prompt(io.StringIO("r\n"), io.StringIO(), yes=True).again("imgapi.zone", "vmadm exited 1")


def test_live_lines_are_cleared_before_a_question() -> None:
    cleared: list[bool] = []
    Prompt(Person("y\n"), io.StringIO(), clear=lambda: cleared.append(True)).ask("Upgrade?")
    assert cleared == [True]
