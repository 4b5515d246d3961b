"""The commands about gzbits."""

from __future__ import annotations

from sdcupgrade.cli.options import source_arguments
from sdcupgrade.errors import Unhealthy
from sdcupgrade.ui import words
from sdcupgrade.ui.table import Table
from sdcupgrade.updates.channel import LATEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from sdcupgrade.cli.session import Session
    from sdcupgrade.stages.bits import Difference, Done

WHAT = "a gzbits tarball, the uuid of a gzbits image, or latest (the usual)"
MOST = 20
"""Foreign files that are named; -j names all."""

DIFF_COLUMNS = ("change", "path", "before", "after")


def gzbits_status_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-j", "--json", action="store_true", help="as JSON")


def gzbits_status(session: Session, options: Namespace) -> int:
    """What is installed, since when, and what is not as it was installed."""
    from sdcupgrade.jsonvalue import pretty
    from sdcupgrade.stages.bits_look import status

    found = status(session.site)
    if options.json:
        session.say(pretty(found.to_json()))
        return 0
    one = found.installed
    if one is None:
        session.say("No gzbits are installed.")
    else:
        session.say(f"Installed: {one.name}, since {one.since}{'' if one.signed else ', unsigned'}")
        session.say(f"Drift: {words.plural(found.drift, 'path')} in the global zone; {found.foreign} foreign")
    session.say(f"Rollback goes to: {found.back or 'nothing'}")
    if found.holder:
        session.say(f"At work: {found.holder}")
    if found.cut_off:
        session.say(f"Cut off: {found.cut_off}")
    return 0


def gzbits_diff_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default=LATEST, help=WHAT)
    parser.add_argument("-j", "--json", action="store_true", help="as JSON")
    source_arguments(parser)


def gzbits_diff(session: Session, options: Namespace) -> int:
    """What applying it would change."""
    from sdcupgrade.jsonvalue import pretty
    from sdcupgrade.stages.bits_look import diff

    found = diff(session.site, options.what, options.channel)
    session.say(pretty(_diff_json(found)) if options.json else "\n".join(_diff_lines(found)))
    return 0


def _diff_json(found: Difference) -> dict[str, object]:
    return {
        "version": found.installed.manifest.version,
        "buildstamp": found.installed.manifest.buildstamp,
        "from": found.before.manifest.version if found.before else None,
        "changes": [row for _, rows in _by_destination(found) for row in rows],
        "foreign": list(found.foreign),
        "kept": list(found.kept),
    }


def _diff_lines(found: Difference) -> Iterator[str]:
    """For people: destination after destination."""
    yield _heading(found)
    for destination, rows in _by_destination(found):
        yield f"{destination}: {words.plural(len(rows), 'change')}"
        yield Table(DIFF_COLUMNS, DIFF_COLUMNS, rows).render(header=False).rstrip("\n")
    if not found.changes:
        yield "No changes."
    yield from _foreign_lines(found.foreign)
    for path in found.kept:
        yield f"Stays: {path}, for there is something foreign in it"


def _heading(found: Difference) -> str:
    return f"{found.installed.name}, in place of {found.before.name if found.before else 'nothing of ours'}"


def _by_destination(found: Difference) -> Iterator[tuple[str, list[dict[str, str]]]]:
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


def _say_foreign(session: Session, paths: tuple[str, ...]) -> None:
    """How many; ``verify -j`` and ``diff`` name them."""
    if paths:
        many = words.plural(len(paths), "path")
        session.say(f"Foreign, kept: {many}, such as {paths[0]} (gzbits verify -j names all)")


def gzbits_apply_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default=LATEST, help=WHAT)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    source_arguments(parser)


def gzbits_apply(session: Session, options: Namespace) -> int:
    """Put it in place on this headnode."""
    from sdcupgrade.stages.bits import apply

    def show(found: Difference) -> None:
        if found.changes:
            session.say(_heading(found))
            for destination, rows in _by_destination(found):
                kinds = [row["change"] for row in rows]
                told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
                session.say(f"  {destination}: {told}")

    done = apply(session.site, options.what, show, options.channel)
    _say_done(session, done)
    return 0


def gzbits_rollback_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def gzbits_rollback(session: Session, options: Namespace) -> int:
    """Put back what the last apply found."""
    from sdcupgrade.stages.bits import rollback

    _say_done(session, rollback(session.site))
    return 0


def gzbits_resume_arguments(parser: ArgumentParser) -> None:
    pass


def gzbits_resume(session: Session, options: Namespace) -> int:
    """Go on with an apply or rollback that was cut off."""
    from sdcupgrade.stages.bits import resume

    done = resume(session.site)
    if done is None:
        session.say("There is nothing to resume.")
    else:
        _say_done(session, done)
    return 0


def _say_done(session: Session, done: Done) -> None:
    now = done.installed.name if done.installed else "nothing of ours"
    what = f"{words.plural(len(done.changes), 'path')} changed" if done.changes else "nothing was left to change"
    session.say(f"{done.command}: {what}; installed: {now}.")
    _say_foreign(session, done.foreign)
    session.say(f"Next: sdcupgrade gzbits {'verify' if done.installed else 'status'}")


def gzbits_verify_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-j", "--json", action="store_true", help="as JSON")


def gzbits_verify(session: Session, options: Namespace) -> int:
    """Compare everything with what is installed; exit status 4 when something is not as it was."""
    from sdcupgrade.jsonvalue import pretty
    from sdcupgrade.stages.bits_look import verify

    found = verify(session.site)
    if options.json:
        session.say(pretty(found.to_json()))
    else:
        for one in found.drift:
            session.say(f"{one.path}: {one.problem}")
        _say_foreign(session, found.foreign)
        if found.key:
            session.say(f"The boot key was not compared: {found.key}")
    if found.cut_off:
        raise Unhealthy(found.cut_off, "complete it or go back, then verify again")
    if found.drift:
        raise Unhealthy(
            f"{words.plural(len(found.drift), 'path')} of {found.installed.name} not as installed",
            "put them right: sdcupgrade gzbits apply; nothing was changed",
        )
    if not options.json:
        session.say(f"{found.installed.name}: all {words.plural(found.paths, 'path')} as installed.")
    return 0
