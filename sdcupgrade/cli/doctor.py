"""``doctor``: what this machine lacks, before anyone depends on it."""

from __future__ import annotations

from sdcupgrade.errors import Unhealthy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from sdcupgrade.cli.session import Session

COLUMNS = ("check", "result", "needed", "subject", "evidence", "remedy")


def doctor_arguments(parser: ArgumentParser) -> None:
    from sdcupgrade.cli.look import table_arguments
    from sdcupgrade.cli.options import source_arguments

    table_arguments(parser)
    source_arguments(parser, channel=False)
    parser.add_argument("--offline", action="store_true", help="this site has no updates server: ask none, need none")


def doctor(session: Session, options: Namespace) -> int:
    """What sdcupgrade needs and whether it is here; exit status 4 when something lacks that this machine needs."""
    from sdcupgrade.doors.machine import RealMachine
    from sdcupgrade.doors.real import environment
    from sdcupgrade.stages.doctor import Patient, examine
    from sdcupgrade.ui import words
    from sdcupgrade.ui.table import Table

    patient = Patient(session.site, RealMachine(environment(), options.cacert), options.offline)
    answers = examine(patient)
    rows = [
        {
            "check": answer.check,
            "result": "ok" if answer.ok else "failed" if patient.lacks(answer) else "lacking",
            "needed": answer.need.value,
            "subject": answer.subject,
            "evidence": answer.evidence,
            "remedy": answer.remedy,
        }
        for answer in answers
    ]
    table = Table(COLUMNS, COLUMNS[:-1], rows)
    session.say(table.render(options.output, options.sort, options.header, options.json))
    if not options.json:
        for answer in answers:
            if answer.remedy:
                session.say(f"{answer.check}: {words.one_line(answer.remedy)}")
    failed = sorted({answer.check for answer in answers if patient.lacks(answer)})
    if failed:
        raise Unhealthy(
            f"this machine lacks what sdcupgrade needs: {', '.join(failed)}; nothing was changed",
            "mend it as told above, then type sdcupgrade doctor again",
        )
    return 0
