"""Asking the operator, who may not be there."""

from __future__ import annotations

from sdcupgrade.errors import Declined
from sdcupgrade.ui.terminal import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


class Prompt:
    """Questions on *stream* (stderr), answers from *source* (stdin). *yes* is ``--yes``; *clear* takes live lines
    away."""

    def __init__(
        self, source: TextIO, stream: TextIO, *, yes: bool = False, clear: Callable[[], None] = lambda: None
    ) -> None:
        self._source = source
        self._stream = stream
        self._yes = yes
        self._clear = clear

    def ask(self, question: str) -> bool:
        """Yes or no; ``--yes`` answers it. Raises Declined when nobody is there to ask."""
        if self._yes:
            return True
        self._need_somebody("type --yes to go on without being asked")
        return self._answer(f"{question} [y/N] ") in ("y", "yes")

    def pause(self, after: str, left: tuple[str, ...]) -> bool:
        """After a service: whether to go on with those left. Under ``--yes`` without a terminal it goes on."""
        if self._yes and not self._source.isatty():
            return True
        self._need_somebody("type --pause never to go on without being asked")
        answer = self._answer(f"{after} is done. Enter goes on with {left[0]} ({len(left)} left), 's' stops here: ")
        return answer not in ("s", "stop", "n", "no", "q", "quit", EOF)

    def again(self, what: str, why: str) -> bool:
        """After a failure: whether to try the same once more. Without a terminal it does not."""
        if not self._source.isatty():
            return False
        self._clear()
        return self._answer(f"{what}: {why}\n'r' tries it again, Enter stops here: ") in ("r", "retry")

    def _need_somebody(self, hint: str) -> None:
        if not self._source.isatty():
            raise Declined("nobody is at a terminal to be asked; nothing was changed", hint)

    def _answer(self, question: str) -> str:
        self._clear()
        write(self._stream, question)
        line = self._source.readline()
        if not line:
            self._stream.write("\n")
            return EOF
        return line.strip().lower()


EOF = "\x04"
"""What an end of input counts as: no answer, which is never a yes."""
