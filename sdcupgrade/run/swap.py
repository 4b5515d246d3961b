"""Many paths changed as one: everything is staged beside its destination, then put in place by renames.

Three phases, each announced in the journal before it begins:

    begin      files go into ``.gzbits`` at the top of their file system, and what they will replace is kept; nothing in
               use has changed, and after a crash here the staging is thrown away
    swapping   from here on ``transaction-DIGEST.json`` says what every path was and shall be; each one is renamed into
               place, or removed. After a crash every path is compared with that, and what is left is done; or undone,
               by another transaction
    done       what is installed, and what was before, is written down

The disk is waited for once a phase and not once a file: everything staged is on it before ``swapping`` is, everything
put in place before ``done`` is. ZFS writes renames in their order, so a power cut leaves a beginning of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from sdcupgrade.bits.changes import KEY, ROOTS, STAGING, STAGING_BACK, parent, root_of, under
from sdcupgrade.bits.records import Ending, Previous
from sdcupgrade.bits.rules import DIR, FILE, LINK
from sdcupgrade.errors import Corrupt, StepFailed, StorageError
from sdcupgrade.jsonvalue import dumps
from sdcupgrade.run.bits_state import (
    FOLDER,
    INSTALLED,
    KEPT,
    PREVIOUS,
    clear,
    digest_of,
    document_path,
    forget,
    kept_path,
    last,
    read_document,
    read_previous,
    says_key,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sdcupgrade.bits.changes import Change, Thing
    from sdcupgrade.bits.records import Transaction
    from sdcupgrade.doors import Doors
    from sdcupgrade.doors.files import Files
    from sdcupgrade.run.bits_state import Place
    from sdcupgrade.run.journal import Journal

SPARE = 16 << 20
"""Bytes that shall stay free on each file system."""

LOST = "go back: sdcupgrade gzbits rollback"


@dataclass
class Swap:
    """One transaction. *place* turns a path of a change into one of the global zone: it mounts the boot key when that
    is needed. *fresh* is False after a crash, when nothing is taken for granted."""

    doors: Doors
    journal: Journal
    place: Place
    transaction: Transaction
    fresh: bool = True
    _number: dict[str, int] = field(default_factory=dict, init=False)
    _digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._number = {change.path: number for number, change in enumerate(self.transaction.changes)}

    # --- staging ------------------------------------------------------------------------------------------------------
    def staged(self, path: str) -> str:
        """Where the new content of *path* waits."""
        return f"{self._folder(root_of(path))}/{self._number[path]}"

    def _folder(self, root: str) -> str:
        """An apply that was cut off may still be completed while another transaction stages to undo it."""
        return self.place(under(root, STAGING_BACK if self.transaction.ending is Ending.CANCELLED else STAGING))

    def begin(self) -> None:
        """Look whether there is room, keep what will be replaced, make folders to stage in, and links."""
        changes = self.transaction.changes
        self._check_room()
        files = self.doors.files
        files.mkdir(KEPT)
        for root in self._roots:
            self._empty(self._folder(root))
            files.put_folder(self._folder(root), None if root == KEY else 0o700, files.owner)
        for change in changes:
            if change.before is not None and change.before.kind == FILE:
                self._keep(self.place(change.path), change.before)
            if change.after is not None and change.after.kind == LINK:
                files.put_link(self.staged(change.path), change.after.target, change.after.owner)

    def put(self, paths: Iterable[str], pieces: Iterable[bytes]) -> None:
        """Stage the new content of *paths*, which are all of the same bytes."""
        first = ""
        for path in paths:
            after = self._after(path)
            mode = None if path.startswith(KEY) else after.mode
            source = _pieces(self.doors.files, first) if first else pieces
            self.doors.files.put(self.staged(path), source, mode, after.owner)
            first = first or self.staged(path)

    def contents(self) -> dict[str, list[str]]:
        """The paths that need content, by its sha256."""
        found: dict[str, list[str]] = {}
        for change in self.transaction.changes:
            if change.after is not None and change.after.kind == FILE:
                found.setdefault(change.after.sha256, []).append(change.path)
        return found

    def put_kept(self) -> None:
        """Stage everything from what was kept. Raises Corrupt when that is no longer what it was."""
        files = self.doors.files
        for sha256, paths in self.contents().items():
            self.put(paths, _pieces(files, kept_path(sha256)))
            if files.digest(self.staged(paths[0])) != sha256:
                raise Corrupt(f"{kept_path(sha256)} is not what it was", "nothing was changed; verify the disk")

    @property
    def _roots(self) -> tuple[str, ...]:
        there = {root_of(change.path) for change in self.transaction.changes}
        return tuple(root for root in ROOTS if root in there)

    def _after(self, path: str) -> Thing:
        after = self.transaction.changes[self._number[path]].after
        assert after is not None, path
        return after

    def _keep(self, path: str, thing: Thing) -> None:
        files, kept = self.doors.files, kept_path(thing.sha256)
        if files.exists(kept) and files.size(kept) == thing.size:
            return
        digest = hashlib.sha256()
        files.put(f"{kept}.new", _seen(_pieces(files, path), digest.update), 0o600, files.owner)
        if digest.hexdigest() != thing.sha256:
            files.remove(f"{kept}.new")
            raise StorageError(f"{path} changed while it was read; nothing was changed", "see who writes it")
        files.swap_in(f"{kept}.new", kept)

    def _check_room(self) -> None:
        need: dict[str, int] = {}
        for change in self.transaction.changes:
            if change.after is not None:
                root = root_of(change.path)
                need[root] = need.get(root, 0) + change.after.size
            if change.before is not None and not self.doors.files.exists(kept_path(change.before.sha256)):
                need[FOLDER] = need.get(FOLDER, 0) + change.before.size
        for root, size in need.items():
            where = self.place(root)
            free = self.doors.files.free(where)
            if size and size + SPARE > free:
                raise StorageError(
                    f"{where} has {free >> 20} MiB free, and {(size + SPARE) >> 20} MiB are needed",
                    "free space there, then type the same command again",
                )

    # --- putting in place ---------------------------------------------------------------------------------------------
    def commit(self) -> None:
        """The point of no return: what is staged is on disk, then what will be done with it."""
        on_key = [change.path for change in self.transaction.changes if change.path.startswith(KEY)]
        self.doors.files.sync(self.staged(path) for path in on_key if self._is_file(path))
        text = self.transaction.text().encode()
        self._digest = hashlib.sha256(text).hexdigest()
        self.doors.files.write(document_path(self._digest), text)
        key = bool(on_key) or says_key(last(self.journal))
        self.journal.append("swapping", command=self.transaction.command, sha256=self._digest, key=key)

    def _is_file(self, path: str) -> bool:
        after = self.transaction.changes[self._number[path]].after
        return after is not None and after.kind == FILE

    def swap(self) -> None:
        """Put everything in place. Each path is the whole old or the whole new one at every instant."""
        for change in self.transaction.changes:
            self._perform(change)
        on_key = [change.path for change in self.transaction.changes if change.path.startswith(KEY)]
        folders = {self.place(parent(path)) for path in on_key}
        self.doors.files.sync(sorted(path for path in folders if self.doors.files.look(path) is not None))

    def _perform(self, change: Change) -> None:
        files, path, after = self.doors.files, self.place(change.path), change.after
        if after is None:
            if change.before is not None and change.before.kind == DIR:
                files.drop_folder(path)
            else:
                files.remove(path)
            return
        if not self.fresh and after.kind != DIR and self._is_done(change):
            return
        there = files.look(path)
        if there is not None and (there.kind == DIR) != (after.kind == DIR):
            # the one case in which a path is gone for an instant: nothing can be renamed over a folder, nor a folder
            # over anything
            if there.kind == DIR and not files.drop_folder(path):
                raise StepFailed(f"{path}: something was put into this folder meanwhile", LOST)
            if there.kind != DIR:
                files.remove(path)
        if after.kind == DIR:
            files.put_folder(path, None if change.path.startswith(KEY) else after.mode, after.owner)
        else:
            files.swap_in(self.staged(change.path), path)

    def _is_done(self, change: Change) -> bool:
        """After a crash: whether a file or link is in place; what is lost of the staging is made again."""
        files, staged, after = self.doors.files, self.staged(change.path), change.after
        assert after is not None
        if files.exists(staged):
            return False
        path = self.place(change.path)
        if same(files, path, after, change.path.startswith(KEY)):
            files.remove(staged)
            return True
        self._restage(change.path, after)
        return False

    def _restage(self, path: str, after: Thing) -> None:
        """A FAT file system may lose the one name and not have the other yet: take the bytes from the twin."""
        files = self.doors.files
        for source in (f"/usbkey/{path[len(KEY):]}", kept_path(after.sha256)):
            if after.kind == FILE and files.exists(source) and files.digest(source) == after.sha256:
                self.put([path], _pieces(files, source))
                return
        raise StepFailed(f"{self.place(path)}: what was to be put there is gone", LOST)

    # --- the end ------------------------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Write down what is installed, and forget what is no longer needed. May be done twice."""
        files, transaction = self.doors.files, self.transaction
        digest = self._digest or digest_of(transaction)
        if transaction.ending is Ending.APPLIED and (self.fresh or not self._is_written(digest)):
            kept = Previous(digest, read_document(files, INSTALLED), transaction.changes)
            files.write(PREVIOUS, (dumps(kept.to_json()) + "\n").encode())
        if transaction.ending in (Ending.APPLIED, Ending.ROLLED_BACK):
            self._write_installed()
        if transaction.ending is Ending.ROLLED_BACK:
            files.remove(PREVIOUS)
        key = says_key(last(self.journal))
        clear(files, self.place, [root for root in ROOTS if key or root != KEY])
        self.journal.append("done", command=transaction.command, ending=transaction.ending.value)
        forget(files, transaction.changes if transaction.ending is Ending.APPLIED else None)

    def _is_written(self, digest: str) -> bool:
        """Whether what was before is written down; by then what is installed may be, and is no longer what was."""
        previous = read_previous(self.doors.files)
        return previous is not None and previous.transaction == digest

    def _write_installed(self) -> None:
        if self.transaction.installed is None:
            self.doors.files.remove(INSTALLED)
        else:
            text = dumps(self.transaction.installed.to_json()) + "\n"
            self.doors.files.write(INSTALLED, text.encode())

    def _empty(self, folder: str) -> None:
        for name in self.doors.files.scan(folder):
            self.doors.files.remove(f"{folder}/{name}")


def same(files: Files, path: str, thing: Thing, on_key: bool) -> bool:
    """Whether *path* is *thing* now."""
    there = files.look(path)
    if there is None or there.kind != thing.kind or there.target != thing.target:
        return False
    if not on_key and (there.owner != thing.owner or (thing.kind != LINK and there.mode != thing.mode)):
        return False
    return thing.kind != FILE or (there.size == thing.size and files.digest(path) == thing.sha256)


def _pieces(files: Files, path: str) -> Iterator[bytes]:
    with files.open_read(path) as file:
        while piece := file.read(1 << 20):
            yield piece


def _seen(pieces: Iterable[bytes], look: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        look(piece)
        yield piece
