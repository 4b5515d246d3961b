"""Bring metadata up to date once, as a process of its own: with sdcupgrade's client or with python-tuf's.

    python refresh.py ours|theirs URL FOLDER ROOT

FOLDER is the store of what is believed; ROOT the file with the root of trust.
"""

from __future__ import annotations

import sys


def ours(url: str, folder: str, root: str) -> None:
    """As the product does it: its real doors, its store."""
    from sdcupgrade.doors.clock import RealClock
    from sdcupgrade.doors.files import RootedFiles
    from sdcupgrade.doors.http import UrllibHttp
    from sdcupgrade.log import NullLog
    from sdcupgrade.updates.trusted import HttpFetch, TrustedUpdates, TrustStore

    files = RootedFiles()
    store = TrustStore(files, folder)
    store.begin(files.read(root))
    TrustedUpdates(HttpFetch(UrllibHttp(NullLog(), files), url), store, RealClock().time()).refresh()


def theirs(url: str, folder: str, root: str) -> None:
    """As python-tuf's documentation does it."""
    from pathlib import Path

    from tuf.ngclient import Updater

    Updater(folder, url + "/", bootstrap=Path(root).read_bytes()).refresh()


if __name__ == "__main__":
    {"ours": ours, "theirs": theirs}[sys.argv[1]](*sys.argv[2:])
