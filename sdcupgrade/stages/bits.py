"""gzbits on the headnode: put a tarball's content in place, go back, and go on after either was cut off.

Needs no service: the tarball may lie on this machine, the sdc zone is looked for by vmadm. What a transaction is, and
why a crash leaves no mixture, is told in :mod:`sdcupgrade.run.swap`.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sdcupgrade.bits.changes import KEY, ROOTS, above, foreign, our_folders, plan, wanted
from sdcupgrade.bits.records import Ending, Installed, Transaction, before
from sdcupgrade.doors.clock import iso
from sdcupgrade.errors import Interrupted, Refused, SdcupgradeError, StepFailed
from sdcupgrade.run import bits_state
from sdcupgrade.run.journal import Journal
from sdcupgrade.run.swap import Swap
from sdcupgrade.stages.bits_find import find, forget_downloads, opened
from sdcupgrade.stages.bits_ground import Ground, ground_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Optional

    from sdcupgrade.bits.changes import Change, Changes, Disk, Thing
    from sdcupgrade.bits.manifest import Manifest
    from sdcupgrade.bits.tarball import Reader, Tarball
    from sdcupgrade.run.state import Entry
    from sdcupgrade.stages.bits_find import Found
    from sdcupgrade.stages.site import Site

    Show = Callable[["Difference"], None]
    Then = Callable[[Found, Installed], None]

def nothing_more(found: Found, installed: Installed) -> None:
    """For who has nothing to do after the headnode."""


APPLY, ROLLBACK = "gzbits apply", "gzbits rollback"
GO_ON = "to go on: sdcupgrade gzbits resume; to go back: sdcupgrade gzbits rollback"
UNTOUCHED = "nothing in use was changed"


@dataclass(frozen=True)
class Difference:
    """What a manifest would change here. *foreign* is what lies in its folders and is nobody's that we know; *kept* are
    folders that would go if it were not for that. *before* is what is installed, None for nothing of ours."""

    installed: Installed
    before: Optional[Installed]
    changes: tuple[Change, ...]
    foreign: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to do, not even to write down."""
        return not self.changes and self.before is not None and self.before.manifest == self.installed.manifest


@dataclass(frozen=True)
class Done:
    """What a command did. *installed* is what is installed now; *cancelled* that it only undid what was cut off."""

    command: str
    changes: tuple[Change, ...]
    installed: Optional[Installed]
    foreign: tuple[str, ...] = ()
    cancelled: bool = False


def apply(site: Site, word: str, show: Show, channel: Optional[str] = None, then: Then = nothing_more) -> Done:
    """Make this headnode what the tarball that *word* means says. *show* is given the difference before it is asked
    whether to go on; when there is none nobody is asked and nothing is written. *then* is called with the tarball when
    the headnode has it, under the same lock: for the compute nodes.

    What an earlier run left half done is completed first. Raises Refused, Declined, LockHeld, StepFailed, and what
    :func:`~sdcupgrade.stages.bits_find.find` raises.
    """
    with _at_work(site, APPLY) as journal:
        with ground_of(site) as ground:
            _settle(site, ground, journal)
            found = find(site, word, channel)
            there = _known(site, ground, found)
            if there is None or not there.nothing:
                there = _put_in_place(site, ground, journal, found, show)
            else:
                ground.refresh_link()
        then(found, there.installed)
        forget_downloads(site)
        return Done(APPLY, there.changes, there.installed, there.foreign)


def _known(site: Site, ground: Ground, found: Found) -> Optional[Difference]:
    """The difference to a tarball that is installed already, whose manifest need not be read again; None for others."""
    installed = bits_state.read_installed(site.doors.files)
    if installed is None or installed.sha256 != found.sha256:
        return None
    return difference(site, ground, found, installed.manifest)


def _put_in_place(site: Site, ground: Ground, journal: Journal, found: Found, show: Show) -> Difference:
    with opened(site, found) as tarball:
        there = difference(site, ground, found, tarball.manifest)
        show(there)
        if not there.nothing:
            site.confirm(f"Put {there.installed.name} in place?")
            ending = Ending.REPAIRED if _same(there) else Ending.APPLIED
            transaction = Transaction(APPLY, ending, there.installed, there.changes)
            _transact(site, ground, journal, transaction, lambda work: _put_members(work, tarball))
        else:
            ground.refresh_link()
        return there


