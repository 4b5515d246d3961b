"""The commands: each takes the command line and tells what it did, or raises Failed."""

from __future__ import annotations

import argparse
import getpass
import os
import pathlib
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from typing import Any

from tuf.api.metadata import Metadata, Root

from release import ceremony, images, keys, proof, publish, verify
from release.failed import Failed
from release.repository import DAYS, ROLES, Repository

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOON = timedelta(days=30)


def do_keys(given: argparse.Namespace) -> None:
    """Make keys and an empty repository."""
    wanted = ceremony.Wanted(given.keys, given.online_keys or given.keys, given.root_keys, given.root_threshold)
    for folder in (wanted.offline, wanted.online):
        _refuse_within(folder, given.metadata)
    made = ceremony.begin(given.metadata, wanted, _secrets().closing(given.encrypt), _days(given))
    for key in made:
        print(f"Made {key}.")
    print(f"Made the repository {given.metadata}; {given.root_threshold} of {given.root_keys} root keys have to sign.")
    print(f"Next: keep the root keys apart, and build with the root inside: make pyz ROOT={given.metadata}/1.root.json")


def do_sign(given: argparse.Namespace) -> None:
    """Sign files as targets."""
    repository, held = Repository(given.metadata), _held(given)
    found = [images.release_of(file) for file in given.files]
    new = [one for one in found if repository.add_target(one.target, one.file, one.custom)]
    if new:
        repository.next("targets", _days(given)["targets"], held)
    elif not any(repository.behind(role) for role in ROLES):
        print("All of them are signed already; nothing was changed.")
        return
    finished = ceremony.finish(repository, held, _days(given))
    for one in new:
        print(f"Signed {one.name} {one.version} {one.buildstamp} as {one.target}.")
    _tell_rest(given, finished)


def do_withdraw(given: argparse.Namespace) -> None:
    """Say nothing more of targets."""
    repository, held = Repository(given.metadata), _held(given)
    for target in dict.fromkeys(given.targets):
        repository.remove_target(target)
    repository.next("targets", _days(given)["targets"], held)
    finished = ceremony.finish(repository, held, _days(given))
    print(f"Withdrawn: {', '.join(dict.fromkeys(given.targets))}.")
    _tell_rest(given, finished)


def _tell_rest(given: argparse.Namespace, finished: bool) -> None:
    if finished:
        print(f"In force when it is published: publish --metadata {given.metadata} ...")
    else:
        print("It has no effect yet.")
        print(f"Next, where the online key is: renew --metadata {given.metadata} --keys FOLDER")


def do_renew(given: argparse.Namespace) -> None:
    """Sign metadata anew, so that it stays in force."""
    done = ceremony.renew(Repository(given.metadata), _held(given), _days(given), given.targets)
    print(f"Signed anew: {', '.join(done)}.")
    _tell_rest(given, "timestamp" in done)


def do_rotate(given: argparse.Namespace) -> None:
    """The next root: other keys for a role, or the same for longer."""
    repository, held = Repository(given.metadata), _held(given)
    before = repository.root
    if given.collect:
        pending = repository.pending()
        if pending is None:
            raise Failed(f"{given.metadata}: no root waits for signatures")
        waiting = pending
    elif given.extend:
        waiting = ceremony.extend(repository, _days(given))
    else:
        waiting, fresh = _rotated(given, repository)
        held.update({one.keyid: one.signer for one in fresh})
    _tell_changes(before, waiting)
    missing = ceremony.collect(repository, waiting, held)
    if missing:
        print(f"It waits for signatures; missing are: {'; '.join(missing)}.")
        print(f"Next, where the other keys are: rotate --collect --metadata {given.metadata} --keys FOLDER")
        return
    print(f"Root version {repository.root.version} is signed.")
    print(f"Next, where the keys of the other roles are: renew --metadata {given.metadata} --keys FOLDER; then publish")


def _rotated(given: argparse.Namespace, repository: Repository) -> tuple[Metadata[Root], list[keys.Made]]:
    """The next root with new keys, which are saved when all else is well."""
    if not given.role or not given.new_keys:
        raise Failed("name the --role whose keys change, and a folder for --new-keys; nothing was changed")
    _refuse_within(given.new_keys, given.metadata)
    name = "online" if set(given.role) == set(ceremony.ONLINE) else given.role[0]
    number = 1 + max(_numbers(name, {given.new_keys, *given.keys}), default=0)
    names = [f"{name}-{number + more}" for more in range(given.count)]
    fresh = keys.make(given.new_keys, names, _secrets().closing(given.encrypt))
    signers = [one.signer for one in fresh]
    waiting = ceremony.rotate(repository, given.role, signers, given.threshold, given.revoke, _days(given))
    for one in fresh:
        one.save()
        print(f"Made {one}.")
    return waiting, fresh


