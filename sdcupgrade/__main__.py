"""``python3 -m sdcupgrade``: ``--version`` and ``--help`` at once, everything else by :mod:`sdcupgrade.cli`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; the exit status."""
    if sys.version_info < (3, 9):  # noqa: UP036 - pip is not how this file reaches a headnode
        print("sdcupgrade: needs Python 3.9 or newer; pkgsrc brings one", file=sys.stderr)
        return 69
    words = sys.argv[1:]
    if words in (["--version"], ["-V"]):
        import sdcupgrade

        print(f"sdcupgrade {sdcupgrade.__version__}")
        return 0
    if words in ([], ["--help"], ["-h"], ["help"]):
        from sdcupgrade.cli.commands import overview

        print(overview(), end="")
        return 0 if words else 2
    from sdcupgrade.cli.main import run

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
