"""The datacenter's own time: virtual in process, the machine's own sped up for processes.

Nothing happens by itself when time passes: events wait in the store until :meth:`Datacenter.tick` applies them.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from mockdc.core.store import Store

START = 1717405200.0
"""2024-06-03T09:00:00Z, when a datacenter begins unless its scenario says otherwise."""


class TimeUp(BaseException):
    """The time that a program or request was given is over: it dies inside :meth:`VirtualClock.sleep`, as a killed
    process would. No ``Exception``, so that nothing in the program can catch it."""


class Crash(BaseException):
    """The moment at which everything stops: sdcupgrade, and the programs it started, with their hands full."""


class VirtualClock:
    """Sleeping moves the clock on at once. Shared by the threads of one process. Who sleeps past *dies_at* (which
    tests set, for a kill in the middle of a program) meets :class:`Crash`, once."""

    def __init__(self, start: float = START) -> None:
        self._now = start
        self.dies_at: Optional[float] = None
        self._mutex = threading.Lock()
        self._local = threading.local()

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on by *seconds*; raises TimeUp at the limit of this thread, if that comes first."""
        limit = getattr(self._local, "limit", None)
        with self._mutex:
            if self.dies_at is not None and self._now + seconds >= self.dies_at:
                self._now, self.dies_at = max(self._now, self.dies_at), None
                raise Crash
            if limit is not None and self._now + seconds >= limit:
                self._now = max(self._now, limit)
                raise TimeUp
            self._now += max(0.0, seconds)

    def real_second(self) -> float:
        """A second of this machine in the datacenter's time: none that counts."""
        return math.inf

    @contextlib.contextmanager
    def limit(self, seconds: float, inherit: bool = True) -> Iterator[None]:
        """Let whatever runs inside take at most *seconds* (an outer limit that comes earlier stays, unless what runs is
        on another machine and does not *inherit* it)."""
        outer = getattr(self._local, "limit", None)
        mine = self._now + seconds
        self._local.limit = mine if outer is None or not inherit else min(mine, outer)
        try:
            yield
        finally:
            self._local.limit = outer


class RealClock:
    """The machine's time from *r0* on, *speed* times as fast, read as the datacenter's time from *t0* on."""

    def __init__(self, t0: float, r0: float, speed: float) -> None:
        self.t0 = t0
        self.r0 = r0
        self.speed = speed

    def now(self) -> float:
        return self.t0 + (time.time() - self.r0) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self.speed)

    def real_second(self) -> float:
        """A second of this machine in the datacenter's time."""
        return self.speed

    @staticmethod
    def of(store: Store) -> RealClock:
        """The clock that every process of a datacenter agrees on."""
        t0, r0, speed = store.meta("clock", [START, time.time(), 1.0])
        return RealClock(t0, r0, speed)

    def keep(self, store: Store) -> None:
        """Write it down for the other processes."""
        store.set_meta("clock", [self.t0, self.r0, self.speed])
