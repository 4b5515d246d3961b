"""The real doors, put together from the environment.

``SDCUPGRADE_ROOT`` names another root than ``/`` (and then programs get the caller's environment),
``SDCUPGRADE_ADMIN_PROXY`` a forward proxy through which the datacenter's own services are reached; the usual
``http_proxy`` family holds for the updates server only.
"""

from __future__ import annotations

from sdcupgrade.doors import Doors
from sdcupgrade.doors.clock import RealClock
from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.doors.http import ENVIRONMENT, UrllibHttp
from sdcupgrade.doors.process import RealProcess
from sdcupgrade.doors.run import SubprocessRunner, child_environment
from sdcupgrade.log import FOLDER, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Optional


def real_files(environ: Mapping[str, str]) -> RootedFiles:
    """Files below ``SDCUPGRADE_ROOT``."""
    return RootedFiles(environ.get("SDCUPGRADE_ROOT") or "/")


def open_log(environ: Mapping[str, str], command: str, home: bool = False) -> Log:
    """The log of this run, made when there is something to write. *home* puts it below HOME, for who is not root."""
    folder = f"{environ.get('HOME') or '/tmp'}/.local/state/sdcupgrade" if home else FOLDER
    return Log(real_files(environ), RealClock(), command, folder)


def real_doors(
    environ: Mapping[str, str],
    log: Log,
    *,
    notice: Optional[Callable[[str], None]] = None,
    cafile: Optional[str] = None,
    proxy: Optional[str] = None,
) -> Doors:
    """All doors. *notice* takes a sentence for the operator while Ctrl-C has to wait for a program; *cafile* is a file
    of certificate authorities and *proxy* the URL of a proxy, for the updates server."""
    import sys

    own = dict(environ)
    process = RealProcess(own, sys.argv[1:])
    environ = own  # what only this process was told, no other is
    files = real_files(environ)
    admin = environ.get("SDCUPGRADE_ADMIN_PROXY") or None
    return Doors(
        run=SubprocessRunner(child_environment(environ), log, files, notice),
        admin=UrllibHttp(log, files, proxy=admin, environ=environ),
        web=UrllibHttp(log, files, proxy=ENVIRONMENT, web_proxy=proxy, cafile=cafile, environ=environ),
        files=files,
        clock=RealClock(),
        process=process,
    )


def environment() -> Mapping[str, str]:
    """The environment this process was started in."""
    import os

    return os.environ
