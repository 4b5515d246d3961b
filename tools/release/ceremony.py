"""Keys made and rotated: the acts that change who is believed."""

from __future__ import annotations

import copy
import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from release import keys as keyfiles
from release.failed import Failed
from release.repository import PENDING, ROLES, Keys, Repository, encoded, in_days, write

ONLINE = ("snapshot", "timestamp")
Days = Mapping[str, int]


@dataclass(frozen=True)
class Wanted:
    """How many root keys there are to be, how many of them have to sign, and where keys go."""

    offline: pathlib.Path
    online: pathlib.Path
    root_keys: int = 3
    root_threshold: int = 2


def begin(folder: pathlib.Path, wanted: Wanted, secret: Optional[bytes], days: Days) -> list[keyfiles.Made]:
    """Make all keys, and a repository in which nothing is signed yet; the keys. Raises Failed before anything is made.
    """
    if wanted.root_threshold > wanted.root_keys:
        raise Failed(f"{wanted.root_threshold} of {wanted.root_keys} root keys cannot sign; nothing was made")
    made = Repository.begin(folder)
    names = [f"root-{number}" for number in range(1, wanted.root_keys + 1)]
    *roots, targets = keyfiles.make(wanted.offline, [*names, "targets-1"], secret)
    # a machine that signs by itself knows no passphrase
    (online,) = keyfiles.make(wanted.online, ["online-1"], None)
    root = Root(expires=in_days(days["root"]), consistent_snapshot=True)
    for role, those in (("root", roots), ("targets", [targets]), *((role, [online]) for role in ONLINE)):
        for one in those:
            root.add_key(one.signer.public_key, role)
    root.roles["root"].threshold = wanted.root_threshold
    for role, signed in (("root", root), ("targets", Targets()), ("snapshot", Snapshot()), ("timestamp", Timestamp())):
        made.put(role, Metadata(signed))
    keys = [*roots, targets, online]
    everybody = {one.keyid: one.signer for one in keys}
    made.next("root", days["root"], everybody)
    made.next("targets", days["targets"], everybody)
    made.publish(everybody, days)
    for key in keys:
        key.save()
    made.save()
    return keys


# --- a new root -------------------------------------------------------------------------------------------------------
def rotate(
    repository: Repository, roles: Sequence[str], fresh: Sequence[CryptoSigner], threshold: Optional[int],
    gone: Optional[list[str]], days: Days,
) -> Metadata[Root]:  # fmt: skip
    """The next root, in which *fresh* keys speak for *roles* instead of those *gone* (all they had, when None). How
    many have to sign stays as it is without *threshold*. :func:`collect` gathers its signatures. Raises Failed."""
    metadata = extend(repository, days)
    for role in roles:
        _replace(metadata.signed, role, fresh, threshold, gone)
    return metadata


def _replace(
    root: Root, role: str, fresh: Sequence[CryptoSigner], threshold: Optional[int], gone: Optional[list[str]]
) -> None:
    entry = root.roles[role]
    old = list(entry.keyids) if gone is None else gone
    unknown = [keyid for keyid in old if keyid not in entry.keyids]
    if unknown:
        raise Failed(f"{role} has no key {', '.join(unknown)}; nothing was changed")
    for keyid in old:
        root.revoke_key(keyid, role)
    for signer in fresh:
        root.add_key(signer.public_key, role)
    entry.threshold = threshold or entry.threshold
    if entry.threshold > len(entry.keyids):
        raise Failed(
            f"{entry.threshold} of {len(entry.keyids)} keys of {role} cannot sign: make more (--count),"
            " keep some (--revoke names those that go), or say --threshold; nothing was changed"
        )


