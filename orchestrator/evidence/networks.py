"""Few networks that hold exactly what was seen, or a little more within a bound: the exact cover. Pure.

It is what a rule may be narrowed to: it never lets in less than what used it, never more than the rule does, and as
few blocks as that allows. Each block is a node of the binary tree of prefixes; going up the tree, the least excess for
each number of blocks is known of both halves of a node, so the least of all is found without trying any twice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from typing import NamedTuple

from orchestrator.evidence.values import Traffic
from orchestrator.exposure import Intervals, addresses_of, blocks, both, minus, size
from orchestrator.exposure.addresses import IPV4, IPV6, IPV6_BASE
from orchestrator.securitygroup import Source

WIDEST = (16, 40)
"""The shortest prefix that a block may have, of IPv4 and of IPv6: what is wider is Internet-scale."""


class NoCoverError(ValueError):
    """There is no cover within the bounds; the text says which one."""


class Cover(NamedTuple):
    """A cover.

    Attributes:
        cidrs: its blocks, disjoint, IPv4 first, in order.
        excess: how many addresses they let in beyond those that were seen.
    """

    cidrs: tuple[str, ...]
    excess: int


def cover(
    sources: Intervals,
    most: int,
    excess_share: float,
    within: Intervals,
    widest: tuple[int, int] = WIDEST,
) -> Cover:
    """Return the cover of the sources with the fewest blocks, and among those the one with the least excess.

    Args:
        sources: the addresses that were seen, on the line of `orchestrator.exposure`.
        most: how many blocks there may be.
        excess_share: so many addresses beyond those seen may be let in for each one that was seen, of each family
            apart; 0 for none.
        within: the rule's own sources; no block leaves them.
        widest: the shortest prefix of a block, of IPv4 and of IPv6.

    Raises:
        NoCoverError: the sources are not within the rule's, or more blocks are needed.
    """
    outside = minus(sources, within)
    if outside:
        raise NoCoverError(f"{size(outside)} of the addresses seen are not within the rule's own sources")
    best: list[Cover] = []
    for family, bits, prefix in ((IPV4, 32, widest[0]), (IPV6, 128, widest[1])):
        seen = both(sources, family)
        if seen:
            bounds = _Bounds(most, bits, prefix, family[0][0], within)
            best.append(_of_family(seen, bounds, int(Fraction(excess_share) * size(seen))))
    cidrs = tuple([one for part in best for one in part.cidrs])
    if len(cidrs) > most:
        raise NoCoverError(f"it takes {len(cidrs)} blocks, and {most} may be")
    return Cover(cidrs, sum(part.excess for part in best))


def cover_of(
    traffic: Traffic,
    source: Source,
    most: int,
    excess_share: float,
    closed_with: Collection[str] = (),
    widest: tuple[int, int] = WIDEST,
) -> Cover:
    """Return the cover of those who used a door and would be cut; knocks are left out. See `cover`.

    Args:
        traffic: of the door.
        source: the rule's.
        most: how many blocks there may be.
        excess_share: so many addresses beyond those seen may be let in for each one that was seen.
        closed_with: the ids of other rules that are closed with it: whom these alone let in as well is covered, too.
        widest: the shortest prefix of a block, of IPv4 and of IPv6.

    Raises:
        NoCoverError: not all who used it are known, nobody would be cut, or there is no cover within the bounds.
    """
    if traffic.status != "observed":
        raise NoCoverError(f"its traffic is {traffic.status}: {traffic.reason or 'nobody used it'}")
    if traffic.sources_untold or traffic.kept_untold:
        raise NoCoverError("more networks used it than are told")
    seen = blocks([one.cidr for one in traffic.cut_with(closed_with)])
    if not seen:
        raise NoCoverError("other rules let in all who used it")
    return cover(seen, most, excess_share, addresses_of(source), widest)


def exact(sources: Intervals) -> tuple[str, ...]:
    """Return the fewest CIDR blocks that hold these addresses and no other."""
    families = (
        both(sources, IPV4),
        both(sources, IPV6),
    )  # the last of IPV4 and the first of IPV6 touch on the line
    return tuple([text for mine in families for first, last in mine for text in _blocks(first, last)])


# --- the tree


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a block may be. `base` is where the family begins on the line, `prefix` the shortest one."""

    most: int
    bits: int
    prefix: int
    base: int
    within: Intervals

    def allows(self, first: int, height: int) -> bool:
        """Whether a block of 2**height addresses may be in a cover."""
        if self.bits - height < self.prefix:
            return False
        low = self.base + first
        at = bisect_right(self.within, (low, self.base + (1 << self.bits))) - 1
        return at >= 0 and self.within[at][0] <= low and low + (1 << height) - 1 <= self.within[at][1]


