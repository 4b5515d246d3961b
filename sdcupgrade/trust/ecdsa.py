"""ECDSA over NIST P-256 with SHA-256, checked in plain Python (FIPS 186-5, 6.4.2; SEC 1, 4.1.4).

Points are in Jacobian coordinates. A point that is not on the curve is refused before anything is computed with it.
Signatures are strict DER; both values lie in 1 .. order - 1. Of the two signatures that any signature makes, (r, s) and
(r, -s), both count, as everywhere else. Signing and other curves are left out.
"""

from __future__ import annotations

import hashlib

from sdcupgrade.trust import der
from sdcupgrade.trust.scalar import odd_multiples, weighted_sum

TYPE_CHECKING = False
if TYPE_CHECKING:
    Point = tuple[int, int, int]
    """x = X / Z ** 2, y = Y / Z ** 3; Z is 0 for the neutral point."""

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE: Point = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)
ZERO: Point = (1, 1, 0)
UNCOMPRESSED, POINT_SIZE = 4, 65


def point(data: bytes) -> tuple[int, int]:
    """The public point in the uncompressed form of SEC 1, 2.3.4. Raises ValueError when it is none of the curve."""
    if len(data) != POINT_SIZE or data[0] != UNCOMPRESSED:
        raise ValueError("not an uncompressed point of P-256")
    x, y = int.from_bytes(data[1:33], "big"), int.from_bytes(data[33:], "big")
    if x >= P or y >= P or (y * y - x * x * x + 3 * x - B) % P:
        raise ValueError("a point that is not on the curve")
    return x, y


def verify(public: tuple[int, int], signature: bytes, message: bytes) -> bool:
    """Whether *signature* (DER) is one of *message* by the holder of *public*, a point from :func:`point`."""
    try:
        r, s = der.integer_pair(signature)
    except ValueError:
        return False
    if not (1 <= r < ORDER and 1 <= s < ORDER):
        return False
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    inverse = pow(s, -1, ORDER)
    key = odd_multiples((public[0], public[1], 1), _doubled, _added)
    terms = (digest * inverse % ORDER, BASE_MULTIPLES), (r * inverse % ORDER, key)
    x, _, z = weighted_sum(terms, *GROUP)
    return bool(z) and x * pow(z * z, -1, P) % P % ORDER == r


def _doubled(one: Point) -> Point:
    x, y, z = one
    square = y * y % P
    s = 4 * x * square % P
    z2 = z * z % P
    m = 3 * (x - z2) * (x + z2) % P
    x3 = (m * m - 2 * s) % P
    return (x3, (m * (s - x3) - 8 * square * square) % P, 2 * y * z % P)


def _added(one: Point, other: Point) -> Point:
    """*other* is a multiple of a key or of the base point, and never the neutral point."""
    x1, y1, z1 = one
    x2, y2, z2 = other
    if not z1:
        return other
    z1z1, z2z2 = z1 * z1 % P, z2 * z2 % P
    u1, s1 = x1 * z2z2 % P, y1 * z2 * z2z2 % P
    h, r = (x2 * z1z1 - u1) % P, (y2 * z1 * z1z1 - s1) % P
    if not h:
        return ZERO if r else _doubled(one)
    h2 = h * h % P
    h3 = h * h2 % P
    v = u1 * h2 % P
    x3 = (r * r - h3 - 2 * v) % P
    return (x3, (r * (v - x3) - s1 * h3) % P, h * z1 * z2 % P)


def _negative(one: Point) -> Point:
    x, y, z = one
    return (x, -y % P, z)


GROUP = (ZERO, _doubled, _added, _negative)
BASE_MULTIPLES = odd_multiples(BASE, _doubled, _added)
