"""Keys, and what it takes to speak for a role (specification, 4.2.1, 4.3 and 5.3.4).

A role is believed when as many of its keys as its threshold says have signed. Key ids are names only: the same key
under two names counts once. A key of a kind we do not know, or one that is malformed, never counts, and does no harm
where enough others have signed. Kinds: Ed25519, ECDSA P-256 (also under its older name), RSA-PSS; keys as hex (Ed25519)
or PEM (the others).
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from sdcupgrade.errors import Untrusted
from sdcupgrade.trust import der, ecdsa, ed25519, rsa

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Union

    Material = Union[bytes, tuple[int, int]]

KINDS = {
    ("ed25519", "ed25519"): "ed25519",
    ("ecdsa", "ecdsa-sha2-nistp256"): "ecdsa",
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"): "ecdsa",
    ("rsa", "rsassa-pss-sha256"): "rsa",
}
"""By key type and signature scheme."""


@dataclass(frozen=True)
class Key:
    """A public key as metadata shows it; nothing is known yet of its being one."""

    keytype: str
    scheme: str
    public: str

    def material(self) -> tuple[str, Material]:
        """The kind, and the key itself: the same for the same key, however it is named or written. Raises ValueError
        when it is not a key of a known kind."""
        kind = KINDS.get((self.keytype, self.scheme))
        if kind == "ed25519":
            return kind, _ed25519(self.public)
        if kind is None:
            raise ValueError(f"unknown kind of key {self.keytype} {self.scheme}")
        algorithm, bits = der.public_key(self.public)
        if kind == "ecdsa" and algorithm == (der.EC_PUBLIC_KEY, der.PRIME256V1):
            return kind, ecdsa.point(bits)
        if kind == "rsa" and algorithm == (der.RSA_ENCRYPTION, b""):
            return kind, rsa.key(bits)
        raise ValueError("the PEM holds another kind of key")


@dataclass(frozen=True)
class Authority:
    """Who may speak for a role: *threshold* of the keys named by *keyids*. *chain* is the way of delegation to it,
    ``("targets", "parent", "role")``; its last name is the role's."""

    chain: tuple[str, ...]
    keys: Mapping[str, Key]
    keyids: tuple[str, ...]
    threshold: int

    @property
    def name(self) -> str:
        """The role."""
        return self.chain[-1]

    def check(self, signatures: Mapping[str, str], message: bytes, where: str) -> None:
        """Raises Untrusted unless enough different keys have signed *message*; *signatures* are hex, by key id."""
        signed: set[tuple[str, Material]] = set()
        for keyid in self.keyids:
            if keyid not in self.keys or keyid not in signatures:
                continue
            signed |= _signer(self.keys[keyid], signatures[keyid], message)
            if len(signed) >= self.threshold:
                return
        by = self.chain[-2] if len(self.chain) > 1 else "root"
        raise Untrusted(
            f"{where}: signed by {len(signed)} of the {self.threshold} keys that {by} asks of {self.name}"
        )


def _signer(key: Key, signature: str, message: bytes) -> set[tuple[str, Material]]:
    """The key, if it has signed; else nothing."""
    try:
        found = key.material()
        given = binascii.unhexlify(signature)
    except ValueError:
        return set()
    return {found} if _verify(found, given, message) else set()


def _verify(found: tuple[str, Material], signature: bytes, message: bytes) -> bool:
    _, material = found
    if isinstance(material, bytes):
        return ed25519.verify(material, signature, message)
    check = ecdsa.verify if found[0] == "ecdsa" else rsa.verify
    return check(material, signature, message)


def _ed25519(text: str) -> bytes:
    public = binascii.unhexlify(text)
    if len(public) != ed25519.SIZE:
        raise ValueError(f"an Ed25519 key of {len(public)} octets")
    return public