def _same(there: Difference) -> bool:
    return there.before is not None and there.before.manifest == there.installed.manifest


def difference(site: Site, ground: Ground, found: Found, manifest: Manifest) -> Difference:
    """What *manifest* would change on this headnode. Raises Refused when it cannot be put in place."""
    old = bits_state.read_installed(site.doors.files)
    owner = site.doors.files.owner
    want = wanted(manifest, owner)
    before_it = wanted(old.manifest, owner) if old else {}
    disk = ground.observe(set(want) | set(before_it))
    changes = plan(want, before_it.keys(), disk, owner)
    installed = Installed(manifest, found.image, found.sha256, found.signed, iso(site.doors.clock.time()))
    strangers = strangers_of(disk, want, before_it)
    return Difference(installed, old, changes.changes, strangers, changes.kept)


def strangers_of(disk: Disk, *manifests: dict[str, Thing]) -> tuple[str, ...]:
    """What is in the folders of these manifests, and in none of them."""
    known: dict[str, Thing] = {}
    for one in manifests:
        known.update(one)
    return foreign(disk, our_folders(known), set(known) | above(known))


def _put_members(work: Swap, tarball: Tarball) -> None:
    """Stage what is needed of the tarball; all of it is read, and all of it has to be what its manifest says."""
    needed = work.contents()
    for entry, reader in tarball.members():
        paths = needed.pop(entry.sha256, None) if entry.sha256 else None
        if paths:
            work.put(paths, _pieces(reader))


def _pieces(reader: Reader) -> Iterator[bytes]:
    while piece := reader.read(1 << 20):
        yield piece


def rollback(site: Site) -> Done:
    """Put back what the last apply found, or what an apply that was cut off has changed so far.

    Raises Refused when there is nothing to go back to, Declined, LockHeld, StepFailed.
    """
    with _at_work(site, ROLLBACK) as journal, ground_of(site) as ground:
        entry = bits_state.last(journal)
        if entry is not None:
            if entry.event == "begin" and entry.fields.get("command") == APPLY:
                _settle(site, ground, journal)
                return Done(ROLLBACK, (), bits_state.read_installed(site.doors.files), cancelled=True)
            done = _cancel(site, ground, journal, entry)
            if done is not None:
                return done
        return _go_back(site, ground, journal)


def _cancel(site: Site, ground: Ground, journal: Journal, entry: Entry) -> Optional[Done]:
    """Undo an apply that was cut off, or complete the undoing of one. None when a rollback is still to be done."""
    files = site.doors.files
    if entry.event == "begin":
        _settle(site, ground, journal)
        return None
    open_one = bits_state.open_transaction(files, entry)
    previous = bits_state.read_previous(files)
    if previous is not None and previous.transaction == bits_state.digest_of(open_one):
        _settle(site, ground, journal)  # everything was in place already
        return None
    if open_one.ending in (Ending.ROLLED_BACK, Ending.CANCELLED):
        _settle(site, ground, journal)
        cancelled = open_one.ending is Ending.CANCELLED
        return Done(ROLLBACK, open_one.changes, bits_state.read_installed(files), cancelled=cancelled)
    changes = _changes_back(site, ground, open_one.changes).changes
    installed = bits_state.read_installed(files)
    site.confirm(f"Undo the {open_one.command} that was cut off ({len(changes)} paths)?")
    transaction = Transaction(ROLLBACK, Ending.CANCELLED, installed, changes)
    _transact(site, ground, journal, transaction, Swap.put_kept)
    return Done(ROLLBACK, changes, installed, cancelled=True)


def _go_back(site: Site, ground: Ground, journal: Journal) -> Done:
    previous = bits_state.read_previous(site.doors.files)
    if previous is None:
        raise Refused("there is nothing to roll back to; nothing was changed", "see: sdcupgrade gzbits status")
    changes = _changes_back(site, ground, previous.changes).changes
    goal = previous.installed.name if previous.installed else "what was there before gzbits"
    site.confirm(f"Go back to {goal} ({len(changes)} paths)?")
    transaction = Transaction(ROLLBACK, Ending.ROLLED_BACK, previous.installed, changes)
    _transact(site, ground, journal, transaction, Swap.put_kept)
    return Done(ROLLBACK, changes, previous.installed)


