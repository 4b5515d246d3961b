"""The commands that are about the program itself: install, self-update, selftest."""

from __future__ import annotations

from sdcupgrade.cli.options import source_arguments
from sdcupgrade.errors import Unhealthy, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from sdcupgrade.cli.session import Session
    from sdcupgrade.stages.selfupdate import Choice, Result


def install_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="also in place of a newer version, or of another file")


def install(session: Session, options: Namespace) -> int:
    """Put the file that runs where installed versions live."""
    from sdcupgrade.run.installed import LINK
    from sdcupgrade.stages.install import install
    from sdcupgrade.stages.selfupdate import Outcome

    done = install(session.site, options.force)
    if done.outcome is Outcome.NEWEST:
        session.say(f"sdcupgrade {done.after} is installed already, as {LINK}; nothing was changed.")
        return 0
    session.say(f"Installed sdcupgrade {done.after} as {done.path}.")
    session.say(f"Next: {LINK} --version (put /opt/custom/bin on your PATH)")
    return 0


def self_update_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="IMAGE|FILE", help="an image's uuid, or a file: program or bundle")
    parser.add_argument("--latest", action="store_true", help="the newest version in the channel (the usual)")
    parser.add_argument("--rollback", action="store_true", help="put the version before in use again; no network")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be done, and change nothing")
    parser.add_argument("--allow-major", action="store_true", help="also to another major version")
    source_arguments(parser)


def self_update(session: Session, options: Namespace) -> int:
    """Go to another version; after one that was put in use this process is that version."""
    from sdcupgrade.stages import selfupdate
    from sdcupgrade.stages.selfupdate import Outcome

    if [options.latest, options.rollback, options.what is not None].count(True) > 1:
        raise UsageError("self-update: give one of --latest (the usual), an image's uuid, a file, or --rollback")
    if options.rollback:
        return _rollback(session, options)
    choice = _choice(options)
    if options.dry_run:
        return _would(session, choice)
    done = selfupdate.self_update(session.site, choice)
    if done.outcome is Outcome.NEWEST:
        session.say(_newest(done))
    elif done.outcome is Outcome.CONTINUES:
        session.say(f"Updated to sdcupgrade {done.after}. To go back: sdcupgrade self-update --rollback")
    else:
        session.terminal.clear()
        session.out.flush()
        selfupdate.continue_in(session.site, done.path, session.site.doors.process.words)
    return 0


def _choice(options: Namespace) -> Choice:
    from sdcupgrade.stages.selfupdate import Choice
    from sdcupgrade.updates.channel import UUID

    what = options.what or ""
    image = what if UUID.fullmatch(what) else ""
    return Choice(image, "" if image else what, options.channel, options.allow_major)


def _newest(done: Result) -> str:
    where = f' (using channel "{done.channel}")' if done.channel else ""
    return f"sdcupgrade {done.after} is up to date{where}; nothing was changed."


def _would(session: Session, choice: Choice) -> int:
    from sdcupgrade.stages.selfupdate import would_update

    parcel = would_update(session.site, choice)
    if parcel is None:
        session.say("sdcupgrade is up to date; nothing would be changed.")
    else:
        session.say(f"Would update to sdcupgrade {parcel.build}, from {parcel.origin}; nothing was changed.")
    return 0


def _rollback(session: Session, options: Namespace) -> int:
    from sdcupgrade.run.installed import previous
    from sdcupgrade.stages.selfupdate import go_back, no_way_back

    if options.dry_run:
        path = previous(session.site.doors.files)
        if path is None:
            raise no_way_back()
        session.say(f"Would go back to {path}; nothing was changed.")
        return 0
    done = go_back(session.site)
    session.say(f"Went back to sdcupgrade {done.after}. --latest passes over the other one from now on.")
    return 0


def selftest_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-j", "--json", action="store_true", help="as JSON")


def selftest(session: Session, options: Namespace) -> int:
    """Whether this build works here; exit status 4 when not."""
    from sdcupgrade.jsonvalue import pretty
    from sdcupgrade.stages.selftest import selftest

    found = selftest(session.site.doors)
    if options.json:
        session.say(pretty(found.to_json()))
    if found.problems:
        raise Unhealthy(f"the selftest failed: {'; '.join(found.problems)}", "copy it anew, or see what is named")
    if not options.json:
        root = f"root of trust {found.root}" if found.root else "no root of trust inside"
        session.say(f"sdcupgrade {found.version}: {found.modules} modules, {root}: all is well.")
    return 0
