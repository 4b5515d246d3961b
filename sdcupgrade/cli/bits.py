"""The commands about gzbits."""

from __future__ import annotations

from sdcupgrade.cli.bits_nodes import node_arguments, node_options, show_nodes
from sdcupgrade.cli.bits_show import (
    by_destination,
    diff_json,
    diff_lines,
    heading,
    say_done,
    say_verified,
    say_verified_json,
)
from sdcupgrade.cli.options import source_arguments
from sdcupgrade.errors import SdcupgradeError, StepFailed, Unhealthy
from sdcupgrade.ui import words
from sdcupgrade.updates.channel import LATEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from sdcupgrade.bits.records import Installed
    from sdcupgrade.cli.session import Session
    from sdcupgrade.stages.bits import Difference
    from sdcupgrade.stages.bits_find import Found
    from sdcupgrade.stages.bits_look import Verified
    from sdcupgrade.stages.gznodes import Fanned

WHAT = "a gzbits tarball, the uuid of a gzbits image, or latest (the usual)"


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
    session.say(pretty(diff_json(found)) if options.json else "\n".join(diff_lines(found)))
    return 0


def _headnode_only(parser: ArgumentParser) -> None:
    parser.add_argument("--headnode-only", action="store_true", help="leave the compute nodes alone")


def gzbits_apply_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default=LATEST, help=WHAT)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    source_arguments(parser)
    _headnode_only(parser)
    parser.add_argument("--catch-up", action="store_true", help="only the compute nodes that missed the last one")
    node_arguments(parser)


def gzbits_apply(session: Session, options: Namespace) -> int:
    """Put it in place on this headnode, then on the compute nodes."""
    from sdcupgrade.stages.bits import apply, nothing_more

    if options.catch_up:
        return _catch_up(session, options)
    wishes = node_options(options)  # what is wrong with them is told before anything is done

    def show(found: Difference) -> None:
        if found.changes:
            session.say(heading(found))
            for destination, rows in by_destination(found):
                kinds = [row["change"] for row in rows]
                told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
                session.say(f"  {destination}: {told}")

    def fan_out(found: Found, installed: Installed) -> None:
        from dataclasses import replace

        from sdcupgrade.stages.bits_find import as_file
        from sdcupgrade.stages.gznodes import apply_nodes

        path = as_file(session.site, found)
        try:
            fanned.append(apply_nodes(session.site, installed.manifest, path, replace(wishes, image=found.image)))
        except SdcupgradeError as why:
            why.state = (*why.state, f"the headnode has {installed.name}; compute nodes: gzbits apply --catch-up")
            raise

    fanned: list[Fanned] = []
    then = nothing_more if options.headnode_only else fan_out
    done = apply(session.site, options.what, show, options.channel, then)
    say_done(session, done)
    for one in fanned:
        show_nodes(session, one)
    return 0


def _catch_up(session: Session, options: Namespace) -> int:
    from sdcupgrade.stages.gznodes import catch_up

    wishes = node_options(options)
    with session.site.locked("gzbits apply", "--catch-up"):
        fanned = catch_up(session.site, wishes)
    show_nodes(session, fanned)
    return 0


def gzbits_rollback_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    _headnode_only(parser)
    parser.add_argument("--nodes-only", action="store_true", help="only the compute nodes: the headnode is back")
    node_arguments(parser)


def gzbits_rollback(session: Session, options: Namespace) -> int:
    """Put back what the last apply found, here and then on the compute nodes."""
    from sdcupgrade.stages.bits import rollback

    wishes = node_options(options)
    if not options.nodes_only:
        done = rollback(session.site)
        say_done(session, done)
        if options.headnode_only or done.cancelled:
            return 0
    if _nodes_have_some(session):
        from sdcupgrade.stages.gznodes import rollback_nodes

        with session.site.locked("gzbits rollback", "of the compute nodes"):
            fanned = rollback_nodes(session.site, wishes)
        show_nodes(session, fanned)
    return 0


def _nodes_have_some(session: Session) -> bool:
    """Whether compute nodes were ever to have any."""
    from sdcupgrade.stages.gznodes_package import read_wanted

    return read_wanted(session.site.doors.files) is not None


def gzbits_resume_arguments(parser: ArgumentParser) -> None:
    pass


def gzbits_resume(session: Session, options: Namespace) -> int:
    """Go on with an apply or rollback that was cut off on this headnode."""
    from sdcupgrade.stages.bits import resume

    done = resume(session.site)
    if done is None:
        session.say("There is nothing to resume on this headnode. Compute nodes: sdcupgrade gzbits apply --catch-up")
    else:
        say_done(session, done)
    return 0


def gzbits_verify_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-j", "--json", action="store_true", help="as JSON")
    _headnode_only(parser)
    node_arguments(parser)


def gzbits_verify(session: Session, options: Namespace) -> int:
    """Compare everything with what is installed; exit status 4 when something is not as it was."""
    from sdcupgrade.stages.bits_look import verify

    wishes = node_options(options)
    found = verify(session.site)
    if not options.json:
        say_verified(session, found)
    problem = _wrong_here(found)
    fanned: list[Fanned] = []
    if not options.headnode_only and _nodes_have_some(session):
        from sdcupgrade.stages.gznodes import verify_nodes

        with session.site.locked("gzbits verify", "of the compute nodes"):
            fanned.append(verify_nodes(session.site, wishes))
    if options.json:
        say_verified_json(session, found, fanned)
    for one in fanned:
        problem = problem or _wrong_there(session, one, options.json)
    if problem is not None:
        raise problem
    return 0


def _wrong_here(found: Verified) -> Unhealthy | None:
    if found.cut_off:
        return Unhealthy(found.cut_off, "complete it or go back, then verify again")
    if found.drift:
        return Unhealthy(
            f"{words.plural(len(found.drift), 'path')} of {found.installed.name} not as installed",
            "put them right: sdcupgrade gzbits apply; nothing was changed",
        )
    return None


def _wrong_there(session: Session, fanned: Fanned, quiet: bool) -> Unhealthy | None:
    from sdcupgrade.stages.gznodes import refuse_failed

    try:
        if quiet:
            refuse_failed(fanned)
        else:
            show_nodes(session, fanned)
    except StepFailed as why:
        return Unhealthy(why.message, "put them right: sdcupgrade gzbits apply --catch-up; nothing was changed")
    return None
