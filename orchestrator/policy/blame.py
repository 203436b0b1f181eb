"""Who is to blame at the ports of a check: the rules whose own share is too large, and those that are so together.

A share (`exposure.Share`) is what one rule lets in at a port: its source, less what the drops that win over it take.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from orchestrator.exposure import Count, Share, in_order, segments, shares
from orchestrator.policy.compiled_checks import CompiledCheck, TrafficView
from orchestrator.policy.together import largest
from orchestrator.securitygroup import PortRange, Rule

Kind = Literal["own", "together", "wide"]
Candidate = tuple[Rule, Count]
"""An accepting rule and how many addresses of the zone its source reaches, drops aside."""


class Aside(NamedTuple):
    """Candidates too small to fail, and too small together: looked at only beside larger ones."""

    candidates: list[Candidate]
    total: Count


NOBODY = Aside([], Count(0, 0))
_WORST_FIRST: tuple[Kind, ...] = ("own", "together", "wide")


class Blamed:
    """What was found of one rule so far: the worst kind, where, and whom it lets in there."""

    def __init__(self, kind: Kind, share: Share) -> None:
        self.kind = kind
        self.share = share
        self.targets: list[PortRange] = []

    def add(self, kind: Kind, share: Share, target: PortRange) -> None:
        """One more port. Where a rule fails somewhere, its merely wide ports are not told."""
        if kind == "wide" and self.kind != "wide":
            return
        if kind != "wide" and self.kind == "wide":
            self.targets.clear()
        if _WORST_FIRST.index(kind) < _WORST_FIRST.index(self.kind):
            self.kind, self.share = kind, share
        self.targets.append(target)


def blame_by_port(
    view: TrafficView, check: CompiledCheck, candidates: list[Candidate], aside: Aside, drops: list[Rule]
) -> list[Blamed]:
    """The rules to blame, port by port, and the wide ones; each rule once, with all its ports."""
    found, rest = _blame_all(view, check, candidates, drops)
    if not aside.candidates or not reaches(total_of([rest, aside.total]), check.floor):
        return found
    return _blame_all(view, check, candidates + about(check, aside.candidates), drops)[0]


def _blame_all(
    view: TrafficView, check: CompiledCheck, candidates: list[Candidate], drops: list[Rule]
) -> tuple[list[Blamed], Count]:
    """The same for these only, and the most that those not to blame by themselves add up to at any port."""
    found: dict[int, Blamed] = {}
    # A range of a thousand ports falls into pieces that mostly have the same rules: each set of rules is judged once.
    known: dict[tuple[int, ...], tuple[list[tuple[Kind, Share]], Count]] = {}
    for target, rules in _pieces(check, in_order([*[rule for rule, _ in candidates], *drops])):
        key = tuple([id(rule) for rule in rules])
        if key not in known:
            known[key] = _blame(shares(rules, target, view.zone), check)
        for kind, share in known[key][0]:
            found.setdefault(id(share.rule), Blamed(kind, share)).add(kind, share, target)
    return list(found.values()), _most([rest for _, rest in known.values()])


def _pieces(check: CompiledCheck, ordered: list[Rule]) -> Iterator[tuple[PortRange, list[Rule]]]:
    """The check's targets in pieces that each rule covers whole or not at all, with the rules that do.

    With the target 20-30 and rules about 1-24 and 22-65535 these are 20-21 (the first), 22-24 (both) and 25-30 (the
    second).
    """
    about: dict[PortRange, list[tuple[Rule, tuple[PortRange, ...]]]] = {}
    for rule in ordered:
        for target, parts in check.within(rule):
            about.setdefault(target, []).append((rule, parts))
    for target, pairs in about.items():
        if target.first == target.last:
            yield target, [rule for rule, _ in pairs]
            continue
        for piece in segments(target, [part for _, parts in pairs for part in parts]):
            low = piece.first
            yield piece, [rule for rule, parts in pairs if any(one.first <= low <= one.last for one in parts)]


def _blame(at: list[Share], check: CompiledCheck) -> tuple[list[tuple[Kind, Share]], Count]:
    """Who is to blame at one port, and who is wide there; and the sum of those not to blame by themselves."""
    kinds: dict[int, Kind] = {}
    for number, share in enumerate(at):
        if reaches(share.size, check.floor):
            kinds[number] = "own"
    rest = [number for number in range(len(at)) if number not in kinds]
    if not check.alone:
        for family in (0, 1):
            kinds |= dict.fromkeys(largest(at, rest, family, check.floor[family]), "together")
    for number in rest:
        if number not in kinds and reaches(at[number].size, check.wide):
            kinds[number] = "wide"
    return [(kind, at[number]) for number, kind in sorted(kinds.items())], total_of(
        [at[n].size for n in rest]
    )


def about(check: CompiledCheck, candidates: list[Candidate]) -> list[Candidate]:
    """Those whose rule is about any of the check's targets."""
    return [pair for pair in candidates if check.within(pair[0])]


def total_of(sizes: list[Count]) -> Count:
    """What they would reach together if no two reached the same address: an upper bound, quick to tell."""
    return Count(sum([one.ipv4 for one in sizes]), sum([one.ipv6 for one in sizes]))


def _most(sizes: list[Count]) -> Count:
    return Count(max([one.ipv4 for one in sizes], default=0), max([one.ipv6 for one in sizes], default=0))


def reaches(reach: Count, floor: Count) -> bool:
    """Whether it is too much for either family."""
    return reach.ipv4 >= floor.ipv4 or reach.ipv6 >= floor.ipv6
