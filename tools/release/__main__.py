"""``python tools/release COMMAND``: keys, sign, renew, rotate, show, publish, verify-release. See docs/release.md."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import tempfile
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "tools")]

from release import ceremony, images, keys, publish, verify  # noqa: E402  (the path comes first)
from release.failed import Failed  # noqa: E402
from release.repository import DAYS, ROLES, Repository  # noqa: E402

Path = pathlib.Path


def do_keys(given: argparse.Namespace) -> None:
    """Make keys and an empty repository."""
    wanted = ceremony.Wanted(given.keys, given.online_keys or given.keys, given.root_keys, given.root_threshold)
    ceremony.begin(given.metadata, wanted, _secret())
    roots = f"{given.root_keys} root keys ({given.root_threshold} of them sign)"
    print(f"Made {roots} and the targets key in {given.keys},")
    print(f"the key for snapshot and timestamp in {wanted.online}, and the repository {given.metadata}.")
    print(f"Next: keep the root keys apart, and build with the root inside: make pyz ROOT={given.metadata}/1.root.json")


def do_sign(given: argparse.Namespace) -> None:
    """Sign files as targets."""
    repository, held = Repository(given.metadata), _held(given)
    found = [images.release_of(file) for file in given.files]
    new = [one for one in found if repository.add_target(one.target, one.file, one.custom)]
    if not new:
        print("All of them are signed already; nothing was changed.")
        return
    days = _days(given)
    repository.next("targets", days["targets"], held)
    repository.publish(held, days)
    repository.save()
    for one in new:
        print(f"Signed {one.name} {one.version} {one.buildstamp} as {one.target}.")


def do_renew(given: argparse.Namespace) -> None:
    """Sign metadata anew, so that it stays in force."""
    repository = Repository(given.metadata)
    done = ceremony.renew(repository, _held(given), _days(given), tuple(given.role))
    print(f"Signed anew: {', '.join(done)}.")


def do_rotate(given: argparse.Namespace) -> None:
    """Other keys for a role."""
    repository = Repository(given.metadata)
    if given.collect:
        waiting = repository.pending()
        if waiting is None:
            raise Failed(f"{given.metadata}: no root waits for signatures")
        held = _held(given)
    else:
        if not given.role or not given.new_keys:
            raise Failed("name the --role whose keys change, and a folder for --new-keys; nothing was changed")
        if repository.pending() is not None:
            raise Failed(f"{given.metadata}: a root waits for signatures already (rotate --collect)")
        held = _held(given)
        number = 1 + max((int(path.stem.rpartition("-")[2]) for path in _numbered(given)), default=0)
        names = [f"{given.role}-{number + more}" for more in range(given.count)]
        keys.refuse_existing(given.new_keys, names)
        fresh = [keys.make(given.new_keys, name, _secret()) for name in names]
        waiting = ceremony.rotate(repository, given.role, fresh, given.threshold, given.revoke or None)
        held = {**held, **{signer.public_key.keyid: signer for signer in fresh}}
    missing = ceremony.collect(repository, waiting, held)
    if missing:
        print(f"The new root waits for signatures; missing are: {'; '.join(missing)}.")
        print(f"Next, where the other keys are: rotate --collect --metadata {given.metadata} --keys FOLDER")
        return
    print(f"Root version {repository.root.version} is signed.")
    print("Next: renew with the new keys, publish, and build with the new root inside.")


def do_show(given: argparse.Namespace) -> None:
    """Who signs what until when."""
    repository = Repository(given.metadata)
    for role in ROLES:
        signed = repository.metadata(role).signed
        entry = repository.root.roles[role]
        state = ", NOT signed as the root asks: renew" if ceremony.outdated(repository, role) else ""
        print(f"{role:<10} version {signed.version:<4} until {signed.expires:%Y-%m-%d}  "
              f"{entry.threshold} of {len(entry.keyids)} keys{state}")  # fmt: skip
        for keyid in entry.keyids:
            print(f"           key {keyid}")
    for path, target in sorted(repository.targets.targets.items()):
        custom = target.unrecognized_fields.get("custom", {})
        print(f"target     {path}  {custom.get('version', '')} {custom.get('buildstamp', '')}  {target.length} bytes")
    if repository.pending() is not None:
        print("a root waits for signatures: rotate --collect")


def do_publish(given: argparse.Namespace) -> None:
    """Bring files and metadata to an updates server."""
    signature = None
    if given.user:
        if not given.key:
            raise Failed("--user needs --key, the user's RSA key")
        signature = publish.Signature(given.user, publish.load_key(given.key, _secret()))
    if given.cacert and not given.cacert.is_file():
        raise Failed(f"{given.cacert}: there is no such file")
    server = publish.Server(given.url, signature, given.cacert)
    with tempfile.TemporaryDirectory(prefix="sdcupgrade-release-") as scratch:
        found = [images.release_of(file) for file in given.files]
        if given.metadata:
            _refuse_unsigned(Repository(given.metadata), found)
            found.append(images.trust(given.metadata, Path(scratch)))
        if not found:
            raise Failed("nothing to publish: name files, or --metadata")
        calls = list(publish.plan(server, found, given.channel))
        for call in calls:
            print(f"{'would ' if given.dry_run else ''}{call}", flush=True)
            if not given.dry_run:
                server.do(call, given.channel)
    print("Nothing was changed." if given.dry_run or not calls else f"Published on {server.url}.")


def do_verify_release(given: argparse.Namespace) -> None:
    """Build it again, and compare."""
    print(verify.verify(given.file, given.source or ROOT, given.root))


def _refuse_unsigned(repository: Repository, found: list[images.Release]) -> None:
    unsigned = [one.target for one in found if one.target not in repository.targets.targets]
    if unsigned:
        raise Failed(f"not signed in {repository.folder}: {', '.join(unsigned)}; sign first; nothing was published")


def _numbered(given: argparse.Namespace) -> list[pathlib.Path]:
    folders = {given.new_keys, *given.keys}
    return [path for folder in folders for path in folder.glob(f"{given.role}-*.pem")
            if path.stem.rpartition("-")[2].isdigit()]  # fmt: skip


def _secret() -> bytes | None:
    return keys.passphrase(dict(os.environ))


def _held(given: argparse.Namespace) -> dict[str, Any]:
    return dict(keys.load(given.keys, _secret()))


def _days(given: argparse.Namespace) -> dict[str, int]:
    return {role: getattr(given, f"{role}_days", None) or days for role, days in DAYS.items()}


def _signing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metadata", type=Path, required=True, metavar="FOLDER", help="the repository")
    parser.add_argument("--keys", type=Path, action="append", default=[], metavar="FOLDER", help="keys at hand")
    for role in ("targets", "snapshot", "timestamp"):
        parser.add_argument(f"--{role}-days", type=int, metavar="N", help=f"in force so long ({DAYS[role]})")


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="release", description="Sign and publish releases of sdcupgrade.")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, do: Any, help: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=help, description=help, allow_abbrev=False)
        made.set_defaults(do=do)
        return made

    made = verb("keys", do_keys, "make all keys, and a repository in which nothing is signed yet")
    made.add_argument("--metadata", type=Path, required=True, metavar="FOLDER", help="the repository to begin")
    made.add_argument("--keys", type=Path, required=True, metavar="FOLDER", help="where offline keys go")
    made.add_argument("--online-keys", type=Path, metavar="FOLDER", help="where the online key goes (the same)")
    made.add_argument("--root-keys", type=int, default=3, metavar="N", help="how many root keys there are (3)")
    made.add_argument("--root-threshold", type=int, default=2, metavar="N", help="how many of them have to sign (2)")

    made = verb("sign", do_sign, "sign files: the one file, or images with their manifests beside them")
    _signing(made)
    made.add_argument("files", type=Path, nargs="+", metavar="FILE")

    made = verb("renew", do_renew, "sign metadata anew, so that it stays in force; the timestamp always")
    _signing(made)
    made.add_argument("--role", action="append", default=[], choices=["targets", "snapshot"], help="these, too")

    made = verb("rotate", do_rotate, "give a role other keys: a new root, signed by the old one's keys and its own")
    _signing(made)
    made.add_argument("--role", choices=ROLES, help="whose keys change")
    made.add_argument("--new-keys", type=Path, metavar="FOLDER", help="where the new keys go")
    made.add_argument("--count", type=int, default=1, metavar="N", help="how many new keys (1)")
    made.add_argument("--threshold", type=int, metavar="N", help="how many have to sign from now on")
    made.add_argument("--revoke", action="append", metavar="KEYID", help="only these go (all that the role has)")
    made.add_argument("--collect", action="store_true", help="add signatures of --keys to the root that waits for them")

    made = verb("show", do_show, "tell who signs what until when")
    made.add_argument("--metadata", type=Path, required=True, metavar="FOLDER")

    made = verb("publish", do_publish, "bring files and metadata to an updates server; again, to go on")
    made.add_argument("--url", required=True, help="the updates server")
    made.add_argument("--channel", action="append", default=[], metavar="NAME", help="into this channel (repeatable)")
    made.add_argument("--user", help="who publishes, as the server knows it")
    made.add_argument("--key", type=Path, metavar="FILE", help="that user's RSA key")
    made.add_argument("--cacert", type=Path, metavar="FILE", help="the certificate authorities to believe")
    made.add_argument("--metadata", type=Path, metavar="FOLDER", help="publish this metadata, too (sdcupgrade-trust)")
    made.add_argument("-n", "--dry-run", action="store_true", help="only tell which calls would be made")
    made.add_argument("files", type=Path, nargs="*", metavar="FILE")

    made = verb("verify-release", do_verify_release, "build a release again from its commit, and compare every byte")
    made.add_argument("--source", type=Path, metavar="FOLDER", help="a clone of the sources (this one)")
    made.add_argument("--root", type=Path, metavar="FILE", help="the root inside must be this one")
    made.add_argument("file", type=Path, metavar="FILE")
    return parser


def main(words: list[str] | None = None) -> int:
    """0, or 1 with one line about what was wrong."""
    given = arguments().parse_args(words)
    try:
        given.do(given)
    except Failed as why:
        print(f"release: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("release: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
