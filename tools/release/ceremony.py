"""Keys made and rotated: the acts that change who is believed."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Optional

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from release import keys as keyfiles
from release.failed import Failed
from release.repository import DAYS, PENDING, Keys, Repository, encoded, in_days, write

ONLINE = ("snapshot", "timestamp")


@dataclass(frozen=True)
class Wanted:
    """How many root keys there are to be, how many of them have to sign, and where keys go."""

    offline: pathlib.Path
    online: pathlib.Path
    root_keys: int = 3
    root_threshold: int = 2


def begin(folder: pathlib.Path, wanted: Wanted, secret: Optional[bytes]) -> Repository:
    """Make all keys, and a repository in which nothing is signed yet. Raises Failed before anything is made."""
    if not 1 <= wanted.root_threshold <= wanted.root_keys:
        raise Failed(f"{wanted.root_threshold} of {wanted.root_keys} root keys cannot sign; nothing was made")
    made = Repository.begin(folder)
    names = [f"root-{number}" for number in range(1, wanted.root_keys + 1)]
    keyfiles.refuse_existing(wanted.offline, [*names, "targets-1"])
    keyfiles.refuse_existing(wanted.online, ["online-1"])
    signers = {
        "root": [keyfiles.make(wanted.offline, name, secret) for name in names],
        "targets": [keyfiles.make(wanted.offline, "targets-1", secret)],
    }
    online = keyfiles.make(wanted.online, "online-1", None)  # a machine that signs by itself knows no passphrase
    signers.update({role: [online] for role in ONLINE})
    root = Root(expires=in_days(DAYS["root"]), consistent_snapshot=True)
    for role, those in signers.items():
        for signer in those:
            root.add_key(signer.public_key, role)
    root.roles["root"].threshold = wanted.root_threshold
    made.put("root", Metadata(root))
    made.put("targets", Metadata(Targets()))
    made.put("snapshot", Metadata(Snapshot()))
    made.put("timestamp", Metadata(Timestamp()))
    everybody = {signer.public_key.keyid: signer for those in signers.values() for signer in those}
    made.next("root", DAYS["root"], everybody)
    made.next("targets", DAYS["targets"], everybody)
    made.publish(everybody, DAYS)
    made.save()
    return made


def rotate(
    repository: Repository, role: str, fresh: list[CryptoSigner], threshold: Optional[int], gone: Optional[list[str]]
) -> Metadata[Root]:
    """The next root, in which *fresh* keys speak for *role* instead of those *gone* (all it had, when None). Unsigned:
    :func:`collect` gathers the signatures. Raises Failed."""
    if repository.pending() is not None:
        raise Failed(f"{repository.folder / PENDING} waits for signatures already; nothing was changed")
    metadata: Metadata[Root] = repository.metadata("root")
    root = metadata.signed
    entry = root.roles[role]
    old = list(entry.keyids) if gone is None else gone
    unknown = [keyid for keyid in old if keyid not in entry.keyids]
    if unknown:
        raise Failed(f"{role} has no key {', '.join(unknown)}; nothing was changed")
    for keyid in old:
        root.revoke_key(keyid, role)
    for signer in fresh:
        root.add_key(signer.public_key, role)
    entry.threshold = threshold or min(entry.threshold, len(entry.keyids))
    if not 1 <= entry.threshold <= len(entry.keyids):
        raise Failed(f"{entry.threshold} of {len(entry.keyids)} keys of {role} cannot sign; nothing was changed")
    root.version += 1
    root.expires = in_days(DAYS["root"])
    metadata.signatures.clear()
    return metadata


def collect(repository: Repository, waiting: Metadata[Root], keys: Keys) -> list[str]:
    """Add the signatures of *keys* to a root that waits for them. When the old root and the new one are both content it
    becomes the root; else it goes on waiting. Returns what is still missing, empty when nothing is."""
    before: Root = repository._load(repository._newest("root")).signed
    wanted = {*before.roles["root"].keyids, *waiting.signed.roles["root"].keyids}
    signed = {keyid for keyid, one in waiting.signatures.items() if one.signature}
    for keyid in sorted(wanted & set(keys) - signed):
        waiting.sign(keys[keyid], append=True)
        signed.add(keyid)
    missing = [
        f"{which}: {len(signed & set(root.roles['root'].keyids))} of {root.roles['root'].threshold} signatures"
        for which, root in (("the old root's keys", before), ("the new root's keys", waiting.signed))
        if len(signed & set(root.roles["root"].keyids)) < root.roles["root"].threshold
    ]
    pending = repository.folder / PENDING
    if missing:
        write(pending, encoded(waiting))
        return missing
    repository.put("root", waiting)
    repository.save()
    pending.unlink(missing_ok=True)
    return []


def outdated(repository: Repository, role: str) -> bool:
    """Whether a role's metadata is not signed as the root asks now: its keys were changed since."""
    metadata = repository.metadata(role)
    result = repository.root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return not result.verified


def renew(repository: Repository, keys: Keys, days: dict[str, int], wanted: tuple[str, ...] = ()) -> list[str]:
    """Sign anew: the timestamp always, what was asked for, and what is no longer signed as the root asks. Returns the
    roles that were signed."""
    targets = "targets" in wanted or outdated(repository, "targets")
    done = []
    if targets:
        repository.next("targets", days["targets"], keys)
        done.append("targets")
    if targets or "snapshot" in wanted or outdated(repository, "snapshot"):
        repository.publish(keys, days)
        done += ["snapshot", "timestamp"]
    else:
        repository.next("timestamp", days["timestamp"], keys)
        done.append("timestamp")
    repository.save()
    return done
