"""Targets metadata, and to whom a role of targets hands on which paths (specification, 4.6 and TAP 15).

A delegation lists path patterns, or prefixes of the SHA-256 of paths, or divides all paths among numbered roles
(succinct). Patterns match segment by segment: no wildcard crosses a slash, and case matters.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from sdcupgrade.trust.metadata import TOP_LEVEL, FileInfo, Signed, authority, keys, number, required, target, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from sdcupgrade.jsonvalue import Record
    from sdcupgrade.trust.keys import Authority, Key

MOST_BITS = 32
"""Of a succinct role (TAP 15)."""


@dataclass(frozen=True)
class Delegation:
    """A role that some paths are handed to. A *terminating* one has the last word about them."""

    authority: Authority
    terminating: bool
    patterns: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def covers(self, path: str) -> bool:
        """Whether *path* is among those that the role may speak of."""
        return any(matches(path, pattern) for pattern in self.patterns) or any(
            _sha256(path).startswith(prefix) for prefix in self.prefixes
        )


@dataclass(frozen=True)
class Succinct:
    """``2 ** bits`` roles that share keys and divide all paths by the first bits of their SHA-256."""

    authority: Authority
    bits: int

    def role_of(self, path: str) -> Authority:
        """The one role that may speak of *path*; the authority's own name is the prefix of all."""
        index = int(_sha256(path)[:8], 16) >> (MOST_BITS - self.bits)
        digits = len(f"{(1 << self.bits) - 1:x}")
        *above, prefix = self.authority.chain
        return replace(self.authority, chain=(*above, f"{prefix}-{index:0{digits}x}"))


@dataclass(frozen=True)
class Targets:
    """One role's targets and delegations."""

    version: int
    expires: float
    targets: Record
    delegations: tuple[Delegation, ...]
    succinct: Optional[Succinct]

    @classmethod
    def of(cls, signed: Signed, chain: tuple[str, ...]) -> Targets:
        """Read *signed*, the metadata of the last role of *chain*. Raises Untrusted."""
        body = signed.body
        listed: tuple[Delegation, ...] = ()
        succinct = None
        if "delegations" in body.value:
            record = required(body, "delegations")
            known = keys(required(record, "keys"))
            if ("roles" in record.value) == ("succinct_roles" in record.value):
                raise record.fail("roles", "expected either these or succinct_roles")
            if "roles" in record.value:
                listed = _listed(record, chain, known)
            else:
                succinct = _succinct(required(record, "succinct_roles"), chain, known)
        return cls(signed.version, signed.expires, required(body, "targets"), listed, succinct)

    def target(self, path: str) -> Optional[FileInfo]:
        """What this role itself says of *path*. Raises Untrusted when that makes no sense."""
        return target(required(self.targets, path), path) if path in self.targets.value else None

    def roles_for(self, path: str) -> tuple[tuple[Authority, ...], bool]:
        """The roles to ask about *path*, in order, and whether theirs is the last word."""
        if self.succinct:
            return (self.succinct.role_of(path),), True
        found = []
        for one in self.delegations:
            if one.covers(path):
                found.append(one.authority)
                if one.terminating:
                    return tuple(found), True
        return tuple(found), False


def _listed(record: Record, chain: tuple[str, ...], known: Mapping[str, Key]) -> tuple[Delegation, ...]:
    found = [_delegation(one, chain, known) for one in record.records("roles")]
    names = [one.authority.name for one in found]
    if len(set(names)) != len(names):
        raise record.fail("roles", "a name is there twice")
    return tuple(found)


def _delegation(one: Record, chain: tuple[str, ...], known: Mapping[str, Key]) -> Delegation:
    name = _name(one, "name")
    if ("paths" in one.value) == ("path_hash_prefixes" in one.value):
        raise one.fail("paths", "expected either these or path_hash_prefixes")
    if not isinstance(one.value.get("terminating"), bool):
        raise one.fail("terminating", "expected true or false")
    return Delegation(
        authority(one, (*chain, name), known),
        one.flag("terminating"),
        texts(one, "paths") if "paths" in one.value else (),
        texts(one, "path_hash_prefixes") if "path_hash_prefixes" in one.value else (),
    )


def _succinct(one: Record, chain: tuple[str, ...], known: Mapping[str, Key]) -> Succinct:
    bits = number(one, "bit_length")
    if bits > MOST_BITS:
        raise one.fail("bit_length", f"expected at most {MOST_BITS}")
    return Succinct(authority(one, (*chain, _name(one, "name_prefix")), known), bits)


def _name(one: Record, key: str) -> str:
    """Not one of the top-level roles', in any case: names become file names, on systems that fold case too."""
    name = one.text(key)
    if not name or name.casefold() in TOP_LEVEL:
        raise one.fail(key, f"{name!r} is not for delegated roles")
    return name


def matches(path: str, pattern: str) -> bool:
    """Whether the shell pattern fits, segment by segment (4.6); one that makes no sense fits nothing."""
    parts, wanted = path.split("/"), pattern.split("/")
    try:
        return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
    except re.error:  # a range like [z-a], before Python 3.10.6
        return False


def _sha256(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()
