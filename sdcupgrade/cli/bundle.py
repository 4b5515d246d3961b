"""The commands about bundles; ``verify`` and ``list`` alone mean the bundle that this very program is in."""

from __future__ import annotations

from sdcupgrade import version
from sdcupgrade.cli.options import source_arguments
from sdcupgrade.errors import UsageError
from sdcupgrade.ui import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from sdcupgrade.cli.session import Session
    from sdcupgrade.updates.bundle import Bundle

GZBITS = "gzbits"


def bundle_create_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("spec", help="the spec file (foo.json), or its name (foo)")
    parser.add_argument("-o", "--output", default="", metavar="FILE", help="the file to write (SPEC.sdcupgrade)")
    source_arguments(parser)
    parser.add_argument("--with", dest="more", action="append", default=[], choices=[GZBITS], help="carry this, too")
    parser.add_argument(
        "--base", default="", metavar="FILE",
        help="leave out what the site has: its `sdcupgrade inventory -j`, or the bundle that was run there",
    )  # fmt: skip
    parser.add_argument("--sign-key", default="", metavar="KEY", help="sign the index with this ssh key")
    parser.add_argument("--program", default="", metavar="FILE", help="carry this one file, not the running one")
    parser.add_argument("-p", "--parallel", type=int, default=4, metavar="N", help="images at a time (4)")


def bundle_create(session: Session, options: Namespace) -> int:
    """Write one."""
    from sdcupgrade.stages.bundle import Choices, create
    from sdcupgrade.stages.bundle_look import good_until

    if not 1 <= options.parallel <= 64:
        raise UsageError(f"--parallel {options.parallel}: give a number from 1 to 64")
    made = create(
        session.site,
        options.spec,
        Choices(
            output=options.output,
            channel=options.channel or "",
            gzbits=GZBITS in options.more,
            base=options.base,
            sign_key=options.sign_key,
            program=options.program,
            parallel=options.parallel,
        ),
    )
    index = made.index
    left = len(index.left_out())
    inside = words.plural(len(index.images) - left, "image") + (f", {left} left out" if left else "")
    inside += f", {made.signed} of them signed" if made.signed else ""
    session.say(f"Wrote {made.path}: {words.size(made.size)}, {inside}, sdcupgrade {index.program.version}.")
    until = good_until(_open(session, made.path))
    if until:
        session.say(f"The signed metadata in it is good until {until}.")
    session.say(f"Next: carry it to the headnode; there: sh {made.path.rpartition('/')[2]} verify")
    return 0


def _signature_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--allowed-signers", metavar="FILE", help="whose signatures count, as ssh-keygen -Y has it")
    parser.add_argument("--require-signed", action="store_true", help="refuse it unless it is signed by one of them")


def bundle_verify_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="the bundle")
    _signature_arguments(parser)


def bundle_verify(session: Session, options: Namespace) -> int:
    """All of it."""
    return _verify(session, options, _open(session, options.file))


def verify_arguments(parser: ArgumentParser) -> None:
    _signature_arguments(parser)


def verify(session: Session, options: Namespace) -> int:
    """The one that runs."""
    return _verify(session, options, own(session, "verify"))


def _verify(session: Session, options: Namespace, bundle: Bundle) -> int:
    from sdcupgrade.updates import bundle_sign

    who = bundle_sign.signer(session.site.doors, bundle, options.allowed_signers, options.require_signed)
    bundle.verify(session.site.emit)
    index = bundle.index
    signed = f"signed by {who}" if who else "signed, by nobody that is known here" if bundle.signature else "not signed"
    session.say(
        f"{bundle.path}: whole: {words.plural(len(index.members), 'member')}, {words.size(bundle.size)}, and sdcupgrade"
        f" {index.program.version} ({index.program.buildstamp}); {signed}."
    )
    return 0


def bundle_list_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="the bundle")
    list_arguments(parser)


def bundle_list(session: Session, options: Namespace) -> int:
    """What is in it."""
    return _list(session, options, _open(session, options.file))


def list_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-j", "--json", action="store_true", help="as JSON")


def list(session: Session, options: Namespace) -> int:
    """The one that runs."""
    return _list(session, options, own(session, "list"))


def _list(session: Session, options: Namespace, bundle: Bundle) -> int:
    from sdcupgrade.jsonvalue import pretty
    from sdcupgrade.stages.bundle_look import good_until, listing, rows
    from sdcupgrade.ui.table import Table

    if options.json:
        session.say(pretty(listing(bundle)))
        return 0
    index = bundle.index
    columns = ("service", "image", "version", "uuid", "size", "inside")
    table = [
        {
            "service": ",".join(row.services),
            "image": row.image.name,
            "version": row.image.version,
            "uuid": row.image.uuid,
            "size": words.size(row.size),
            "inside": "yes" if row.inside else "left out",
        }
        for row in rows(bundle)
    ]
    signed = "signed" if bundle.signature else "not signed"
    base = f" for what {index.base} lacks" if index.base else ""
    session.say(f"{index.name}: made {index.created_at} from {index.source} (channel {index.channel or '-'}){base}")
    session.say(f"sdcupgrade {index.program.version} ({index.program.buildstamp}), {signed}; members not verified")
    until = good_until(bundle)
    if until:
        session.say(f"signed metadata inside, good until {until}")
    session.say(Table(columns, columns, table).render())
    return 0


def bundle_diff_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("old", help="a bundle")
    parser.add_argument("new", help="another")
    parser.add_argument("-j", "--json", action="store_true", help="as JSON")


def bundle_diff(session: Session, options: Namespace) -> int:
    """What is not the same."""
    from sdcupgrade.stages.bundle_look import difference
    from sdcupgrade.ui.table import Table

    columns = ("what", "old", "new")
    found = difference(_open(session, options.old), _open(session, options.new))
    if not found and not options.json:
        session.say("They bring the same.")
        return 0
    session.say(Table(columns, columns, found).render(as_json=options.json))
    return 0


def _open(session: Session, path: str) -> Bundle:
    from sdcupgrade.updates.bundle import Bundle, placed

    files = session.site.doors.files
    return Bundle.open(files, placed(files, path))


def own(session: Session, command: str, hint: str = "") -> Bundle:
    """The one that runs. Raises UsageError when this program is in none."""
    path = version.bundle()
    if path is None:
        hint = hint or f"name one: sdcupgrade bundle {command} FILE"
        raise UsageError(f"{command}: this sdcupgrade is not in a bundle", hint)
    return _open(session, path)