def extend(repository: Repository, days: Days) -> Metadata[Root]:
    """The next root, with the same keys, in force for longer. Raises Failed when one waits already."""
    if repository.pending() is not None:
        raise Failed(f"{repository.folder / PENDING} waits for signatures already (rotate --collect)")
    metadata: Metadata[Root] = copy.deepcopy(repository.metadata("root"))
    metadata.signed.version += 1
    metadata.signed.expires = in_days(days["root"])
    metadata.signatures.clear()
    return metadata


def collect(repository: Repository, waiting: Metadata[Root], keys: Keys) -> list[str]:
    """Add the signatures of *keys* to a root that waits for them. When the old root and the new one are both content it
    becomes the root; else it goes on waiting. Returns what is still missing, empty when nothing is. Raises Failed."""
    before = repository.root
    pending = repository.folder / PENDING
    if waiting.signed.version != before.version + 1:
        raise Failed(f"{pending}: version {waiting.signed.version} does not follow {before.version}; remove that file")
    payload = waiting.signed_bytes
    result = waiting.signed.get_root_verification_result(before, payload, waiting.signatures)
    for keyid in sorted(set(result.unsigned) & set(keys)):
        waiting.sign(keys[keyid], append=True)
    result = waiting.signed.get_root_verification_result(before, payload, waiting.signatures)
    missing = [
        f"{which}: {len(one.signed)} of {one.threshold} signatures"
        for which, one in (("the old root's keys", result.first), ("the new root's keys", result.second))
        if not one.verified
    ]
    if missing:
        write(pending, encoded(waiting))
        return missing
    for keyid in set(waiting.signatures) - set(result.signed):
        del waiting.signatures[keyid]
    repository.put("root", waiting)
    repository.save()
    pending.unlink(missing_ok=True)
    return []


def changes(before: Root, after: Root) -> list[str]:
    """What the next root changes, for those who are asked to sign it."""
    found = [f"root version {before.version} -> {after.version}, until {after.expires:%Y-%m-%d}"]
    for role in ROLES:
        old, new = before.roles[role], after.roles[role]
        found += [f"{role}: without key {keyid}" for keyid in old.keyids if keyid not in new.keyids]
        found += [f"{role}: with key {keyid}" for keyid in new.keyids if keyid not in old.keyids]
        if old.threshold != new.threshold:
            found.append(f"{role}: {new.threshold} have to sign, not {old.threshold}")
    same = [keyid for keyid in set(before.keys) & set(after.keys) if before.keys[keyid] != after.keys[keyid]]
    found += [f"key {keyid} is ANOTHER KEY under the same name: do not sign" for keyid in sorted(same)]
    if before.consistent_snapshot != after.consistent_snapshot:
        found.append("consistent snapshots are changed: do not sign")
    return found


def fingerprint(waiting: Metadata[Root]) -> str:
    """The sha256 of what is signed, the same whoever has signed: for comparing before one signs."""
    return hashlib.sha256(waiting.signed_bytes).hexdigest()


# --- the other roles --------------------------------------------------------------------------------------------------
def renew(repository: Repository, keys: Keys, days: Days, targets: bool = False) -> list[str]:
    """Sign anew: the timestamp always, the snapshot when its keys are here, targets when asked for, and whatever has to
    be because a key was changed or an earlier run was cut off. Targets alone are fine where the online keys are not.
    Returns the roles that were signed. Raises Failed."""
    if targets or repository.behind("targets"):
        repository.next("targets", days["targets"], keys)
        return ["targets", *(ONLINE if finish(repository, keys, days) else ())]
    if repository.behind("snapshot") or repository.can_sign("snapshot", keys):
        repository.publish(keys, days)
        done = list(ONLINE)
    else:
        repository.next("timestamp", days["timestamp"], keys)
        done = ["timestamp"]
    repository.save()
    return done


def finish(repository: Repository, keys: Keys, days: Days) -> bool:
    """After targets were changed: snapshot and timestamp as well, where their keys are; and save. Whether they were."""
    online = all(repository.can_sign(role, keys) for role in ONLINE)
    if online:
        repository.publish(keys, days)
    repository.save()
    return online
