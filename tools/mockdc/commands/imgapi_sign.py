"""http-signature with an RSA key file: PEM (PKCS#1, PKCS#8) or OpenSSH's own form, without passphrase.

Enough for the box's images server, which checks it; no random padding, no protection of the key in memory.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mockdc.apis.imgapi.signature import padded

RSA_OID = bytes.fromhex("2a864886f70d010101")


@dataclass(frozen=True)
class Key:
    """An RSA key: modulus, public and private exponent."""

    n: int
    e: int
    d: int


def authorization(user: str, date: str, key: Key) -> str:
    """The Authorization header for a request with that Date."""
    size = (key.n.bit_length() + 7) // 8
    raw = pow(padded(f"date: {date}", size), key.d, key.n).to_bytes(size, "big")
    return f'Signature keyId="{user}",algorithm="rsa-sha256",signature="{base64.b64encode(raw).decode()}"'


def read_key(text: bytes) -> Key:
    """Raises ValueError for what is no RSA private key."""
    found = re.search(rb"-----BEGIN ([A-Z ]+)-----(.+?)-----END", text, re.DOTALL)
    if not found:
        raise ValueError("no private key")
    raw = base64.b64decode(found.group(2))
    if found.group(1) == b"OPENSSH PRIVATE KEY":
        return _openssh(raw)
    numbers = [value for tag, value in _der(raw) if tag == 0x30]
    inner = list(_der(numbers[0]))
    if len(inner) >= 3 and inner[2][0] == 0x04:
        inner = list(_der(next(_der(inner[2][1]))[1]))
    _version, n, e, d = (int.from_bytes(value, "big") for _tag, value in inner[:4])
    return Key(n, e, d)


def _der(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of a run of DER values."""
    while raw:
        tag, length, at = raw[0], raw[1], 2
        if length & 0x80:
            at += length & 0x7F
            length = int.from_bytes(raw[2:at], "big")
        yield tag, raw[at : at + length]
        raw = raw[at + length :]


def _openssh(raw: bytes) -> Key:
    fields = list(_strings(raw[len(b"openssh-key-v1\0") :], skip_after=3))
    if fields[0] != b"none":
        raise ValueError("the key has a passphrase")
    kind, n, e, d = list(_strings(fields[4][8:]))[:4]
    if kind != b"ssh-rsa":
        raise ValueError("not an RSA key")
    return Key(*(int.from_bytes(value, "big") for value in (n, e, d)))


def _strings(raw: bytes, skip_after: int = -1) -> Iterator[bytes]:
    """Length-prefixed strings; after *skip_after* of them four bytes (the number of keys) are left out."""
    count = 0
    while len(raw) >= 4:
        length = int.from_bytes(raw[:4], "big")
        yield raw[4 : 4 + length]
        raw = raw[4 + length :]
        count += 1
        if count == skip_after:
            raw = raw[4:]
