"""The demonstration puts everything away when it is told to end early."""

from __future__ import annotations

import fcntl
import os
import pathlib
import signal
import subprocess
import sys
from typing import IO

import pytest

DEMO = pathlib.Path(__file__).resolve().parents[2] / "tools" / "demo.py"


def locked(lock: IO[bytes]) -> bool:
    """Whether a server lives: it holds the lock of its box until it ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_leaves_neither_server_nor_folder(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    env = dict(os.environ, TMPDIR=str(tmp_path))
    with subprocess.Popen([sys.executable, str(DEMO)], stdout=subprocess.PIPE, env=env, text=True) as demo:
        assert demo.stdout
        for line in demo.stdout:
            if line.startswith("$ sdcupgrade --version"):  # the box is up, and work has begun
                break
        (place,) = tmp_path.glob("*/*/headnode/.mockdc/server.lock")
        with place.open("rb") as lock:
            assert locked(lock)
            demo.send_signal(number)
            demo.stdout.read()
            demo.wait()
            assert not locked(lock)
    assert demo.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []
