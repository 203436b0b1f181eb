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
    low, high = right[0] if right else (1, 0)
    for first, last in left:
        if low <= first and last <= high:  # often many lie in the same one
            found.append((first, last))
            continue
        at = _first_meeting(right, first, 0)
        end = bisect_left(right, (last + 1,), at)
        if at < end:
            low, high = right[at]
            found.append((max(low, first), min(high, last)))
        if at + 1 < end:
            low, high = right[end - 1]
            found += right[at + 1 : end - 1]
            found.append((low, min(high, last)))
    return tuple(found)


def minus(left: Intervals, right: Intervals) -> Intervals:
    """What is in the first set and not in the second.

    Stretches that lose nothing are copied whole, so a small set is taken from a large one in a time that
    hardly depends on the large one.
    """
    if left is right:
        return NOTHING
    if not left or not right:
        return left
    rest: list[Interval] = []
    at, begin = 0, left[0][0]  # what is left begins at `begin`, within the interval `at`
    for first, last in right:
        meeting = _first_meeting(left, first, at)
        if meeting > at:
            rest.append((begin, left[at][1]))
            rest += left[at + 1 : meeting]
            at = meeting
            if at == len(left):
                break
            begin = left[at][0]
        at, begin = _cut(left, at, begin, (first, last), rest)
        if at == len(left):
            break
    if at < len(left):
        rest.append((begin, left[at][1]))
        rest += left[at + 1 :]
    return tuple(rest)


def _cut(left: Intervals, at: int, begin: int, hole: Interval, rest: list[Interval]) -> tuple[int, int]:
    """Takes one interval away where it begins to matter: what lies before it is kept; where is to be gone on."""
    first, last = hole
    while begin <= last:
        if begin < first:
            rest.append((begin, first - 1))
        if left[at][1] > last:
            return at, last + 1
        at += 1
        if at == len(left):
            break
        begin = left[at][0]
    return at, begin


def _first_meeting(numbers: Intervals, first: int, start: int) -> int:
    """The place, from `start` on, of the first interval that does not end before `first`."""
    at = bisect_left(numbers, (first,), start)
    return at - 1 if at > start and numbers[at - 1][1] >= first else at


def size(numbers: Intervals) -> int:
    """How many numbers are in the set."""
    return sum([last - first for first, last in numbers]) + len(numbers)


def contains(numbers: Intervals, number: int) -> bool:
    """Whether the number is in the set."""
    return any(first <= number <= last for first, last in numbers)
