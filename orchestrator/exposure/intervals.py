"""Sets of whole numbers as sorted intervals, both ends included, that neither overlap nor touch.

One kind of set serves every dimension of a packet: ports, protocols, addresses. All functions expect sets in
that form and give back sets in that form, so equal sets are equal tuples.
"""

from bisect import bisect_left
from collections.abc import Iterable

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]

NOTHING: Intervals = ()


def normal(pairs: Iterable[Interval]) -> Intervals:
    """The set that any intervals, in any order and overlapping or not, make together."""
    ordered = sorted(pairs)
    if not ordered:
        return NOTHING
    merged: list[Interval] = []
    first, last = ordered[0]
    for next_first, next_last in ordered:
        if next_first > last + 1:
            merged.append((first, last))
            first, last = next_first, next_last
        elif next_last > last:
            last = next_last
    merged.append((first, last))
    return tuple(merged)


def union(*sets: Intervals) -> Intervals:
    """What is in any of the sets."""
    filled = [one for one in sets if one]
    if len(filled) < 2:
        return filled[0] if filled else NOTHING
    return normal([pair for one in filled for pair in one])


def both(left: Intervals, right: Intervals) -> Intervals:
    """What is in both sets."""
    if left is right or not left:
        return left
    found: list[Interval] = []
    for first, last in left:
        at = _first_meeting(right, first)
        while at < len(right) and right[at][0] <= last:
            low, high = right[at]
            found.append((max(first, low), min(last, high)))
            at += 1
    return tuple(found)


def minus(left: Intervals, right: Intervals) -> Intervals:
    """What is in the first set and not in the second."""
    if left is right:
        return NOTHING
    if not left or not right:
        return left
    rest: list[Interval] = []
    for first, last in left:
        low, at = first, _first_meeting(right, first)
        while at < len(right) and right[at][0] <= last:
            if right[at][0] > low:
                rest.append((low, right[at][0] - 1))
            low = right[at][1] + 1
            at += 1
        if low <= last:
            rest.append((low, last))
    return tuple(rest)


def _first_meeting(numbers: Intervals, first: int) -> int:
    """The place of the first interval that does not end before `first`."""
    at = bisect_left(numbers, (first,))
    return at - 1 if at and numbers[at - 1][1] >= first else at


def size(numbers: Intervals) -> int:
    """How many numbers are in the set."""
    return sum([last - first for first, last in numbers]) + len(numbers)


def contains(numbers: Intervals, number: int) -> bool:
    """Whether the number is in the set."""
    return any(first <= number <= last for first, last in numbers)
