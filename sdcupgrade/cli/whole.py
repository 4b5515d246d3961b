"""``run``: the whole upgrade by one command."""

from __future__ import annotations

from argparse import Namespace

from sdcupgrade.cli import pipeline
from sdcupgrade.cli.bits_nodes import node_arguments
from sdcupgrade.stages.whole import Next, bits_of, newest, next_stage, prove_source

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
    parser.add_argument("--headnode-only", action="store_true", help="gzbits: leave the compute nodes alone")
    node_arguments(parser)
    parser.add_argument("--no-self-update", action="store_true", help="stay with this version of sdcupgrade")


def run(session: Session, options: Namespace) -> int:
    """Self-update, gzbits, prepare, download and upgrade; or resume where a run before left off."""
    prove_source(session.site)
    options.spec = options.spec or own_spec(session)
    step = next_stage(session.site, options.spec, options.fresh)
    named = Namespace(**vars(options), name=options.spec)
    if step is Next.PREPARE and not first(session, named):
        return 0
    if step is Next.RESUME:
        return pipeline.resume(session, named)
    if step is Next.PREPARE:
        pipeline.prepare(session, named)
    if step is not Next.UPGRADE:
        pipeline.download(session, named)
    return pipeline.upgrade(session, named)


def first(session: Session, options: Namespace) -> bool:
    """What comes before any service: the newest sdcupgrade, then the bits of the global zones; whether there are
    services, too. Asked before the first: a spec that is wrong changes nothing."""
    bits, more = bits_of(session.site, options.spec)
    if not options.no_self_update:
        newest(session.site, options.channel)
    if bits:
        from sdcupgrade.cli.bits import gzbits_apply

        gzbits_apply(session, Namespace(**vars(options), what=bits, catch_up=False))
    return more


def own_spec(session: Session) -> str:
    """The spec of the bundle that this program is in, as a file. Raises UsageError when it is in none."""
    from sdcupgrade.cli.bundle import own
    from sdcupgrade.stages.bundle_look import lay_out_spec

    return lay_out_spec(session.site, own(session, "run", "give a spec: sdcupgrade run SPEC"))
