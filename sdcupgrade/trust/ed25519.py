"""Ed25519 signatures checked in plain Python (RFC 8032, 5.1.7).

Stricter than the RFC where it leaves a choice: the group equation is the one without cofactor (the one OpenSSL has),
S must be below the group order, points must be in their one canonical form, and keys of small order, for which one
signature fits many messages, are refused. Signing is left out.
"""

from __future__ import annotations

import hashlib

from sdcupgrade.trust.scalar import odd_multiples, weighted_sum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    Point = tuple[int, int, int, int]
    """Extended homogeneous coordinates: x = X/Z, y = Y/Z, x*y = T/Z."""

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
D2 = 2 * D
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
ZERO: Point = (0, 1, 1, 0)
SIZE, SIGNATURE_SIZE = 32, 64


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether *signature* is one of *message* by the holder of *public*; false for whatever is malformed, too."""
    if len(public) != SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    key = point(public)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= ORDER or _has_small_order(key):
        return False
    challenge = hashlib.sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(challenge, "little") % ORDER
    # comparing encodings refuses an R that is not canonical, and spares its square root
    terms = (scalar, BASE_MULTIPLES), (k, odd_multiples(_negative(key), _doubled, _added))
    return encoded(weighted_sum(terms, *GROUP)) == signature[:32]


def point(data: bytes) -> Optional[Point]:
    """The point, or None when there is none or it has a shorter form (RFC 8032, 5.1.3)."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * ROOT_OF_MINUS_ONE % P
        if (v * x * x - u) % P:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def encoded(one: Point) -> bytes:
    """The canonical form of a point (RFC 8032, 5.1.2)."""
    x, y, z, _ = one
    inverse = pow(z, -1, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _has_small_order(one: Point) -> bool:
    """Whether the point is one of the eight whose eightfold is the neutral one."""
    for _ in range(3):
        one = _doubled(one)
    return one[1] == one[2]  # y is 1 there alone


def _negative(one: Point) -> Point:
    x, y, z, t = one
    return (-x % P, y, z, -t % P)


def _added(one: Point, other: Point) -> Point:
    """RFC 8032, 5.1.4; it holds for all pairs of points."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = (y1 - x1) * (y2 - x2) % P
    b = (y1 + x1) * (y2 + x2) % P
    c = t1 * t2 % P * D2 % P
    d = 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _doubled(one: Point) -> Point:
    x, y, z, _ = one
    a, b = x * x % P, y * y % P
    h = a + b
    e = h - (x + y) * (x + y) % P
    g = a - b
    f = 2 * z * z % P + g
    return (e * f % P, g * h % P, f * g % P, e * h % P)


GROUP = (ZERO, _doubled, _added, _negative)
BASE: Point = point((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or ZERO
BASE_MULTIPLES = odd_multiples(BASE, _doubled, _added)
