"""``python tools/release COMMAND``: keys, sign, withdraw, renew, rotate, show, publish, verify-release. See
docs/release.md."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Callable
from typing import Any

HERE = pathlib.Path(__file__).resolve()
sys.path[:1] = [str(HERE.parents[2]), str(HERE.parents[1])]

from release import commands  # noqa: E402  (the path comes first)
from release.failed import Failed  # noqa: E402
from release.repository import DAYS, ROLES  # noqa: E402

Path = pathlib.Path


def count(text: str) -> int:
    """A number of one or more."""
    number = int(text)
    if not 1 <= number <= 36500:
        raise ValueError(text)
    return number


def _expiry(parser: argparse.ArgumentParser, *roles: str) -> None:
    for role in roles:
        parser.add_argument(f"--{role}-days", type=count, metavar="N", help=f"in force so long ({DAYS[role]})")


def _signing(parser: argparse.ArgumentParser, *roles: str) -> None:
    parser.add_argument("--metadata", type=Path, required=True, metavar="FOLDER", help="the repository")
    parser.add_argument("--keys", type=Path, action="append", default=[], metavar="FOLDER", help="keys at hand")
    _expiry(parser, *roles)


def _encrypt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encrypt", action="store_true", help="ask for a passphrase for the new offline keys")


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="release", description="Sign and publish releases of sdcupgrade.")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, do: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=help, description=help, allow_abbrev=False)
        made.set_defaults(do=do)
        return made

    made = verb("keys", commands.do_keys, "make all keys, and a repository in which nothing is signed yet")
    made.add_argument("--metadata", type=Path, required=True, metavar="FOLDER", help="the repository to begin")
    made.add_argument("--keys", type=Path, required=True, metavar="FOLDER", help="where offline keys go")
    made.add_argument("--online-keys", type=Path, metavar="FOLDER", help="where the online key goes (the same)")
    made.add_argument("--root-keys", type=count, default=3, metavar="N", help="how many root keys there are (3)")
    made.add_argument("--root-threshold", type=count, default=2, metavar="N", help="how many of them have to sign (2)")
    _encrypt(made)
    _expiry(made, *ROLES)

    made = verb("sign", commands.do_sign, "sign files: the one file, or images with their manifests beside them")
    _signing(made, "targets", "snapshot", "timestamp")
    made.add_argument("files", type=Path, nargs="+", metavar="FILE")

    made = verb("withdraw", commands.do_withdraw, "no longer vouch for what was signed")
    _signing(made, "targets", "snapshot", "timestamp")
    made.add_argument("targets", nargs="+", metavar="NAME/UUID")

    made = verb("renew", commands.do_renew, "sign snapshot and timestamp anew, so that they stay in force")
    _signing(made, "targets", "snapshot", "timestamp")
    made.add_argument("--targets", action="store_true", help="targets, too")

    made = verb("rotate", commands.do_rotate, "a new root: other keys for a role, signed by the old root's keys too")
    _signing(made, "root")
    made.add_argument("--role", choices=ROLES, action="append", help="whose keys change (repeatable)")
    made.add_argument("--new-keys", type=Path, metavar="FOLDER", help="where the new keys go")
    made.add_argument("--count", type=count, default=1, metavar="N", help="how many new keys (1)")
    made.add_argument("--threshold", type=count, metavar="N", help="how many have to sign from now on (as many as now)")
    made.add_argument("--revoke", action="append", metavar="KEYID", help="only these go (all that the role has)")
    _encrypt(made)
    other = made.add_mutually_exclusive_group()
    other.add_argument("--extend", action="store_true", help="the same keys, in force for longer")
    other.add_argument("--collect", action="store_true", help="sign the root that waits with --keys")

    made = verb("show", commands.do_show, "tell who signs what until when, and whether a site believes it")
    made.add_argument("--metadata", type=Path, required=True, metavar="FOLDER")

    made = verb("publish", commands.do_publish, "bring files and metadata to an updates server; again, to go on")
    made.add_argument("--url", required=True, help="the updates server")
    made.add_argument("--channel", action="append", default=[], metavar="NAME", help="into this channel (repeatable)")
    made.add_argument("--user", help="who publishes, as the server knows it")
    made.add_argument("--key", type=Path, metavar="FILE", help="that user's RSA key")
    made.add_argument("--cacert", type=Path, metavar="FILE", help="the certificate authorities to believe")
    made.add_argument("--metadata", type=Path, metavar="FOLDER", help="publish this metadata, too (sdcupgrade-trust)")
    made.add_argument("-n", "--dry-run", action="store_true", help="only tell which calls would be made")
    made.add_argument("files", type=Path, nargs="*", metavar="FILE")

    made = verb("verify-release", commands.do_verify_release, "build a release again from its commit, and compare")
    made.add_argument("--source", type=Path, metavar="FOLDER", help="a clone of the sources (this one)")
    made.add_argument("--root", type=Path, metavar="FILE", help="the root inside must be this one")
    made.add_argument("file", type=Path, metavar="FILE")
    return parser


def main(words: list[str] | None = None) -> int:
    """0, or 1 with one line about what was wrong."""
    given: Any = arguments().parse_args(words)
    try:
        given.do(given)
    except Failed as why:
        print(f"release: {' '.join(str(why).split())}", file=sys.stderr)
        return 1
    except OSError as why:
        print(f"release: {why.filename or 'input or output'}: {why.strerror or why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("release: interrupted; `show` tells how far it came, and publish goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
