"""The life of a box: made in a folder, served, found again, taken down.

A folder holds a box when ``.mockdc/built`` is there; it is served when somebody holds the lock ``.mockdc/server.lock``,
whose text is that process's pid. So a pid that another program got meanwhile is never taken for ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Optional

from mockdc.core.clock import RealClock
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Doc
from mockdc.faces import tree

DEFAULT = "coal"
PACKAGE = pathlib.Path(__file__).resolve().parent.parent
START_S = 30.0
STOP_S = 5.0


class Problem(Exception):
    """Something that the user of the box can put right: one line."""


def own(folder: pathlib.Path) -> pathlib.Path:
    """Where the box keeps what is no part of the global zone."""
    return folder / ".mockdc"


def find(folder: pathlib.Path) -> Datacenter:
    """The datacenter in *folder*, served or not. Raises Problem."""
    if not (own(folder) / "built").exists():
        raise Problem(f"no datacenter in {folder}; make one: mockdc up --root {folder}")
    return Datacenter.open(folder)


@contextlib.contextmanager
def alone(folder: pathlib.Path) -> Iterator[None]:
    """One ``up`` or ``down`` at a time."""
    with (own(folder) / "up.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def serving(folder: pathlib.Path) -> Optional[int]:
    """The pid of the process that serves the folder, or None."""
    place = own(folder) / "server.lock"
    if not place.exists():
        return None
    with place.open("r+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return int(lock.read().split()[0])
    return None


# --- up ---------------------------------------------------------------------------------------------------------------
def up(folder: pathlib.Path, scenario: Optional[str], speed: Optional[float]) -> Datacenter:
    """Make a box in *folder*, or serve again the one that is there. Raises Problem."""
    if not (own(folder) / "built").exists():
        fit(folder)
        furniture(scenario)  # a wrong one leaves no folder behind
        own(folder).mkdir(parents=True, exist_ok=True)
    with alone(folder):
        if (own(folder) / "built").exists():
            dc = Datacenter.open(folder)
            same(dc, scenario)
            if speed is not None and serving(folder) is None:
                RealClock(dc.now(), time.time(), speed).keep(dc.store)
        else:
            dc = build(folder, scenario, speed or 1.0)
        if serving(folder) is None:
            dc.store.set_meta("machine_path", machine_path(folder))
            tree.refresh(dc)
            start(folder)
    return Datacenter.open(folder)


def furniture(scenario: Optional[str]) -> tuple[Doc, float]:
    """The scenario as read, and when it begins. Raises Problem."""
    from mockdc.core import scenario as scenarios

    try:
        spec = scenarios.read(scenario or DEFAULT)
        return spec, scenarios.start(spec)
    except (scenarios.BadScenario, ValueError) as why:
        raise Problem(str(why)) from why


def fit(folder: pathlib.Path) -> None:
    """Raise Problem unless a new box may be made in *folder*."""
    if folder.exists() and not folder.is_dir():
        raise Problem(f"{folder} is not a folder")
    if own(folder).exists():
        if (own(folder) / "state.db").exists():
            raise Problem(f"{folder} holds a half-made datacenter (an `up` was interrupted): remove it and try again")
    elif folder.exists() and any(folder.iterdir()):
        raise Problem(f"{folder} is not empty and holds no datacenter in a box: choose another folder")


def same(dc: Datacenter, scenario: Optional[str]) -> None:
    """Raise Problem when the box was made from another scenario than is asked for."""
    made = dc.store.meta("scenario")
    if scenario is not None and scenario != made:
        raise Problem(f"{dc.folder} already holds a datacenter of the scenario {made}: take it down and remove the "
                      "folder first, or choose another")  # fmt: skip


def build(folder: pathlib.Path, scenario: Optional[str], speed: float) -> Datacenter:
    """Make the datacenter and the headnode's global zone. Raises Problem."""
    from mockdc.core.scenario import load

    spec, begin = furniture(scenario)
    dc = Datacenter.make(folder, begin, time.time(), speed)
    load(dc, spec)
    dc.store.set_meta("scenario", scenario or DEFAULT)
    dc.store.set_meta("machine_path", machine_path(folder))
    tree.build(dc)
    (own(folder) / "built").touch()
    return dc


def machine_path(folder: pathlib.Path) -> str:
    """This machine's own PATH, without what an earlier ``mockdc env`` put in front of it."""
    words = os.environ.get("PATH", "/usr/bin:/bin").split(":")
    return ":".join(word for word in words if word and not word.startswith(str(folder)))


def start(folder: pathlib.Path) -> None:
    """Start the server in the background and wait until it listens. Raises Problem."""
    log = own(folder) / "server.log"
    ready, told = os.pipe()
    words = [*tree.starter()[:-1], str(PACKAGE / "__main__.py"), "serve", "--root", str(folder), "--ready", str(told)]
    try:
        with log.open("a", encoding="utf-8") as out:
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=[told],
                                     start_new_session=True, cwd="/")  # fmt: skip
        os.close(told)
        listening = select.select([ready], [], [], START_S)[0] and os.read(ready, 16)
        if not listening:
            child.kill()
            raise Problem(f"the server did not start; it said (in {log}): {last_line(log)}")
        child.returncode = 0  # it goes on without us; keeps Popen from warning
    finally:
        os.close(ready)


def last_line(log: pathlib.Path) -> str:
    """How a log ends."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"


# --- what is told about it --------------------------------------------------------------------------------------------
def environment(dc: Datacenter) -> dict[str, str]:
    """The variables under which programs find the headnode. Raises Problem when nobody serves the box."""
    if serving(dc.folder) is None:
        raise Problem(f"the datacenter in {dc.folder} is not up; start it again: mockdc up --root {dc.folder}")
    return tree.environment(dc, dc.headnode)


def summary(dc: Datacenter) -> str:
    """What ``up`` prints."""
    return json.dumps({
        "root": str(dc.folder),
        "scenario": dc.store.meta("scenario"),
        "speed": dc.store.meta("clock")[2],
        "pid": serving(dc.folder),
        "log": str(own(dc.folder) / "server.log"),
        "env": environment(dc),
        "ports": dc.store.meta("ports"),
    }, indent=2)  # fmt: skip


# --- down -------------------------------------------------------------------------------------------------------------
def down(folder: pathlib.Path) -> Optional[int]:
    """End the server of *folder*, if there is one, and only that; gives its pid. The state stays."""
    if not own(folder).is_dir():
        return None
    with alone(folder):
        if (own(folder) / "built").exists():
            store = Datacenter.open(folder).store
            store.set_meta("downs", store.meta("downs", 0) + 1)  # programs that hang look for it
        pid = serving(folder)
        if pid is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                os.kill(pid, number)
                if ended(folder):
                    break
        return pid


def ended(folder: pathlib.Path) -> bool:
    """Wait until nobody serves the folder; False when that takes too long."""
    deadline = time.monotonic() + STOP_S
    while serving(folder) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


