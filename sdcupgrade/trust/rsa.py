"""RSASSA-PSS with SHA-256 and MGF1-SHA-256, checked in plain Python (RFC 8017, 8.1.2 and 9.1.2).

The salt may have any length, for signers differ in it. Keys have 2048 to 8192 bits and a small odd exponent, so that a
hostile key costs no time. Signing and the older PKCS #1 v1.5 padding are left out.
"""

from __future__ import annotations

import hashlib

from sdcupgrade.trust import der

HASH_SIZE = 32
LEAST_BITS, MOST_BITS = 2048, 8192
LEAST_EXPONENT, MOST_EXPONENT = 3, 2**32
TRAILER = 0xBC


def key(bits: bytes) -> tuple[int, int]:
    """Modulus and exponent of an RSAPublicKey (RFC 8017, A.1.1). Raises ValueError when it is none that we use."""
    modulus, exponent = der.integer_pair(bits)
    if not LEAST_BITS <= modulus.bit_length() <= MOST_BITS or not modulus & 1:
        raise ValueError(f"an RSA modulus of {modulus.bit_length()} bits")
    if not LEAST_EXPONENT <= exponent < MOST_EXPONENT or not exponent & 1:
        raise ValueError("an RSA exponent that is even, or out of range")
    return modulus, exponent


def verify(public: tuple[int, int], signature: bytes, message: bytes) -> bool:
    """Whether *signature* is one of *message* by the holder of *public*, a pair from :func:`key`."""
    modulus, exponent = public
    number = int.from_bytes(signature, "big")
    if len(signature) != (modulus.bit_length() + 7) // 8 or number >= modulus:
        return False
    bits = modulus.bit_length() - 1
    size = (bits + 7) // 8
    encoded = pow(number, exponent, modulus)
    return encoded >> bits == 0 and _is_padded(encoded.to_bytes(size, "big"), bits, hashlib.sha256(message).digest())


def _is_padded(encoded: bytes, bits: int, digest: bytes) -> bool:
    """EMSA-PSS-VERIFY, from step 3 on; *encoded* is below ``2 ** bits``, which is step 6."""
    masked, h = encoded[: -HASH_SIZE - 1], encoded[-HASH_SIZE - 1 : -1]
    mask = _mask(h, len(masked))
    block = int.from_bytes(masked, "big") ^ int.from_bytes(mask, "big")
    block &= (1 << (bits - 8 * (HASH_SIZE + 1))) - 1
    rest = block.to_bytes(len(masked), "big").lstrip(b"\0")
    known = hashlib.sha256(bytes(8) + digest + rest[1:]).digest()
    return rest[:1] == b"\1" and encoded[-1] == TRAILER and known == h


def _mask(seed: bytes, size: int) -> bytes:
    """MGF1 (RFC 8017, B.2.1)."""
    rounds = -(-size // HASH_SIZE)
    return b"".join(hashlib.sha256(seed + count.to_bytes(4, "big")).digest() for count in range(rounds))[:size]
