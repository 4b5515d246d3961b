"""What the commands about gzbits print."""

from __future__ import annotations

from sdcupgrade.ui import words
from sdcupgrade.ui.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdcupgrade.cli.session import Session
    from sdcupgrade.stages.bits import Difference, Done
    from sdcupgrade.stages.bits_look import Verified
    from sdcupgrade.stages.gznodes import Fanned

MOST = 20
"""Foreign files that are named; -j names all."""

DIFF_COLUMNS = ("change", "path", "before", "after")


def diff_json(found: Difference) -> dict[str, object]:
    """For ``-j``."""
    return {
        "version": found.installed.manifest.version,
        "buildstamp": found.installed.manifest.buildstamp,
        "from": found.before.manifest.version if found.before else None,
        "changes": [row for _, rows in by_destination(found) for row in rows],
        "foreign": list(found.foreign),
        "kept": list(found.kept),
    }


def diff_lines(found: Difference) -> Iterator[str]:
    """For people: destination after destination."""
    yield heading(found)
    for destination, rows in by_destination(found):
        yield f"{destination}: {words.plural(len(rows), 'change')}"
        yield Table(DIFF_COLUMNS, DIFF_COLUMNS, rows).render(header=False).rstrip("\n")
    if not found.changes:
        yield "No changes."
    yield from _foreign_lines(found.foreign)
    for path in found.kept:
        yield f"Stays: {path}, for there is something foreign in it"


def heading(found: Difference) -> str:
    """What would be in place of what."""
    return f"{found.installed.name}, in place of {found.before.name if found.before else 'nothing of ours'}"


def by_destination(found: Difference) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The changes as rows, destination after destination."""
    from sdcupgrade.bits.changes import KEY, root_of

    groups: dict[str, list[dict[str, str]]] = {}
    for change in found.changes:
        root = root_of(change.path)
        row = {"change": change.what, "path": change.path}
        row.update(before=_shown(change.before), after=_shown(change.after))
        groups.setdefault("the boot key" if root == KEY else root, []).append(row)
    for destination, rows in groups.items():
        yield destination, sorted(rows, key=lambda row: row["path"])


def _shown(thing: object) -> str:
    from sdcupgrade.bits.changes import Thing

    if not isinstance(thing, Thing):
        return "-"
    if thing.kind == "link":
        return f"-> {thing.target}"
    mode = f" {thing.mode:04o}" if thing.mode else ""
    return f"{thing.kind}{mode}" + (f" {words.size(thing.size)} {thing.sha256[:12]}" if thing.sha256 else "")


def _foreign_lines(paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths[:MOST]:
        yield f"Foreign, kept: {path}"
    if len(paths) > MOST:
        yield f"Foreign, kept: and {len(paths) - MOST} more (-j names all)"


def say_foreign(session: Session, paths: tuple[str, ...]) -> None:
    """How many; ``verify -j`` and ``diff`` name them."""
    if paths:
        many = words.plural(len(paths), "path")
        session.say(f"Foreign, kept: {many}, such as {paths[0]} (gzbits verify -j names all)")


def say_done(session: Session, done: Done) -> None:
    """What a command did, and what to type next."""
    now = done.installed.name if done.installed else "nothing of ours"
    what = f"{words.plural(len(done.changes), 'path')} changed" if done.changes else "nothing was left to change"
    session.say(f"{done.command}: {what}; installed: {now}.")
    say_foreign(session, done.foreign)
    session.say(f"Next: sdcupgrade gzbits {'verify' if done.installed else 'status'}")


def say_verified(session: Session, found: Verified) -> None:
    """Every drift, and what else is to know."""
    for one in found.drift:
        session.say(f"{one.path}: {one.problem}")
    say_foreign(session, found.foreign)
    if found.key:
        session.say(f"The boot key was not compared: {found.key}")
    if not found.drift and not found.cut_off:
        session.say(f"{found.installed.name}: all {words.plural(found.paths, 'path')} as installed.")


def say_verified_json(session: Session, found: Verified, fanned: list[Fanned]) -> None:
    """The same with the compute nodes, for ``-j``."""
    from sdcupgrade.jsonvalue import pretty

    nodes = [
        {"uuid": one.uuid, "hostname": one.hostname, "outcome": one.fate.value, "why": one.why}
        for fan in fanned
        for one in fan.results
    ]
    session.say(pretty({**found.to_json(), "nodes": nodes}))
