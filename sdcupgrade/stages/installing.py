"""Putting a version of the program in place: bring it, prove it, and only then let the link lead to it.

Each act is announced in a journal before it is done. The file gets its final name when it was verified and has run its
own ``selftest``; the link is replaced from one instant to the next; no file of another version is ever touched. So a
crash at any instant leaves the old version in use or the new one, and files that nothing leads to, which :func:`tidy`
takes away.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256

from sdcupgrade.doors.clock import stamp
from sdcupgrade.errors import BadInput, CommandFailed, Corrupt, SdcupgradeError, StorageError, Unhealthy, Untrusted
from sdcupgrade.jsonvalue import Record, loads
from sdcupgrade.run import installed
from sdcupgrade.run.installed import Pair
from sdcupgrade.updates.releases import Build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Optional

    from sdcupgrade.doors.files import Files
    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.run.journal import Journal
    from sdcupgrade.stages.site import Site
    from sdcupgrade.updates.source import Part

JOURNAL = "/var/sdcupgrade/self-update.jsonl"
FRESH = ".sdcupgrade.new"
"""The file while it is brought and proved, beside its final place."""

EXECUTABLE = 0o555
SPARE = 16 << 20
"""Bytes that shall stay free beside it."""

PIECE = 1 << 20
PROOF_S = 60.0
"""A selftest takes about half a second."""


@dataclass(frozen=True)
class Parcel:
    """A version of the program to be put in place. *bring* writes its *size* bytes of digest *sha256* to the path that
    it is given, or raises; *origin* says where they come from."""

    build: Build
    size: int
    sha256: str
    origin: str
    bring: Callable[[str], None]


def open_journal(site: Site) -> Journal:
    """To be used by who holds the lock. Nothing is decided by it, so one that cannot be read, or is of another version,
    is kept aside and begun anew: it must not be in the way of going back. Raises StorageError."""
    from sdcupgrade.run.journal import Journal

    files, clock = site.doors.files, site.doors.clock
    try:
        return Journal(files, JOURNAL, clock)
    except BadInput as why:
        aside = f"{JOURNAL}.{stamp(clock.time())}"
        files.rename(JOURNAL, aside)
        site.warn("self-update", f"{why.message}; it is kept as {aside}, and a new one begun")
        return Journal(files, JOURNAL, clock)


@contextmanager
def act(journal: Journal, what: str, **fields: Json) -> Iterator[None]:
    """Announce an act, and write down how it ended."""
    journal.append("begin", act=what, **fields)
    try:
        yield
    except SdcupgradeError as why:
        with suppress(StorageError):  # the first error is the one to show
            journal.append("end", act=what, failed=True, message=why.message)
        raise
    journal.append("end", act=what)


def put_in_place(site: Site, journal: Journal, parcel: Parcel) -> str:
    """Have it as the file of a version, proved; where. Nothing leads to it yet.

    Raises StorageError, Unhealthy when it does not stand its selftest, and what *bring* raises; nothing is left then.
    """
    files = site.doors.files
    folder, there = _folder_for(files, parcel)
    final, fresh = f"{folder}/{installed.NAME}", f"{folder}/{FRESH}"
    if there:
        with act(journal, "prove", path=final):
            prove(site, final, parcel.build)
        return final
    _check_space(files, folder, parcel)
    try:
        with act(journal, "bring", path=final, build=str(parcel.build), sha256=parcel.sha256, origin=parcel.origin):
            files.mkdir(installed.VERSIONS, 0o755)
            files.mkdir(folder, 0o755)
            parcel.bring(fresh)
        with act(journal, "prove", path=final):
            files.chmod(fresh, EXECUTABLE)
            prove(site, fresh, parcel.build)
        with act(journal, "place", path=final):
            files.rename(fresh, final)
    except SdcupgradeError:
        _clear(files, folder)
        raise
    return final


def flip(site: Site, journal: Journal, path: str, build: Build, old: Optional[str]) -> None:
    """Put the version at *path* in use, on trial if there is an *old* one to go back to. Raises StorageError."""
    files = site.doors.files
    with act(journal, "flip", path=path, old=old or ""):
        files.remove(installed.BEGUN)
        if old is not None:
            installed.write_pair(files, installed.TRIAL, Pair(path, old, build.stamp))
        try:
            installed.flip(files, path)
        except StorageError:
            if installed.current(files) != path:
                with suppress(StorageError):
                    files.remove(installed.TRIAL)
            raise
        if old is None:
            installed.write_pair(files, installed.GOOD, Pair(path, "", build.stamp))


def prove(site: Site, path: str, promised: Optional[Build] = None) -> Build:
    """Let the file at *path* test itself; what it says it is. Raises Unhealthy, or Untrusted when it is not what was
    *promised*."""
    said = ask(site, path, "selftest")
    found = Build(said.text_or("version", "") or "", said.text_or("buildstamp", "") or "")
    if not said.flag("ok"):
        problems = "; ".join(said.texts("problems")) or "it does not say why"
        raise Unhealthy(f"{found} does not stand its own selftest: {problems}; nothing was changed", TELL)
    if promised is not None and found != promised:
        raise Untrusted(f"{path} says that it is {found}, and was promised as {promised}; nothing was changed", TELL)
    return found


TELL = "this version stays in use; tell those who made that one"


def ask(site: Site, path: str, command: str) -> Record:
    """What the one file at *path* answers to ``selftest`` or ``version``. Raises Unhealthy when it does not answer."""
    real = site.doors.files.real(path)
    argv = ("/usr/bin/env", *site.doors.process.settings, "/bin/sh", real, command, "-j")
    try:
        done = site.doors.run.run(argv, timeout_s=PROOF_S)
        return Record(loads(done.stdout, f"{path}: {command}", Unhealthy), path, Unhealthy, TELL)
    except Unhealthy as why:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Unhealthy(f"{path} does not work here: it {done.ending}: {last}; nothing was changed", TELL) from why
    except CommandFailed as why:
        raise Unhealthy(f"{path} does not work here: {why.message}; nothing was changed", TELL) from why


def digest_of(files: Files, path: str, offset: int = 0, size: Optional[int] = None) -> str:
    """The sha256 of a file, or of *size* bytes of it."""
    found, left = sha256(), files.size(path) - offset if size is None else size
    with files.open_read(path) as file:
        file.seek(offset)
        while left > 0 and (piece := file.read(min(PIECE, left))):
            found.update(piece)
            left -= len(piece)
    return found.hexdigest()


def copy(site: Site, part: Part, sha256_: str, into: str) -> None:
    """Write bytes that lie on this machine to the file *into*. Raises Corrupt when they are not those of the digest."""
    files, found, left = site.doors.files, sha256(), part.size
    with files.open_read(part.path) as source, files.open_append(into) as file:
        source.seek(part.offset)
        while left > 0 and (piece := source.read(min(PIECE, left))):
            found.update(piece)
            file.write(piece)
            left -= len(piece)
    if found.hexdigest() != sha256_:
        raise Corrupt(f"{part.path}: changed while it was copied; nothing was changed", "see who writes to it")


def tidy(site: Site, journal: Journal, wanted: str = "") -> None:
    """Take away what killed runs left, and versions that nothing leads back to and nobody runs; one of digest *wanted*
    may stay. What cannot be removed is told, and left."""
    files = site.doors.files
    try:
        trial = installed.read_pair(files, installed.TRIAL)
        if trial is None or trial.new != installed.current(files):
            files.remove(installed.TRIAL)  # of a version that was never put in use
            files.remove(installed.BEGUN)
        for name in files.listdir(installed.BIN):
            if name.startswith(f".{installed.NAME}."):
                files.remove(f"{installed.BIN}/{name}")
        for path in _superfluous(files, wanted):
            with act(journal, "remove", path=path):
                files.remove(path)
        for folder in _folders(files):
            _clear(files, folder)
    except StorageError as why:
        site.warn("self-update", f"an older version could not be removed: {why.message}")


def _superfluous(files: Files, wanted: str) -> Iterator[str]:
    stay = installed.kept(files)
    for folder in _folders(files):
        path = f"{folder}/{installed.NAME}"
        if path in stay or not files.exists(path) or files.in_use(path):
            continue
        if not wanted or digest_of(files, path) != wanted:
            yield path


def _folders(files: Files) -> Iterator[str]:
    """Those of versions: nothing else below that place is ours."""
    for name in files.listdir(installed.VERSIONS):
        version, _, stamp = name.partition("+")
        if Build(version, stamp or "-00000000T000000Z").valid:
            yield f"{installed.VERSIONS}/{name}"


def _folder_for(files: Files, parcel: Parcel) -> tuple[str, bool]:
    """Where it belongs, and whether it is there: by its version, unless another build of that version has the place."""
    for name in (parcel.build.version, f"{parcel.build.version}+{parcel.build.stamp}"):
        path = installed.path_of(name)
        if not files.exists(path):
            return f"{installed.VERSIONS}/{name}", False
        if files.size(path) == parcel.size and digest_of(files, path) == parcel.sha256:
            return f"{installed.VERSIONS}/{name}", True
    raise StorageError(f"{path}: is damaged, and nothing was changed", f"see what happened to it, then rm {path}")


def _check_space(files: Files, folder: str, parcel: Parcel) -> None:
    free, needed = files.free(folder), parcel.size + SPARE
    if free < needed:
        raise StorageError(
            f"{folder}: {free >> 20} MiB are free, and {needed >> 20} MiB are needed; nothing was changed",
            "free space there, then type the same command again",
        )


def _clear(files: Files, folder: str) -> None:
    """Remove what is half made in the folder of a version, and the folder if it is empty then."""
    with suppress(StorageError):
        for name in files.listdir(folder):
            if name.startswith(f".{installed.NAME}."):
                files.remove(f"{folder}/{name}")
        files.rmdir(folder)