def _changes_back(site: Site, ground: Ground, made: tuple[Change, ...]) -> Changes:
    want, gone = before(made)
    found = plan(want, gone, ground.observe(set(want) | gone), site.doors.files.owner)
    for path in found.kept:
        site.warn(ROLLBACK, f"{path} stays: there is something in it that gzbits did not put there")
    return found


def resume(site: Site) -> Optional[Done]:
    """Complete what was cut off; None when nothing was. Raises LockHeld, StepFailed."""
    with _at_work(site, "gzbits resume") as journal, ground_of(site) as ground:
        done = _settle(site, ground, journal)
        return None if done is None else Done(done.command, done.changes, bits_state.read_installed(site.doors.files))


# --- one transaction --------------------------------------------------------------------------------------------------
@contextmanager
def _at_work(site: Site, command: str) -> Iterator[Journal]:
    """On a headnode, with its lock and its journal."""
    assert site.datacenter.headnode
    with site.locked(command, ""):
        yield Journal(site.doors.files, bits_state.JOURNAL, site.doors.clock)


def _settle(site: Site, ground: Ground, journal: Journal) -> Optional[Transaction]:
    """Bring to its end what was cut off: staging is thrown away, swapping is completed. The transaction that was
    completed."""
    entry = bits_state.last(journal)
    if entry is None:
        bits_state.tidy(site.doors.files)
        return None
    command = str(entry.fields.get("command"))
    if entry.event == "begin":
        _throw_away(site, ground, journal, bits_state.says_key(entry), "cut off")
        site.note(command, f"{command} was cut off at {entry.time} before it had changed anything")
        return None
    transaction = bits_state.open_transaction(site.doors.files, entry)
    site.note(command, f"{command} was cut off at {entry.time}; going on with it")
    _complete(site, ground, Swap(site.doors, journal, ground.place, transaction, fresh=False))
    return transaction


def _throw_away(site: Site, ground: Ground, journal: Journal, key: bool, why: str) -> None:
    bits_state.clear(site.doors.files, ground.place, [root for root in ROOTS if key or root != KEY])
    journal.append("abandoned", message=why)
    bits_state.forget(site.doors.files)


def _transact(
    site: Site, ground: Ground, journal: Journal, transaction: Transaction, fill: Callable[[Swap], None]
) -> None:
    """Stage, then swap; whatever fails before the swap leaves everything as it was."""
    work = Swap(site.doors, journal, ground.place, transaction)
    key = any(change.path.startswith(KEY) for change in transaction.changes)
    if transaction.ending is not Ending.CANCELLED:  # then the journal goes on saying what is half done
        name = transaction.installed.name if transaction.installed else ""
        journal.append("begin", command=transaction.command, name=name, key=key, pid=site.who.pid, user=site.who.user)
    try:
        work.begin()
        fill(work)
        work.commit()
    except (SdcupgradeError, KeyboardInterrupt) as why:
        entry = bits_state.last(journal)
        if entry is not None and entry.event == "begin":
            with suppress(SdcupgradeError):  # the next command does it
                _throw_away(site, ground, journal, key, str(why) or "interrupted")
        raise _staging_failed(why, transaction) from why
    _complete(site, ground, work)


def _staging_failed(why: BaseException, transaction: Transaction) -> BaseException:
    """The same error, which says what was touched."""
    hint = GO_ON if transaction.ending is Ending.CANCELLED else "mend that, then type the same command again"
    if isinstance(why, SdcupgradeError):
        why.state = (*why.state, UNTOUCHED)
        why.hint = why.hint or hint
        return why
    return Interrupted(f"{transaction.command} was interrupted; {UNTOUCHED}", hint)


def _complete(site: Site, ground: Ground, work: Swap) -> None:
    """Put in place what is staged."""
    command = work.transaction.command
    try:
        work.swap()
        ground.refresh_link()
        work.finish()
    except KeyboardInterrupt as why:
        raise Interrupted(f"{command} was interrupted in the middle", GO_ON) from why
    except SdcupgradeError as why:
        if isinstance(why, Interrupted):
            raise
        text = f"{command} stopped in the middle: {why.message}"
        raise StepFailed(text, GO_ON, (*why.state, "each file is whole, some old and some new")) from why
