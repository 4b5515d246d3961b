"""The options that say where bits come from and whom to believe about them: the same words for every command."""

from __future__ import annotations

from sdcupgrade.stages.site import SourceOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

SOURCE = "an updates server's URL, a bundle, a folder with images, or imgapi for the datacenter's own"


def source_arguments(parser: ArgumentParser, channel: bool = True) -> None:
    """Add them all; *channel* False where a plan has chosen it already."""
    if channel:
        parser.add_argument("-C", "--channel", help="take images from this channel, not from the usual one")
    parser.add_argument("--source", metavar="SOURCE", help=f"where images come from: {SOURCE}")
    parser.add_argument("--proxy", metavar="URL", help="reach the updates server through this proxy")
    parser.add_argument("--cacert", metavar="FILE", help="the certificate authorities to believe")
    parser.add_argument("--trust-root", metavar="FILE", help="the root of trust, in place of the one inside")
    parser.add_argument("--metadata", metavar="WHERE", help="signed metadata: a URL, a folder or a .tgz")
    parser.add_argument("--require-signed", action="store_true", help="refuse what nobody has signed")


def source_options(options: Namespace, environ: Mapping[str, str], bundle: str = "") -> SourceOptions:
    """What was said: by options first, then by the *bundle* that runs, then by the environment."""
    given = vars(options)
    return SourceOptions(
        source=given.get("source") or bundle or environ.get("SDCUPGRADE_UPDATES_URL") or "",
        trust_root=given.get("trust_root") or "",
        metadata=given.get("metadata") or environ.get("SDCUPGRADE_METADATA") or "",
        require_signed=bool(given.get("require_signed")),
    )
