"""One run of one command: the site it works on, and the terminal it talks to."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sdcupgrade.cli.options import source_options
from sdcupgrade.errors import NoInput
from sdcupgrade.stages.site import Site, Who
from sdcupgrade.ui.prompt import Prompt
from sdcupgrade.ui.record import logged
from sdcupgrade.ui.terminal import terminal as terminal_for
from sdcupgrade.ui.terminal import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from typing import Optional, TextIO

    from sdcupgrade.doors import Doors
    from sdcupgrade.log import Log
    from sdcupgrade.ui.terminal import Terminal


WIDE = 120
"""Columns that the tables of plans and statuses take, when names are of the usual length."""


@dataclass(frozen=True)
class Session:
    """*out* takes answers; the story goes through *terminal* to stderr."""

    site: Site
    terminal: Terminal
    out: TextIO
    err: TextIO

    @property
    def narrow(self) -> bool:
        """Whether answers go to a terminal that is too narrow for a table with everything in it."""
        if not self.out.isatty():
            return False
        try:
            return os.get_terminal_size(self.out.fileno()).columns < WIDE
        except OSError:
            return True

    def say(self, text: str) -> None:
        """A line of the answer, on stdout; none for an empty table."""
        self.terminal.clear()
        write(self.out, text if not text or text.endswith("\n") else text + "\n")


def _own_bundle(doors: Doors) -> str:
    """The path of the bundle that this program runs from; empty when it runs from no bundle."""
    from sdcupgrade import version

    path = version.bundle()
    if path is None:
        return ""
    from sdcupgrade.updates.bundle import placed

    return placed(doors.files, path)


def open_session(
    environ: Mapping[str, str],
    doors: Optional[Doors],
    log: Log,
    options: Namespace,
    streams: tuple[TextIO, TextIO, TextIO],
) -> Session:
    """Put it together; *doors* None means the real ones."""
    from sdcupgrade.doors.real import real_doors

    source, out, err = streams
    if doors is None:
        cafile = getattr(options, "cacert", None)
        if cafile and not os.path.isfile(cafile):
            raise NoInput(f"--cacert {cafile}: there is no such file; nothing was changed")
        doors = real_doors(
            environ,
            log,
            notice=lambda text: print(text, file=err, flush=True),
            cafile=cafile,
            proxy=getattr(options, "proxy", None),
        )
    terminal = terminal_for(environ, doors.clock, err)
    operator = Prompt(source, err, yes=getattr(options, "yes", False), clear=terminal.clear)
    user = environ.get("SUDO_USER") or environ.get("LOGNAME") or environ.get("USER") or "root"
    who = Who(os.getpid(), user, os.uname().nodename)
    wanted = source_options(options, environ, _own_bundle(doors))
    site = Site(doors, log, logged(terminal, log), operator, who, wanted)
    return Session(site, terminal, out, err)
