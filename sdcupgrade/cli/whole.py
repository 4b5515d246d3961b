"""``run``: the whole upgrade by one command."""

from __future__ import annotations

from argparse import Namespace

from sdcupgrade.cli import pipeline
from sdcupgrade.stages.whole import Next, next_stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from sdcupgrade.cli.session import Session


def run_arguments(parser: ArgumentParser) -> None:
    pipeline.prepare_arguments(parser)
    parser.add_argument("-p", "--parallel", type=int, default=4, metavar="N", help="images to download at a time (4)")
    pipeline.go_arguments(parser)
    pipeline.upgrade_choices(parser)
    parser.add_argument("--no-self-update", action="store_true", help="stay with this version of sdcupgrade")


def run(session: Session, options: Namespace) -> int:
    """Self-update, then prepare, download and upgrade; or resume where a run before left off."""
    step = next_stage(session.site, options.spec, options.fresh)
    named = Namespace(**vars(options), name=options.spec)
    if step is Next.RESUME:
        return pipeline.resume(session, named)
    if step is Next.PREPARE:
        pipeline.prepare(session, named)
    if step is not Next.UPGRADE:
        pipeline.download(session, named)
    return pipeline.upgrade(session, named)
