"""The commands of the pipeline: options in, a stage called, its result shown."""

from __future__ import annotations

from sdcupgrade.cli.options import source_arguments
from sdcupgrade.errors import Refused, UsageError
from sdcupgrade.stages.execute import PAUSES, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from sdcupgrade.cli.session import Session
    from sdcupgrade.run.engine import Outcome


def prepare_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("spec", help="the spec file (foo.json), or its name (foo)")
    prepare_choices(parser)


def prepare_choices(parser: ArgumentParser) -> None:
    """The options of a preparation that ``run`` has, too."""
    source_arguments(parser)
    parser.add_argument("--refresh", action="store_true", help="forget what latest meant before and look again")
    parser.add_argument("--fresh", action="store_true", help="move a work dir that is in use aside, and start anew")
    parser.add_argument("--allow-downgrade", action="store_true", help="allow images older than the ones that run")


def prepare(session: Session, options: Namespace) -> int:
    """Show the plan; Refused when there are reasons against it."""
    from sdcupgrade.cli.show import plan_table, refusal_lines
    from sdcupgrade.stages.prepare import Choices, prepare

    choices = Choices(options.channel, options.refresh, options.fresh, options.allow_downgrade)
    prepared = prepare(session.site, options.spec, choices)
    session.say(plan_table(prepared.draft, session.narrow))
    if prepared.draft.refusals:
        for line in refusal_lines(prepared.draft):
            session.say(line)
        count = len(prepared.draft.refusals)
        raise Refused(
            f"the plan is refused for {count} reason{'s' if count > 1 else ''}; nothing was changed",
            "mend what is named above, or take the service out of the spec",
        )
    session.say(f"Wrote '{prepared.work.rollback}', '{prepared.work.spec}' and '{prepared.work.plan}'.")
    _next(session, options, f"download {prepared.work.name}")
    return 0


def _next(session: Session, options: Namespace, command: str) -> None:
    """What to type next; not where ``run`` does it by itself."""
    if options.command != "run":
        session.say(f"Next: sdcupgrade {command}")


def download_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="the upgrade (foo or foo.json)")
    parser.add_argument("-p", "--parallel", type=int, default=4, metavar="N", help="images at a time (4)")
    source_arguments(parser, channel=False)


def download(session: Session, options: Namespace) -> int:
    """Bring the images in."""
    from sdcupgrade.stages.download import download
    from sdcupgrade.ui import words

    if not 1 <= options.parallel <= 64:
        raise UsageError(f"--parallel {options.parallel}: give a number from 1 to 64")
    done = download(session.site, options.name, options.parallel)
    name = _name(options.name)
    if not done.fetched and not done.installed:
        session.say("Every image is where it will be needed already; nothing was changed.")
    else:
        fetched = f"{words.plural(done.fetched, 'image')} ({words.size(done.bytes)}) into IMGAPI"
        session.say(
            f"Brought {fetched}, {words.plural(done.installed, 'installation')} into pools. No service was touched."
        )
    _next(session, options, f"upgrade {name}")
    return 0


def _run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="the upgrade (foo or foo.json)")
    go_arguments(parser)


def go_arguments(parser: ArgumentParser) -> None:
    """How much is asked on the way."""
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask before beginning")
    parser.add_argument(
        "--pause", choices=PAUSES, help="stop for the operator after each service, on failure, or never"
    )


def upgrade_arguments(parser: ArgumentParser) -> None:
    _run_arguments(parser)
    upgrade_choices(parser)


def upgrade_choices(parser: ArgumentParser) -> None:
    """The options of an upgrade that ``run`` has, too."""
    parser.add_argument("--snapshot", action="store_true", help="keep each old root as a zfs send stream in a file")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="CHECK=REASON", help="go on in spite of a failed health check"
    )


def upgrade(session: Session, options: Namespace) -> int:
    """Carry the plan out."""
    from sdcupgrade.stages.upgrade import upgrade

    chosen = Options(snapshot=options.snapshot, pause=options.pause or "each", ignore=_ignored(options.ignore))
    return _closing(session, options.name, "upgrade", upgrade(session.site, options.name, chosen))


def rollback_arguments(parser: ArgumentParser) -> None:
    _run_arguments(parser)
    parser.add_argument("services", nargs="*", metavar="service", help="only these (all that were changed)")


def rollback(session: Session, options: Namespace) -> int:
    """Put back what was changed."""
    from sdcupgrade.stages.rollback import rollback

    chosen = Options(pause=options.pause or "each", services=tuple(options.services))
    return _closing(session, options.name, "rollback", rollback(session.site, options.name, chosen))


def resume_arguments(parser: ArgumentParser) -> None:
    _run_arguments(parser)


def resume(session: Session, options: Namespace) -> int:
    """Go on."""
    from sdcupgrade.stages.resume import resume

    command, outcomes = resume(session.site, options.name, options.pause)
    return _closing(session, options.name, command, outcomes)


def _closing(session: Session, text: str, command: str, outcomes: Sequence[Outcome]) -> int:
    """The closing table; nothing when nothing was to be done, which was said already."""
    if outcomes:
        from sdcupgrade.cli.show import closing_table

        plan = session.site.prepared(text)[1]
        session.say(closing_table(plan, command, outcomes, session.narrow))
        name = _name(text)
        if command == "upgrade":
            session.say(f"To go back: sdcupgrade rollback {name} [service ...]")
    return 0


def _name(text: str) -> str:
    from sdcupgrade.run.workdir import Named

    return Named.of(text).name


def _ignored(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for word in words:
        check, equals, reason = word.partition("=")
        if not equals or not check or not reason.strip():
            raise UsageError(f"--ignore {word}: give the check and a reason, such as --ignore jobs-idle='known job'")
        pairs.append((check, reason.strip()))
    return tuple(pairs)
