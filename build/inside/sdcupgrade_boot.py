"""What runs first in the one file. Every Python since 2.7 can parse it, so that too old ones can be refused in words.

Whoever calls has put this Python's byte code and the sources first on ``sys.path``, by the archive's real path: modules
imported later come from that very file, even when a symlink to it is flipped meanwhile.
"""

import os
import sys


def start(archive, by_header=False):
    # type: (str, bool) -> None
    """Run the program that is in *archive*, and exit. Nothing is unpacked, nothing written."""
    if sys.version_info < (3, 9):
        sys.stderr.write(
            "sdcupgrade: needs Python 3.9 or newer, and %s is %d.%d; start the file itself, it finds the newest one, "
            "or name one in SDCUPGRADE_PYTHON\n" % (sys.executable, sys.version_info[0], sys.version_info[1])
        )
        sys.exit(69)
    if sys.executable and not by_header and in_bundle(archive):
        # its header proves the program before anything is imported; this module is all that was believed unproved
        os.environ["SDCUPGRADE_PYTHON"] = sys.executable
        os.execv("/bin/sh", ["/bin/sh", archive] + sys.argv[1:])
    if sys.executable and not (sys.flags.isolated and sys.flags.no_site):
        # started as `python3 FILE`: PYTHONPATH and .pth files must have no say in a program that root runs
        os.execv(sys.executable, [sys.executable, "-I", "-S", archive] + sys.argv[1:])
    if os.environ.get("SDCUPGRADE_BOOT") == "shiv":
        sys.path[:2] = [archive]
        __import__("_bootstrap").bootstrap()  # shiv's own, which unpacks below ~/.shiv and runs from there
    on_trial = bool(os.environ.pop("SDCUPGRADE_TRIAL", ""))
    if on_trial:
        hear_signals()
    try:
        from sdcupgrade.__main__ import main
    except Exception as why:  # noqa: BLE001 - in words, as every ending
        sys.stderr.write("sdcupgrade: %s: cannot be started: %s: %s\n" % (archive, type(why).__name__, why))
        sys.exit(70)
    status = main()
    if on_trial and status != 70:  # a bug
        from sdcupgrade.run.installed import end_trial

        end_trial(archive)
    sys.exit(status)


def hear_signals():
    # type: () -> None
    """The header has started this beside itself, and a shell makes such programs deaf to Ctrl-C."""
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def in_bundle(archive):
    # type: (str) -> bool
    """Whether something is carried before the program: its directory's offsets count from its own beginning."""
    with open(archive, "rb") as file:  # noqa: PTH123 - no pathlib before the program
        file.seek(-22, 2)
        end = file.read()
        return file.tell() > 22 + int.from_bytes(end[12:16], "little") + int.from_bytes(end[16:20], "little")
