"""Run a module (``-m NAME``) or a file as ``python`` would, and leave in a file what it took: peak memory in KiB, and
processor seconds, both without its children.

    python peak.py RESULT -m sdcupgrade instances

As little as possible is imported here: what is measured is the other program.
"""

from __future__ import annotations

import runpy
import sys
import time


def peak_kib() -> int:
    """The most memory this process has had since it began, children and parent not counted."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib would be measured too
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except FileNotFoundError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """The exit status of the program."""
    result = sys.argv[1]
    module = sys.argv[2] == "-m"
    sys.argv[:] = sys.argv[3:] if module else sys.argv[2:]
    status = 0
    try:
        if module:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    with open(result, "w", encoding="ascii") as out:  # noqa: PTH123
        out.write(f"{peak_kib()} {time.process_time()}")
    return status


if __name__ == "__main__":
    sys.exit(main())
