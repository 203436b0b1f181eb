"""Which rules are to blame where no rule alone reaches too many addresses, and all together do."""

from orchestrator.exposure import Share, count, union


def largest(at: list[Share], rest: list[int], family: int, floor: int) -> list[int]:
    """The largest contributors of a family, as few as bring what remains below the floor.

    What the k smallest reach together only grows with k, so the place to cut is searched for: first where the
    sum alone proves that enough was taken, then nearer by doubling steps, then by halves.

    An example, with a floor of 16 million: fifty sources of one million each, of which forty are the same. The sum
    proves that taking 35 is enough; but the union of all is 11 million, so none need be taken. The search tries 34,
    32, 28, 20, 4 and 0, six unions, where going down by one would make 35.

    Args:
        at: what each rule lets in at one port.
        rest: the places in `at` of those that are not to blame by themselves.
        family: 0 for IPv4, 1 for IPv6.
        floor: from so many addresses on it is too much.
    """
    # The sum counts an address as often as it is let in, so it proves that enough was taken, never that too little was.
    left, most = sum([at[number].size[family] for number in rest]), 0
    if left < floor:
        return []
    order = sorted(rest, key=lambda number: -at[number].size[family])
    while left >= floor:
        left -= at[order[most]].size[family]
        most += 1

    def enough(taken: int) -> bool:
        return count(union(*[at[number].addresses for number in order[taken:]]))[family] < floor

    step, fewest = 1, 0
    while most > fewest and enough(max(most - step, fewest)):
        most, step = max(most - step, fewest), step * 2
    fewest = max(most - step, fewest)
    while most - fewest > 1:
        middle = (most + fewest) // 2
        most, fewest = (middle, fewest) if enough(middle) else (most, middle)
    return order[:most]