@dataclass(slots=True)
class _Node:
    """A block of 2**height addresses from `first` on, with `seen` of them seen.

    `least` is the least excess for each number of blocks from 1 on, None where it cannot be done with so many; `left`
    says how many of them are in its left half, 0 where the block itself is the only one.
    """

    first: int
    height: int
    seen: int
    least: list[int | None]
    halves: tuple[_Node, _Node] | None = None
    left: list[int] = field(default_factory=list)


def _of_family(seen: Intervals, bounds: _Bounds, budget: int) -> Cover:
    leaves = [
        leaf for first, last in seen for leaf in _leaves(first - bounds.base, last - bounds.base, bounds)
    ]
    if leaves:
        root = _tree(leaves, 0, len(leaves), bounds)
        for number, excess in enumerate(root.least, 1):
            if excess is not None and excess <= budget:
                return Cover(tuple(_texts(root, number, bounds)), excess)
    raise NoCoverError(
        f"it takes more than {bounds.most} blocks, or lets in more than {budget} addresses that were not seen"
    )


def _leaves(first: int, last: int, bounds: _Bounds) -> list[_Node]:
    """Return the blocks that a stretch is made of; one that is too wide is several. None where they are too many."""
    found: list[_Node] = []
    while first <= last:
        height = min((first & -first).bit_length() - 1 if first else bounds.bits, bounds.bits)
        height = min(height, (last - first + 1).bit_length() - 1, bounds.bits - bounds.prefix)
        found.append(_Node(first, height, 1 << height, [0]))
        first += 1 << height
        if len(found) > _MOST_LEAVES:
            raise NoCoverError(f"it takes more than {bounds.most} blocks")
    return found


_MOST_LEAVES = 1 << 17  # more blocks than any rule set holds, and as many as are looked at in seconds


def _tree(leaves: Sequence[_Node], start: int, end: int, bounds: _Bounds) -> _Node:
    """Return the smallest block that holds the leaves from `start` to `end`."""
    if end - start == 1:
        return leaves[start]
    final = leaves[end - 1]
    height = (leaves[start].first ^ (final.first + (1 << final.height) - 1)).bit_length()
    first = leaves[start].first >> height << height
    middle = bisect_left(leaves, first + (1 << height - 1), start, end, key=lambda one: one.first)
    left, right = _tree(leaves, start, middle, bounds), _tree(leaves, middle, end, bounds)
    node = _Node(first, height, left.seen + right.seen, [], (left, right))
    _join(node, left, right, bounds)
    return node


def _join(node: _Node, left: _Node, right: _Node, bounds: _Bounds) -> None:
    """Find the least excess of a block by those of its halves."""
    length = min(len(left.least) + len(right.least), bounds.most)
    least: list[int | None] = [None] * length
    split = [0] * length
    for mine, one in enumerate(left.least[:length], 1):
        if one is None:
            continue
        for other, two in enumerate(right.least[: length - mine], 1):
            at = mine + other - 1
            if two is not None and ((known := least[at]) is None or one + two < known):
                least[at], split[at] = one + two, mine
    if length and bounds.allows(node.first, node.height):
        least[0], split[0] = (1 << node.height) - node.seen, 0
    node.least, node.left = least, split


def _texts(node: _Node, number: int, bounds: _Bounds) -> list[str]:
    """Return the blocks of the cover of a node with so many."""
    here = node.left[number - 1] if node.left else 0
    if here == 0 or node.halves is None:
        return list(_blocks(bounds.base + node.first, bounds.base + node.first + (1 << node.height) - 1))
    left, right = node.halves
    return _texts(left, here, bounds) + _texts(right, number - here, bounds)


def _blocks(first: int, last: int) -> list[str]:
    if last < IPV6_BASE:
        return [str(one) for one in summarize_address_range(IPv4Address(first), IPv4Address(last))]
    low, high = IPv6Address(first - IPV6_BASE), IPv6Address(last - IPV6_BASE)
    return [str(one) for one in summarize_address_range(low, high)]
