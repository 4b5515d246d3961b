"""What is sent to a compute node: the list of what it shall have, the line that it runs, and what it answers."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, replace

from sdcupgrade.bits.folders import COMPUTE_NODE
from sdcupgrade.bits.manifest import Kind
from sdcupgrade.bits.node_script import SCRIPT
from sdcupgrade.errors import BadAnswer
from sdcupgrade.jsonvalue import Record, loads, pretty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.bits.manifest import Entry, Manifest

LIST, MANIFEST, FILES = "list", "manifest", "files"
"""The members of a package: the list, the manifest of what is in it, and a file for every sha256."""


def list_of(manifest: Manifest) -> str:
    """What compute nodes have of a manifest, as their script reads it; empty when they have nothing of it."""
    entries = manifest.on(COMPUTE_NODE)
    return "".join(_line(entry) for entry in sorted(entries, key=lambda one: one.destination.encode()))


def _line(entry: Entry) -> str:
    mode = "-" if entry.kind is Kind.LINK else f"{entry.mode:04o}"
    words = (entry.kind.value, mode, entry.sha256 or "-", entry.destination, entry.target or "-")
    return "\t".join(words) + "\n"


def manifest_for(manifest: Manifest, image: str) -> str:
    """The manifest that a compute node keeps: its own entries, and the uuid of the image they came in."""
    own = replace(manifest, entries=manifest.on(COMPUTE_NODE))
    return pretty({**own.to_json(), "image": image})


def digest_of(text: str) -> str:
    """The name of the set that a list describes."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Package:
    """What was published for the nodes. *digest* names the set, *sha256* and *size* (bytes) are those of the file
    *name*, *unpacked* is what its files take. *version* and *image* are for people."""

    name: str
    digest: str
    sha256: str
    size: int
    unpacked: int
    version: str = ""
    image: str = ""


def apply_line(package: Package, url: str) -> str:
    """Put the package in place. Room: what arrives, what it unpacks to, the same beside its place, and what it
    replaces; in KiB."""
    room = (package.size + 3 * package.unpacked >> 10) + 1024
    return _call("apply", package.digest, url, package.sha256, str(room))


def rollback_line(digest: str) -> str:
    """Take the set back."""
    return _call("rollback", digest)


def verify_line() -> str:
    """Tell what is there."""
    return _call("verify")


def _call(*words: str) -> str:
    return f"{SCRIPT}\n{shlex.join(words)}\n"


@dataclass(frozen=True)
class Report:
    """What a node says. *did* is one of applied, already, rolled-back, verified, interrupted, skipped, failed;
    *installed* the digest of the list it keeps, *state* that of the same list written anew from what is there (both
    empty when there is none), *changed* and *kept* count paths and folders, *why* tells more."""

    did: str
    installed: str
    state: str
    changed: int
    kept: int
    why: str


def report(text: str, hostname: str) -> Report:
    """The last line of a node's output. Raises BadAnswer."""
    lines = text.strip().splitlines()
    where = f"server {hostname}"
    record = Record(loads(lines[-1] if lines else "", where, BadAnswer), where, BadAnswer)
    words = [record.text(key) for key in ("did", "installed", "state")]
    return Report(words[0], words[1], words[2], record.number("changed"), record.number("kept"), record.text("why"))
