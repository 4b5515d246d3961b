"""``python3 -m sdcupgrade``: ``version`` and ``--help`` at once, everything else by :mod:`sdcupgrade.cli`."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Json


def main() -> int:
    """Run the command line; the exit status."""
    if sys.version_info < (3, 9):  # noqa: UP036 - pip is not how this file reaches a headnode
        print("sdcupgrade: needs Python 3.9 or newer; pkgsrc brings one", file=sys.stderr)
        return 69
    words = sys.argv[1:]
    if words in (["--version"], ["-V"]) or (words[:1] == ["version"] and set(words[1:]) <= {"-j", "--json"}):
        # for anybody, anywhere: it needs no root and opens no log
        from sdcupgrade.version import told

        print(told(as_json=True, **_installed()) if len(words) > 1 else told(as_json=False))
        return 0
    if words in ([], ["--help"], ["-h"], ["help"]):
        from sdcupgrade.cli.commands import overview

        print(overview(), end="")
        return 0 if words else 2
    from sdcupgrade.cli.main import run

    return run(words)


def _installed() -> dict[str, Json]:
    from sdcupgrade.doors.real import environment, real_files
    from sdcupgrade.run import installed

    return installed.told(real_files(environment()))


if __name__ == "__main__":
    sys.exit(main())
