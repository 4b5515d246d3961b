"""Many images at once into a folder: resumable, and nothing unverified gets a name.

Bytes go to ``<uuid>.part``, with the tag they were served under beside them; only when length and sha1 are those of the
manifest does the file become ``<uuid>.image``. Whatever is kept of an earlier try is hashed again, never believed.
A connection that is cut is taken up where it was, as often as it gets further; wrong bytes are fetched once more, not
twice. The first failure stops the others. A piece at a time is in memory.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass

from sdcupgrade.errors import Corrupt, Interrupted, StorageError, Unreachable
from sdcupgrade.jsonvalue import Record, loads, pretty
from sdcupgrade.model import Event
from sdcupgrade.updates.digests import PIECE, Digests, digests_of
from sdcupgrade.updates.source import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from typing import Optional, Protocol

    from sdcupgrade.doors.clock import Clock
    from sdcupgrade.doors.files import Files
    from sdcupgrade.model import Emit
    from sdcupgrade.updates.digests import Promised
    from sdcupgrade.updates.source import Body, Source

    class Wanted(Promised, Protocol):
        """What is to be fetched; a plan's Download is one."""

        @property
        def channel(self) -> str: ...


TRIES = 6
"""How often in a row a connection may be cut without getting any further."""

FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 30.0
CORRUPT_TRIES = 2
TICK_S = 0.1
"""Least time between two progress events of the same image."""

SPARE = 64 << 20
"""Bytes that shall stay free beside the images."""


def path_of(into: str, uuid: str) -> str:
    """Where the verified file of an image lies."""
    return f"{into}/{uuid}.image"


def forget(into: str, uuid: str, files: Files) -> None:
    """Remove what there is of an image that is no longer wanted here."""
    for ending in ("image", "part", "part.json"):
        files.remove(f"{into}/{uuid}.{ending}")


def fetch_all(
    wanted: Sequence[Wanted], into: str, source: Source, files: Files, clock: Clock, emit: Emit, parallel: int = 4
) -> None:
    """Have the verified file of every image in the folder *into*, those that are there already included.

    Raises Unreachable, HttpError, Corrupt or StorageError of the first image that failed; what the others have got by
    then is kept for the next try.
    """
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    files.mkdir(into)
    job = _Job(into, source, files, clock, _Progress(wanted, clock, emit))
    missing = [one for one in wanted if not job.have(one)]
    _check_space(missing, into, files)
    pool = ThreadPoolExecutor(max(1, min(parallel, len(missing))), "fetch")
    futures: list[Future[None]] = [pool.submit(job.fetch, one) for one in missing]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
    except BaseException:
        job.stop.set()
        raise
    finally:
        pool.shutdown(cancel_futures=job.stop.is_set())
    _raise_first(futures)


def _raise_first(futures: Sequence[Future[None]]) -> None:
    """The reason, not those that were stopped for it."""
    errors = [error for error in (future.exception() for future in futures if not future.cancelled()) if error]
    for error in sorted(errors, key=lambda error: isinstance(error, Interrupted)):
        raise error


def _check_space(missing: Sequence[Wanted], into: str, files: Files) -> None:
    def kept(one: Wanted) -> int:
        path = f"{into}/{one.uuid}.part"
        return min(files.size(path), one.size) if files.exists(path) else 0

    needed = sum(one.size - kept(one) for one in missing)
    free = files.free(into)
    if missing and needed + SPARE > free:
        raise StorageError(
            f"{into} has {free >> 20} MiB free; the images need {needed >> 20} MiB and {SPARE >> 20} MiB to spare",
            "free space there, then type the same command again; nothing was changed",
        )


class _Progress:
    """Adds up what the threads have got and tells it, one at a time and not too often."""

    def __init__(self, wanted: Sequence[Wanted], clock: Clock, emit: Emit) -> None:
        self._clock = clock
        self._emit = emit
        self._mutex = threading.Lock()
        self._done = {one.uuid: 0 for one in wanted}
        self._told = {one.uuid: float("-inf") for one in wanted}
        self._total = sum(one.size for one in wanted)

    def at(self, one: Wanted, done: int, always: bool = False) -> None:
        """The image has *done* verified or received bytes."""
        with self._mutex:
            self._done[one.uuid] = done
            now = self._clock.monotonic()
            if always or now - self._told[one.uuid] >= TICK_S:
                self._told[one.uuid] = now
                self._emit(Event("progress", one.uuid, f"{one.name} {one.version}", done, one.size))
                self._emit(Event("progress", "download", "all images", sum(self._done.values()), self._total))

    def note(self, one: Wanted, text: str) -> None:
        """Something that happened with an image."""
        with self._mutex:
            self._emit(Event("note", one.uuid, f"{one.name} {one.version}: {text}"))


@dataclass
class _Kept:
    """What there is of an image: *size* bytes that *hash* has seen, served under *etag*."""

    hash: Digests
    size: int
    etag: str


