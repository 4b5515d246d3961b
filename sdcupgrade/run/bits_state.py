"""What is on disk about gzbits below ``/var/sdcupgrade/gzbits``, and how it is read, found and forgotten.

What the documents hold is told in :mod:`sdcupgrade.bits.records`; who writes them in :mod:`sdcupgrade.run.swap`.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

from sdcupgrade.bits.changes import STAGING, STAGING_BACK, under
from sdcupgrade.bits.records import Installed, Previous, Transaction
from sdcupgrade.errors import BadInput, NoInput
from sdcupgrade.jsonvalue import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Optional

    from sdcupgrade.bits.changes import Change
    from sdcupgrade.doors.files import Files
    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.run.journal import Journal
    from sdcupgrade.run.state import Entry

    Place = Callable[[str], str]

FOLDER = "/var/sdcupgrade/gzbits"
JOURNAL = f"{FOLDER}/journal.jsonl"
INSTALLED = f"{FOLDER}/installed.json"
PREVIOUS = f"{FOLDER}/previous.json"
KEY_NOTE = f"{FOLDER}/key-was-unmounted"
KEPT = f"{FOLDER}/kept"
"""What was replaced, by its sha256: the last known good."""

_DOCUMENT = "transaction-"

def read_installed(files: Files) -> Optional[Installed]:
    """What is installed; None for nothing of ours. Raises BadInput."""
    value = read_document(files, INSTALLED)
    return None if value is None else Installed.read(value, INSTALLED)


def read_previous(files: Files) -> Optional[Previous]:
    """What a rollback goes back to; None for nothing. Raises BadInput."""
    value = read_document(files, PREVIOUS)
    return None if value is None else Previous.read(value, PREVIOUS)


def read_document(files: Files, path: str) -> Json:
    """A document of ours; None when it is not there. Raises BadInput."""
    with suppress(NoInput):
        return loads(files.read(path), path, BadInput)
    return None


def last(journal: Journal) -> Optional[Entry]:
    """The line that tells in which phase the last transaction is; None when it came to an end."""
    for entry in reversed(journal.entries):
        if entry.event in ("done", "abandoned"):
            return None
        if entry.event in ("begin", "swapping"):
            return entry
    return None


def says_key(entry: Optional[Entry]) -> bool:
    """Whether a line of the journal is about a transaction that has to do with the boot key."""
    return entry is not None and entry.fields.get("key") is True


def kept_path(sha256: str) -> str:
    """Where a replaced file is kept."""
    return f"{KEPT}/{sha256}"


def clear(files: Files, place: Place, roots: Iterable[str]) -> None:
    """Throw away what is staged below *roots*."""
    for root in roots:
        for name in (STAGING, STAGING_BACK):
            folder = place(under(root, name))
            for file in files.scan(folder):
                files.remove(f"{folder}/{file}")
            files.drop_folder(folder)


def forget(files: Files, kept: Optional[Sequence[Change]] = None) -> None:
    """Remove what was kept and nothing goes back to any more, and what transactions said; only when none is open.
    *kept* are the changes that a rollback would undo, read if they are not given."""
    if kept is None:
        previous = read_previous(files)
        kept = previous.changes if previous else ()
    used = {change.before.sha256 for change in kept if change.before}
    for name in files.scan(KEPT):
        if name not in used:
            files.remove(f"{KEPT}/{name}")
    for name in files.scan(FOLDER):
        if name.startswith(_DOCUMENT):
            files.remove(f"{FOLDER}/{name}")


def tidy(files: Files) -> None:
    """Do what a run left undone that ended between its last word and this."""
    if any(name.startswith(_DOCUMENT) for name in files.scan(FOLDER)):
        forget(files)


def document_path(digest: str) -> str:
    """Where a transaction is told."""
    return f"{FOLDER}/{_DOCUMENT}{digest[:16]}.json"


def open_transaction(files: Files, entry: Entry) -> Transaction:
    """The transaction whose swapping was cut off. Raises BadInput when it is not the one that was announced."""
    digest = str(entry.fields.get("sha256"))
    path = document_path(digest)
    text = files.read(path)
    if hashlib.sha256(text).hexdigest() != digest:
        raise BadInput(f"{path} is not the one that the journal beside it speaks of", "put the right one back")
    return Transaction.read(text, path)


def digest_of(transaction: Transaction) -> str:
    """What names a transaction."""
    return hashlib.sha256(transaction.text().encode()).hexdigest()