def _tell_changes(before: Root, waiting: Metadata[Root]) -> None:
    for line in ceremony.changes(before, waiting.signed):
        print(f"  {line}")
    print(f"  what is signed has the sha256 {ceremony.fingerprint(waiting)}")


def do_show(given: argparse.Namespace) -> None:
    """Who signs what until when."""
    repository = Repository(given.metadata)
    for role in ROLES:
        signed, entry = repository.metadata(role).signed, repository.root.roles[role]
        print(f"{role:<10} version {signed.version:<4} until {signed.expires:%Y-%m-%d}  "
              f"{entry.threshold} of {len(entry.keyids)} keys{_state(repository, role)}")  # fmt: skip
        for keyid in entry.keyids:
            print(f"           key {keyid}")
    for path, target in sorted(repository.targets.targets.items()):
        custom = target.unrecognized_fields.get("custom", {})
        print(f"target     {path}  {custom.get('version', '')} {custom.get('buildstamp', '')}  {target.length} bytes")
    pending = repository.pending()
    if pending is not None:
        print("a root waits for signatures (rotate --collect):")
        _tell_changes(repository.root, pending)
    proof.prove(repository)
    print("A site that knows the first root believes this.")


def _state(repository: Repository, role: str) -> str:
    """What is wrong with a role's metadata, or soon will be."""
    why, left = repository.behind(role), repository.metadata(role).signed.expires - datetime.now(timezone.utc)
    said = [f"{why}: renew"] if why else []
    if left < SOON:
        said.append("HAS EXPIRED" if left < timedelta(0) else f"expires in {left.days} days")
    return "".join(f", {one}" for one in said)


def do_publish(given: argparse.Namespace) -> None:
    """Bring files and metadata to an updates server."""
    if bool(given.user) != bool(given.key):
        raise Failed("--user needs --key, that user's RSA key, and --key needs --user; nothing was published")
    signature = publish.Signature(given.user, publish.load_key(given.key, _secrets())) if given.user else None
    if given.cacert and not given.cacert.is_file():
        raise Failed(f"{given.cacert}: there is no such file")
    server = publish.Server(given.url, signature, given.cacert)
    with tempfile.TemporaryDirectory(prefix="sdcupgrade-release-") as scratch:
        found = [images.release_of(file) for file in given.files]
        if given.metadata:
            proof.prove(Repository(given.metadata), found)
            # first: metadata for an image that is not there yet does no harm, and an image without metadata might
            found.insert(0, images.trust(given.metadata, pathlib.Path(scratch)))
        if not found:
            raise Failed("nothing to publish: name files, or --metadata")
        calls = publish.plan(server, found, given.channel)
        if given.metadata:
            calls += publish.elsewhere(server, found[0], given.channel)
        for call in calls:
            if not given.dry_run:
                server.do(call)
            print(f"{'would ' if given.dry_run else ''}{call}", flush=True)
    print("Nothing was changed." if given.dry_run or not calls else f"Published on {server.url}.")


def do_verify_release(given: argparse.Namespace) -> None:
    """Build it again, and compare."""
    print(verify.verify(given.file, given.source or ROOT, given.root))


# --- words of the command line ----------------------------------------------------------------------------------------
def _refuse_within(folder: pathlib.Path, metadata: pathlib.Path) -> None:
    """The metadata is for everybody, so no private key may lie there."""
    if metadata.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise Failed(f"{folder}: is within {metadata}, which everybody may read; keep keys elsewhere; nothing was made")


def _numbers(name: str, folders: set[pathlib.Path]) -> list[int]:
    """Which keys of that name there are."""
    ends = [path.stem.rpartition("-")[2] for folder in folders for path in folder.glob(f"{name}-*.pem")]
    return [int(end) for end in ends if end.isdigit()]


def _secrets() -> keys.Passphrases:
    return keys.Passphrases(os.environ, getpass.getpass if sys.stdin is not None and sys.stdin.isatty() else None)


def _held(given: argparse.Namespace) -> dict[str, Any]:
    return dict(keys.load(given.keys, _secrets()))


def _days(given: argparse.Namespace) -> dict[str, int]:
    return {role: getattr(given, f"{role}_days", None) or days for role, days in DAYS.items()}
