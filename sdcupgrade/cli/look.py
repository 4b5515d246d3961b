"""The commands that only look."""

from __future__ import annotations

from sdcupgrade.cli.options import source_arguments
from sdcupgrade.errors import Unhealthy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from sdcupgrade.cli.session import Session
    from sdcupgrade.ui.table import Table


def table_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-o", dest="output", default="", metavar="COLUMNS", help="columns to show, with commas between")
    parser.add_argument("-s", dest="sort", default="", metavar="COLUMNS", help="columns to sort by; -column backwards")
    parser.add_argument("-H", dest="header", action="store_false", help="no heading")
    parser.add_argument("-j", "--json", action="store_true", help="JSON, all columns")


def _show(session: Session, table: Table, options: Namespace) -> None:
    session.say(table.render(options.output, options.sort, options.header, options.json))


def status_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="the upgrade (foo or foo.json)")
    parser.add_argument("-j", "--json", action="store_true", help="as JSON")


def status(session: Session, options: Namespace) -> int:
    """Where an upgrade stands."""
    from sdcupgrade.cli.show import status_text
    from sdcupgrade.jsonvalue import pretty
    from sdcupgrade.stages.status import status

    found = status(session.site, options.name)
    session.say(pretty(found.to_json()) if options.json else status_text(found, session.narrow))
    return 0


def check_arguments(parser: ArgumentParser) -> None:
    table_arguments(parser)


def check(session: Session, options: Namespace) -> int:
    """All health checks; exit status 4 when one fails."""
    from sdcupgrade.cli.show import findings_table, remedy_lines
    from sdcupgrade.stages.gate import checkup
    from sdcupgrade.ui import words

    findings = checkup(session.site)
    _show(session, findings_table(findings), options)
    failed = sorted({finding.id for finding in findings if not finding.ok})
    if failed:
        if not options.json:
            for line in remedy_lines(findings):
                session.say(line)
        raise Unhealthy(
            f"{words.plural(len(failed), 'check')} failed: {', '.join(failed)}",
            "the remedies are above; nothing was changed",
        )
    return 0


def instances_arguments(parser: ArgumentParser) -> None:
    table_arguments(parser)
    parser.add_argument("filters", nargs="*", metavar="COLUMN=VALUE", help="only rows with that value (svc=imgapi)")


def instances(session: Session, options: Namespace) -> int:
    """Every instance of the datacenter's services."""
    from sdcupgrade.stages.lists import instances_table

    _show(session, instances_table(session.site, options.filters), options)
    return 0


def inventory_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-j", "--json", action="store_true", help="as JSON, for bundle create --base")


def inventory(session: Session, options: Namespace) -> int:
    """What this site has."""
    from sdcupgrade.jsonvalue import pretty
    from sdcupgrade.stages.have import have, have_table

    found = have(session.site)
    session.say(pretty(found) if options.json else have_table(found).render())
    return 0


def avail_arguments(parser: ArgumentParser) -> None:
    table_arguments(parser)
    source_arguments(parser)
    parser.add_argument("-a", "--all", action="store_true", help="all newer images, not only the newest of a service")
    parser.add_argument("services", nargs="*", metavar="service", help="only these")


def avail(session: Session, options: Namespace) -> int:
    """Images newer than those that run."""
    from sdcupgrade.stages.lists import avail_table

    table = avail_table(session.site, options.channel, options.services, options.all)
    _show(session, table, options)
    return 0


def version_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-j", "--json", action="store_true", help="as JSON")


def version(session: Session, options: Namespace) -> int:
    """Which sdcupgrade this is; without oddities on the command line ``__main__`` has answered that before."""
    from sdcupgrade.run import installed
    from sdcupgrade.version import told

    session.say(told(options.json, **installed.told(session.site.doors.files)))
    return 0
