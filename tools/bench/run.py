"""Publish the figures: ``make bench``, or ``python3 tools/bench/run.py [NAME ...]``.

Prints the table that docs/figures.md explains. Measures and tells, judges nothing: it ends with 0 whatever the values.
Everything happens in temporary folders (TMPDIR), nothing is installed. The download needs 8 GiB there, and curl.
"""

from __future__ import annotations

import os
import pathlib
import platform
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from bench import (  # noqa: E402  (the path comes first)
    bundle,
    download,
    fanout,
    gzbits,
    lists,
    planning,
    selfupdate,
    start,
    trust,
    upgrade,
)
from bench.measure import Broken, Figure  # noqa: E402

BENCHES = {"start": start.figures, "lists": lists.figures, "planning": planning.figures, "upgrade": upgrade.figures,
           "download": download.figures, "bundle": bundle.figures, "trust": trust.figures,
           "selfupdate": selfupdate.figures, "fanout": fanout.figures,
           "gzbits": gzbits.figures}  # fmt: skip


def line(figure: Figure) -> str:
    """A row of the table."""
    return f"| {figure.what} | {figure.value} | {figure.aim} | {figure.remark} |"


def main() -> int:
    """2 for an unknown name, 1 when something could not be measured."""
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        print(f"bench: no such benchmark: {', '.join(unknown)}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}"
    print(f"{machine}, {python}, load {os.getloadavg()[0]:.1f}\n")
    print("| what | value | aim | remark |\n|---|---|---|---|", flush=True)
    failed = False
    for name in wanted:
        try:
            for figure in BENCHES[name]():
                print(line(figure), flush=True)
        except Broken as why:
            print(f"bench: {name}: {why}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
