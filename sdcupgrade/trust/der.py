"""The little of DER that keys and signatures need, read strictly (X.690, 10.1 and 8.3).

Every value has exactly one encoding: lengths and numbers are as short as they can be, numbers are not negative, and
nothing may follow. Everything else raises ValueError. PEM is the armour of RFC 7468 around one SubjectPublicKeyInfo
(RFC 5280, 4.1).
"""

from __future__ import annotations

import binascii

SEQUENCE, INTEGER, BIT_STRING, OBJECT, NULL = 0x30, 0x02, 0x03, 0x06, 0x05

RSA_ENCRYPTION = bytes.fromhex("2a864886f70d010101")
EC_PUBLIC_KEY = bytes.fromhex("2a8648ce3d0201")
PRIME256V1 = bytes.fromhex("2a8648ce3d030107")
"""RFC 8017, A.1 and RFC 5480, 2.1.1."""

BEGIN, END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"


class Reader:
    """Values read one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, tag: int) -> bytes:
        """The contents of the next value, which must have that tag."""
        if self._at + 2 > len(self._data) or self._data[self._at] != tag:
            raise ValueError(f"DER: expected tag {tag:#x}")
        start = self._at + 2
        size = self._data[self._at + 1]
        if size >= 0x80:
            start += size - 0x80
            size = self._long(self._data[self._at + 2 : start])
        if start + size > len(self._data):
            raise ValueError("DER: a value ends too early")
        self._at = start + size
        return self._data[start : start + size]

    @staticmethod
    def _long(octets: bytes) -> int:
        """A length of more than 127; the form for shorter ones, leading zeros and the indefinite form are refused."""
        size = int.from_bytes(octets, "big")
        if not octets or octets[0] == 0 or size < 0x80:
            raise ValueError("DER: a length that is not in its shortest form")
        return size

    def integer(self) -> int:
        """The next number, which is not negative."""
        octets = self.take(INTEGER)
        if not octets or octets[0] & 0x80 or (len(octets) > 1 and octets[0] == 0 and not octets[1] & 0x80):
            raise ValueError("DER: a number that is negative or not in its shortest form")
        return int.from_bytes(octets, "big")

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise ValueError("DER: something follows the value")


def integer_pair(data: bytes) -> tuple[int, int]:
    """``SEQUENCE { INTEGER, INTEGER }``: an ECDSA signature, or an RSA key."""
    outer = Reader(data)
    inner = Reader(outer.take(SEQUENCE))
    outer.end()
    pair = inner.integer(), inner.integer()
    inner.end()
    return pair


def public_key(pem: str) -> tuple[tuple[bytes, bytes], bytes]:
    """``(algorithm, parameters)`` and the key bits of a PEM SubjectPublicKeyInfo. Parameters: the object identifier of
    a curve, or empty for NULL."""
    outer = Reader(_unarmoured(pem))
    info = Reader(outer.take(SEQUENCE))
    outer.end()
    algorithm = Reader(info.take(SEQUENCE))
    bits = info.take(BIT_STRING)
    info.end()
    name = algorithm.take(OBJECT)
    parameters = algorithm.take(OBJECT if name == EC_PUBLIC_KEY else NULL)
    algorithm.end()
    if not bits or bits[0] or (name == RSA_ENCRYPTION and parameters):
        raise ValueError("not a key of whole octets")
    return (name, parameters), bits[1:]


def _unarmoured(pem: str) -> bytes:
    lines = pem.strip().splitlines()
    if lines[:1] != [BEGIN] or lines[-1:] != [END]:
        raise ValueError("not a PEM public key")
    text = "".join(lines[1:-1])
    data = binascii.a2b_base64(text.encode("ascii"))
    if binascii.b2a_base64(data, newline=False).decode() != text:
        raise ValueError("not canonical base64")
    return data
