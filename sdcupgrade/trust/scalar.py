"""What both curves do with numbers and points: a * A + b * B, many bits at once and both sums in one go.

Points are whatever *doubled*, *added* and *negative* take; scalars are written in signed odd digits (w-NAF), so that of
any WINDOW digits at most one needs an addition, and the doublings are shared (Straus).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    Point = TypeVar("Point")

WINDOW = 5


def digits(scalar: int) -> list[int]:
    """The scalar, not negative, in digits that are 0, or odd and below ``2 ** (WINDOW - 1)`` in size; lowest first."""
    found = []
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & ((1 << WINDOW) - 1)
            if digit >> (WINDOW - 1):
                digit -= 1 << WINDOW
            scalar -= digit
        found.append(digit)
        scalar >>= 1
    return found


def odd_multiples(
    point: Point, doubled: Callable[[Point], Point], added: Callable[[Point, Point], Point]
) -> tuple[Point, ...]:
    """The point times 1, 3, 5, ... as far as digits go."""
    twice = doubled(point)
    found = [point]
    while len(found) < 1 << (WINDOW - 2):
        found.append(added(found[-1], twice))
    return tuple(found)


def weighted_sum(
    terms: Sequence[tuple[int, Sequence[Point]]],
    zero: Point,
    doubled: Callable[[Point], Point],
    added: Callable[[Point, Point], Point],
    negative: Callable[[Point], Point],
) -> Point:
    """The sum of scalar times point over *terms*, each a scalar and the odd multiples of its point."""
    signed = [(digits(scalar), multiples) for scalar, multiples in terms]
    result = zero
    for index in range(max(len(found) for found, _ in signed) - 1, -1, -1):
        result = doubled(result)
        for found, multiples in signed:
            digit = found[index] if index < len(found) else 0
            if digit > 0:
                result = added(result, multiples[digit >> 1])
            elif digit:
                result = added(result, negative(multiples[-digit >> 1]))
    return result
