"""Fetch images as ``sdcupgrade download`` does before it imports them: its fetcher and its real doors, nothing else.

    python fetch.py WANTED.json FOLDER

WANTED.json is a list of objects with uuid, name, version, size, sha1 and channel; the environment is that of a box.
"""

from __future__ import annotations

import json
import pathlib
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sdcupgrade.doors.real import environment, open_log, real_doors
from sdcupgrade.updates.fetch import fetch_all
from sdcupgrade.updates.source import UpdatesServer

if TYPE_CHECKING:
    from sdcupgrade.model import Event


def shown(event: Event) -> None:
    """Nobody watches."""


def main() -> int:
    """0, or a traceback."""
    listed = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    wanted = [SimpleNamespace(sha256="", **one) for one in listed]
    environ = environment()
    doors = real_doors(environ, open_log(environ, "fetch"))
    source = UpdatesServer(doors.web, environ["SDCUPGRADE_UPDATES_URL"])
    fetch_all(wanted, sys.argv[2], source, doors.files, doors.clock, shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
