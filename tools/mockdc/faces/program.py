"""A program of a fake global zone as a process: ``python3 -I -S program.py FOLDER SERVER NAME ARGS...``.

The stubs in the fake global zone start it; what the program does is :func:`mockdc.faces.dispatch.command`. A program
goes on when the one that called it is killed (vmadm does), and ends quietly when nobody reads its output any more.
Imports are few: every call pays for them.
"""

import os
import signal
import sys


def main() -> int:
    """Run the program and give its exit status."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from pathlib import Path

    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Broken
    from mockdc.faces import dispatch

    folder, server, name = sys.argv[1:4]
    try:
        dc = Datacenter.open(Path(folder))
        status, out, err = dispatch.command(
            dc, server, name, sys.argv[4:],
            stdin=sys.stdin.buffer.read, stdin_is_tty=sys.stdin.isatty(), env=dict(os.environ),
        )  # fmt: skip
    except (Broken, dispatch.WentDown) as why:
        return max(1, pour(2, f"{name}: error: {folder}: {why}\n".encode()))
    return max(pour(1, out), pour(2, err), status)


def pour(descriptor: int, data: bytes) -> int:
    """Write everything; 141, as from SIGPIPE, when nobody reads."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view):]
    except BrokenPipeError:
        return 141
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    os._exit(code)
