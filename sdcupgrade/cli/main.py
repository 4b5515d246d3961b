"""The top: find the command, open the doors, run it, and turn every ending into words and an exit status.

The one handler for errors is here. What was raised on purpose becomes message, hint and log path; anything else is a
bug, whose traceback goes to the log and nowhere else.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from sdcupgrade.cli.commands import find
from sdcupgrade.errors import Bug, Interrupted, NotHere, SdcupgradeError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from typing import NoReturn, Optional, TextIO

    from sdcupgrade.cli.commands import Command
    from sdcupgrade.doors import Doors
    from sdcupgrade.log import Log


def run(
    words: Sequence[str],
    *,
    environ: Optional[Mapping[str, str]] = None,
    doors: Optional[Doors] = None,
    stdin: Optional[TextIO] = None,
    stdout: Optional[TextIO] = None,
    stderr: Optional[TextIO] = None,
) -> int:
    """Run one command line; the exit status. Tests hand in doors and streams of their own."""
    from sdcupgrade.doors.real import environment, open_log

    environ = environment() if environ is None else environ
    out, err = stdout or sys.stdout, stderr or sys.stderr
    try:
        command, rest = find(words)
        options = _parse(command, rest)
    except SdcupgradeError as why:
        return _tell(err, why)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 2
    log = open_log(environ, command.function, home=command.anywhere and not _is_root(environ))
    try:
        return _run(command, options, environ, doors, log, (stdin or sys.stdin, out, err))
    except SdcupgradeError as why:
        log.error(why.message, hint=why.hint, reference=why.reference, status=why.status)
        return _tell(err, why, log)
    except KeyboardInterrupt:
        return _tell(err, Interrupted("interrupted", "sdcupgrade status tells where the upgrade stands"), log)
    except BrokenPipeError:
        return _broken_pipe()
    except Exception as why:  # noqa: BLE001 - the last handler: no traceback may reach the operator
        return _tell(err, _bug(why, log), log)
    finally:
        log.close()
        if log.trouble:
            err.write(f"sdcupgrade: warning: {log.trouble}\n")


def _parse(command: Command, words: Sequence[str]) -> Namespace:
    from argparse import ArgumentParser, Namespace
    from importlib import import_module

    class Parser(ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise UsageError(f"{command.name}: {message}", f"see sdcupgrade {command.name} --help")

    parser = Parser(f"sdcupgrade {command.name}", description=command.help, allow_abbrev=False)
    getattr(import_module(command.module), f"{command.function}_arguments")(parser)
    return parser.parse_intermixed_args(_with_values(words), Namespace(command=command.name))


def _with_values(words: Sequence[str]) -> list[str]:
    """``-s -name`` as one word: argparse takes a value that begins with a dash for another option."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "-s" and word.startswith("-"):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _run(
    command: Command,
    options: Namespace,
    environ: Mapping[str, str],
    doors: Optional[Doors],
    log: Log,
    streams: tuple[TextIO, TextIO, TextIO],
) -> int:
    from importlib import import_module

    from sdcupgrade.cli.session import open_session

    if doors is None and not command.anywhere and not _is_root(environ):
        raise NotHere("sdcupgrade must be run as root", "become root on the headnode; nothing was changed")
    log.info(f"sdcupgrade {command.name}", options={key: repr(value) for key, value in vars(options).items()})
    session = open_session(environ, doors, log, options, streams)
    try:
        status: int = getattr(import_module(command.module), command.function)(session, options)
        log.info(f"sdcupgrade {command.name} ended", status=status)
        streams[1].flush()
        return status
    finally:
        session.terminal.clear()


def _is_root(environ: Mapping[str, str]) -> bool:
    """Whether it may change a global zone: root on the real one, anybody in a folder that stands for one."""
    return environ.get("SDCUPGRADE_ROOT", "/") not in ("", "/") or os.geteuid() == 0


def _tell(err: TextIO, why: SdcupgradeError, log: Optional[Log] = None) -> int:
    """Message, hint and where to read more, a line each, on stderr; the exit status."""
    from sdcupgrade.ui.words import one_line

    hint = why.hint or why.advice
    with suppress(BrokenPipeError, ValueError):
        err.write(f"sdcupgrade: {one_line(why.message)}\n")
        for line in why.state:
            err.write(f"  state: {one_line(line)}\n")
        if hint:
            err.write(f"  next: {one_line(hint)}\n")
        if log is not None and log.path and not log.trouble and why.status != Interrupted.status:
            err.write(f"  log: {log.path}\n")
        err.flush()
    return why.status


def _bug(why: Exception, log: Log) -> Bug:
    import traceback

    log.error("a bug in sdcupgrade", err="".join(traceback.format_exception(type(why), why, why.__traceback__)))
    hint = f"send the log {log.path} to the developers; sdcupgrade status tells where the upgrade stands"
    return Bug(f"a bug in sdcupgrade: {type(why).__name__}: {why}", hint)


def _broken_pipe() -> int:
    """The reader of stdout went away (``| head``): not an error, and no second complaint at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
