"""The door to other programs."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional, Protocol

    class Runner(Protocol):
        """Runs one program to its end."""

        def run(
            self,
            argv: Sequence[str],
            *,
            stdin: Optional[str] = None,
            timeout_s: float = 60.0,
            stdout_to: Optional[str] = None,
        ) -> Completed:
            """Run *argv* (a list, never a shell line) and wait for it.

            *stdout_to* is a global-zone path that takes the output as bytes (``zfs send``). A non-zero exit is
            returned, not raised. Raises CommandFailed when the program does not exist or ran out of time.
            """


@dataclass(frozen=True)
class Completed:
    """What a program said. Text is decoded as UTF-8 with surrogateescape and capped at 16 MiB."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    seconds: float
