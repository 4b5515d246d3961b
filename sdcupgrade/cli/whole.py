"""``run``: the whole upgrade by one command."""

from __future__ import annotations

from argparse import Namespace

from sdcupgrade.cli import pipeline
from sdcupgrade.stages.whole import Next, newest, next_stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from sdcupgrade.cli.session import Session


def run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("spec", nargs="?", help="the spec file (foo.json), or its name (foo); in a bundle, its own")
    pipeline.prepare_choices(parser)
    parser.add_argument("-p", "--parallel", type=int, default=4, metavar="N", help="images to download at a time (4)")
    pipeline.go_arguments(parser)
    pipeline.upgrade_choices(parser)
    parser.add_argument("--no-self-update", action="store_true", help="stay with this version of sdcupgrade")


def run(session: Session, options: Namespace) -> int:
    """Self-update, then prepare, download and upgrade; or resume where a run before left off."""
    options.spec = options.spec or own_spec(session)
    step = next_stage(session.site, options.spec, options.fresh)
    if step is Next.PREPARE and not options.no_self_update:
        newest(session.site, options.channel)
    named = Namespace(**vars(options), name=options.spec)
    if step is Next.RESUME:
        return pipeline.resume(session, named)
    if step is Next.PREPARE:
        pipeline.prepare(session, named)
    if step is not Next.UPGRADE:
        pipeline.download(session, named)
    return pipeline.upgrade(session, named)


def own_spec(session: Session) -> str:
    """The spec of the bundle that this program is in, as a file. Raises UsageError when it is in none."""
    from sdcupgrade.cli.bundle import own
    from sdcupgrade.stages.bundle_look import lay_out_spec

    return lay_out_spec(session.site, own(session, "run", "give a spec: sdcupgrade run SPEC"))