class _Job:
    """The threads' common ground; :meth:`fetch` runs in each of them."""

    def __init__(self, into: str, source: Source, files: Files, clock: Clock, progress: _Progress) -> None:
        self.into = into
        self.source = source
        self.files = files
        self.clock = clock
        self.progress = progress
        self.stop = threading.Event()

    def have(self, one: Wanted) -> bool:
        """Whether the whole file is there, by its digest."""
        path = path_of(self.into, one.uuid)
        if not self.files.exists(path):
            return False
        with suppress(Corrupt):
            if self.files.size(path) == one.size:
                self._digests(one, path, one.size).check()
                self.progress.at(one, one.size, always=True)
                return True
        self.files.remove(path)
        return False

    def fetch(self, one: Wanted) -> None:
        """Fetch one image to its end; a failure stops all others."""
        try:
            self._fetch(one)
        except BaseException:
            self.stop.set()
            raise

    def _fetch(self, one: Wanted) -> None:
        for attempt in range(1, CORRUPT_TRIES + 1):
            try:
                self._complete(one)
                return
            except Corrupt as why:
                self._forget(one)
                if attempt == CORRUPT_TRIES:
                    raise
                self.progress.note(one, f"{why.message}; fetching it once more")

    def _complete(self, one: Wanted) -> None:
        """Pull until every byte is there, taking up after each cut; then verify and rename."""
        best, cuts = -1, 0
        kept = self._kept(one)
        while kept.size < one.size:
            try:
                self._pull(one, kept)
                reason = "the connection ended early"
            except Unreachable as why:
                reason = why.message
            if kept.size >= one.size:
                break
            cuts = 1 if kept.size > best else cuts + 1
            best = max(best, kept.size)
            if cuts > TRIES:
                raise Unreachable(
                    f"image {one.uuid} ({one.name} {one.version}): gave up after {cuts} tries at {kept.size} of"
                    f" {one.size} bytes: {reason}",
                    "what was fetched is kept; type the same command again to go on",
                )
            self._pause(one, cuts, reason)
        self._finish(one, kept)

    def _pause(self, one: Wanted, cuts: int, reason: str) -> None:
        pause = min(FIRST_PAUSE_S * 2 ** (cuts - 1), LAST_PAUSE_S)
        self.progress.note(one, f"{reason}; going on in {pause:.0f} s")
        while pause > 0:
            self._check_stop(one)
            self.clock.sleep(min(pause, 1.0))
            pause -= 1.0

    def _pull(self, one: Wanted, kept: _Kept) -> None:
        """One connection: as many bytes as it gives. *kept* is true at any time, whatever is raised."""
        self._check_stop(one)
        with self.source.open(one.uuid, one.channel, kept.size, kept.etag) as body:
            if body.ended:
                raise Corrupt(f"{one.uuid}: the server's file ends at {kept.size} of the {one.size} promised bytes")
            if body.total not in (None, one.size):
                raise Corrupt(f"{one.uuid}: the server's file has {body.total} bytes, the manifest promises {one.size}")
            if body.start not in (0, kept.size):
                raise Corrupt(f"{one.uuid}: asked for bytes from {kept.size}, the server sends from {body.start}")
            if body.start == 0:
                self._start_over(one, kept, body)
            # no fsync: what a power cut leaves is hashed before it is believed
            with self.files.open_append(self._part(one), sync=False) as file:
                while kept.size < one.size:
                    self._check_stop(one)
                    piece = body.stream.read(PIECE)
                    if not piece:
                        return
                    if kept.size + len(piece) > one.size:
                        raise Corrupt(f"{one.uuid}: the server sends more than the {one.size} promised bytes")
                    file.write(piece)
                    kept.hash.update(piece)
                    kept.size += len(piece)
                    self.progress.at(one, kept.size)
            if body.stream.read(1):
                raise Corrupt(f"{one.uuid}: the server sends more than the {one.size} promised bytes")

    def _start_over(self, one: Wanted, kept: _Kept, body: Body) -> None:
        """From byte 0: the first time, or because the server does not do ranges, or has another file now."""
        self._forget(one)
        kept.hash, kept.size, kept.etag = Digests(one), 0, body.etag
        self.files.write(self._beside(one), pretty({"sha1": one.sha1, "size": one.size, "etag": kept.etag}).encode())

    def _kept(self, one: Wanted) -> _Kept:
        """What an earlier run has left and is of use: bytes of the same promise, hashed anew."""
        part = self._part(one)
        size = self.files.size(part) if self.files.exists(part) else 0
        etag = self._etag(one) if size else None
        if etag is None:
            self._forget(one)
            return _Kept(Digests(one), 0, "")
        self.progress.at(one, size)
        return _Kept(self._digests(one, part, size), size, etag)

    def _etag(self, one: Wanted) -> Optional[str]:
        """The tag the kept bytes were served under, maybe empty; None when they were of another promise."""
        if not self.files.exists(self._beside(one)):
            return None
        record = Record(loads(self.files.read(self._beside(one)), self._beside(one), StorageError), self._beside(one))
        same = record.text_or("sha1", "") == one.sha1 and record.number("size", -1) == one.size
        return record.text_or("etag", "") if same else None

    def _digests(self, one: Wanted, path: str, size: int) -> Digests:
        return digests_of(one, self.files, Part(path, 0, size))

    def _finish(self, one: Wanted, kept: _Kept) -> None:
        kept.hash.check()
        self.files.rename(self._part(one), path_of(self.into, one.uuid))
        self.files.remove(self._beside(one))
        self.progress.at(one, one.size, always=True)

    def _forget(self, one: Wanted) -> None:
        self.files.remove(self._part(one))
        self.files.remove(self._beside(one))
        self.progress.at(one, 0)

    def _check_stop(self, one: Wanted) -> None:
        if self.stop.is_set():
            raise Interrupted(f"the download of {one.name} was stopped", "type the same command again to go on")

    def _part(self, one: Wanted) -> str:
        return f"{self.into}/{one.uuid}.part"

    def _beside(self, one: Wanted) -> str:
        return f"{self.into}/{one.uuid}.part.json"
