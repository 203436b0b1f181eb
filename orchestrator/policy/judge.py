"""Which rules let too much in: who is to blame, who is shadowed, who is merely wide."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from orchestrator.exposure import (
    Count,
    Intervals,
    PacketSet,
    PortSet,
    Share,
    balancer_of,
    count,
    in_order,
    normal,
    packets_of,
    packets_to,
    reach_of,
    segments,
    shares,
    size,
    union,
)
from orchestrator.policy.compiled_checks import Aim, TrafficView, covered, is_whole, within
from orchestrator.securitygroup import PortRange, Rule

_Kind = Literal["own", "together", "wide"]
_Candidate = tuple[Rule, Count]
"""An accepting rule and how many addresses of the zone its source reaches, drops aside."""
_NONE = Count(0, 0)


class _Aside(NamedTuple):
    """Candidates too small to fail, and too small together: looked at only beside larger ones."""

    candidates: list[_Candidate]
    total: Count


_NOBODY = _Aside([], _NONE)
_WORST_FIRST: tuple[_Kind, ...] = ("own", "together", "wide")


class Judgement(NamedTuple):
    """What was found of one rule by one aim.

    kind: "fail", "shadowed" (every packet it could let in is dropped first) or "wide".
    together: it fails only with others, as one of the largest contributors.
    opened: the ports where it is so; for a shadowed rule those it would open.
    addresses, size: whom it lets in there, at the first of the ports.
    """

    rule: Rule
    aim: Aim
    kind: Literal["fail", "shadowed", "wide"]
    together: bool
    opened: tuple[PortRange, ...]
    addresses: Intervals
    size: Count


def judge(view: TrafficView, rules: Sequence[Rule], *, classic: bool) -> list[Judgement]:
    """All that the view's aims find in rules that apply together: those of a group or of a network interface.

    Rules with problems are passed over here: they neither let in nor shield.
    """
    return [found for card in view.cards(classic=classic) for found in _judge_card(view, rules, card)]


def _judge_card(view: TrafficView, rules: Sequence[Rule], card: str) -> list[Judgement]:
    direction, zone, least = view.direction, view.zone, view.least
    large: list[_Candidate] = []
    small: list[_Candidate] = []
    drops: list[Rule] = []
    for rule in rules:  # the hot loop: most rules of most groups end here
        peer = rule.source if direction == "ingress" else rule.destination
        if rule.direction != direction or rule.problems or rule.nic_type != card or peer is None:
            continue
        if rule.policy == "drop":
            drops.append(rule)
            continue
        addresses, reach = reach_of(peer, zone)
        if reach.ipv4 >= least.ipv4 or reach.ipv6 >= least.ipv6:
            large.append((rule, reach))
        elif addresses:
            small.append((rule, reach))
    found = _judge_aims(view, large, small, drops)
    failed = {id(one.rule) for one in found if one.kind == "fail"}
    return [one for one in found if one.kind != "wide" or id(one.rule) not in failed]


def _judge_aims(
    view: TrafficView, large: list[_Candidate], small: list[_Candidate], drops: list[Rule]
) -> list[Judgement]:
    """Each aim with only the rules that are about its targets.

    Small sources, which most are, matter only where they may bring a union over the floor; they are set aside.
    """
    aside = _Aside(small, _total([reach for _, reach in small]))
    found: list[Judgement] = []
    for aim in view.aims if large or _reaches(aside.total, view.floor) else ():
        candidates = _about(aim, large)
        if _reaches(aside.total, aim.floor):
            found += _judge_aim(view, aim, candidates + _about(aim, small), _NOBODY, drops)
        elif candidates:
            found += _judge_aim(view, aim, candidates, aside, drops)
    return found


def _about(aim: Aim, candidates: list[_Candidate]) -> list[_Candidate]:
    return [pair for pair in candidates if within(aim, pair[0].protocol, pair[0].ports)]


def _judge_aim(
    view: TrafficView, aim: Aim, candidates: list[_Candidate], aside: _Aside, drops: list[Rule]
) -> list[Judgement]:
    sizes = [reach for _, reach in candidates]
    if not _reaches(_total([aside.total, *sizes]), aim.floor) and not any(
        _reaches(one, aim.wide) for one in sizes
    ):
        return []
    drops = [rule for rule in drops if within(aim, rule.protocol, rule.ports)]
    blame = _everything if aim.parts else _by_port
    found = [entry.judgement(aim) for entry in blame(view, aim, candidates, aside, drops)]
    failed = {id(one.rule) for one in found}
    might = [rule for rule, reach in candidates if id(rule) not in failed and _reaches(reach, aim.floor)]
    return found + _shadowed(aim, might, drops)


class _Entry:
    """What was found of one rule so far: the worst kind, where, and whom it lets in there."""

    def __init__(self, kind: _Kind, share: Share) -> None:
        self.kind = kind
        self.share = share
        self.targets: list[PortRange] = []

    def add(self, kind: _Kind, share: Share, target: PortRange) -> None:
        """One more port. Where a rule fails somewhere, its merely wide ports are not told."""
        if kind == "wide" and self.kind != "wide":
            return
        if kind != "wide" and self.kind == "wide":
            self.targets.clear()
        if _WORST_FIRST.index(kind) < _WORST_FIRST.index(self.kind):
            self.kind, self.share = kind, share
        self.targets.append(target)

    def judgement(self, aim: Aim) -> Judgement:
        """The same as a value."""
        kind: Literal["fail", "wide"] = "wide" if self.kind == "wide" else "fail"
        rule, addresses, reach = self.share
        return Judgement(rule, aim, kind, self.kind == "together", tuple(self.targets), addresses, reach)


def _by_port(
    view: TrafficView, aim: Aim, candidates: list[_Candidate], aside: _Aside, drops: list[Rule]
) -> list[_Entry]:
    """The rules to blame, port by port, and the wide ones; each rule once, with all its ports."""
    found, rest = _blame_all(view, aim, candidates, drops)
    if not aside.candidates or not _reaches(_total([rest, aside.total]), aim.floor):
        return found
    return _blame_all(view, aim, candidates + _about(aim, aside.candidates), drops)[0]


def _blame_all(
    view: TrafficView, aim: Aim, candidates: list[_Candidate], drops: list[Rule]
) -> tuple[list[_Entry], Count]:
    """The same for these only, and the most that those not to blame by themselves add up to at any port."""
    found: dict[int, _Entry] = {}
    known: dict[tuple[int, ...], tuple[list[tuple[_Kind, Share]], Count]] = {}
    for target, rules in _pieces(aim, in_order([*[rule for rule, _ in candidates], *drops])):
        key = tuple([id(rule) for rule in rules])
        if key not in known:
            known[key] = _blame(shares(rules, target, view.zone), aim)
        for kind, share in known[key][0]:
            found.setdefault(id(share.rule), _Entry(kind, share)).add(kind, share, target)
    return list(found.values()), _most([rest for _, rest in known.values()])


def _pieces(aim: Aim, ordered: list[Rule]) -> Iterator[tuple[PortRange, list[Rule]]]:
    """The aim's targets in pieces that each rule covers whole or not at all, with the rules that do."""
    about: dict[PortRange, list[tuple[Rule, tuple[PortRange, ...]]]] = {}
    for rule in ordered:
        for target, parts in within(aim, rule.protocol, rule.ports):
            about.setdefault(target, []).append((rule, parts))
    for target, pairs in about.items():
        if target.first == target.last:
            yield target, [rule for rule, _ in pairs]
            continue
        for piece in segments(target, [part for _, parts in pairs for part in parts]):
            low = piece.first
            yield piece, [rule for rule, parts in pairs if any(one.first <= low <= one.last for one in parts)]


def _everything(
    view: TrafficView, aim: Aim, candidates: list[_Candidate], aside: _Aside, drops: list[Rule]
) -> list[_Entry]:
    """The rules to blame for every port of a protocol being open.

    These are the rules about every port that fail at any of them. Where there is none, but all rules together
    leave no port closed, the widest are, until some port is closed without them.
    """
    found: dict[int, _Entry] = {}
    for one in aim.parts:
        about = [pair for pair in candidates if is_whole(one, pair[0].protocol, pair[0].ports)]
        whole = [pair for pair in about if not balancer_of(pair[0].raw)]
        blamed = _listening(view, one, [pair for pair in about if balancer_of(pair[0].raw)], drops)
        if whole:
            others = [pair for pair in aside.candidates if is_whole(one, pair[0].protocol, pair[0].ports)]
            blamed += _by_port(view, one, whole, aside._replace(candidates=others), drops)
        for entry in blamed or _widest(view, one, candidates, aside, drops):
            known = found.setdefault(id(entry.share.rule), entry)
            if known is not entry:
                known.targets += entry.targets
    return list(found.values())


def _listening(view: TrafficView, aim: Aim, balanced: list[_Candidate], drops: list[Rule]) -> list[_Entry]:
    """The load balancers that take every port: no rule of theirs can be split, so a port that drops close counts."""
    found = [entry for one in balanced for entry in _by_port(view, aim, [one], _NOBODY, drops)]
    return [entry for entry in found if _open_ports(entry.targets) == _only(aim.targets[0])]


def _widest(
    view: TrafficView, aim: Aim, candidates: list[_Candidate], aside: _Aside, drops: list[Rule]
) -> list[_Entry]:
    target = aim.targets[0]
    found: list[_Entry] = []
    rest = candidates
    while _open_ports([one for rule, _ in rest for one in covered(aim, rule)]) == _only(target):
        entries = _by_port(view, aim, rest, aside, drops)
        if _open_ports([one for entry in entries for one in entry.targets]) != _only(target):
            break
        widest = max(entries, key=lambda entry: size(_open_ports(entry.targets)))
        widest.kind = "together"
        found.append(widest)
        rest = [pair for pair in rest if pair[0] is not widest.share.rule]
    return found


def _open_ports(ranges: Iterable[PortRange]) -> Intervals:
    return normal([(one.first, one.last) for one in ranges])


def _only(target: PortRange) -> Intervals:
    return ((target.first, target.last),)


def _blame(at: list[Share], aim: Aim) -> tuple[list[tuple[_Kind, Share]], Count]:
    """Who is to blame at one port, and who is wide there; and the sum of those not to blame by themselves."""
    kinds: dict[int, _Kind] = {}
    for number, share in enumerate(at):
        if _reaches(share.size, aim.floor):
            kinds[number] = "own"
    rest = [number for number in range(len(at)) if number not in kinds]
    if not aim.alone:
        for family in (0, 1):
            kinds |= dict.fromkeys(_largest(at, rest, family, aim.floor[family]), "together")
    for number in rest:
        if number not in kinds and _reaches(at[number].size, aim.wide):
            kinds[number] = "wide"
    return [(kind, at[number]) for number, kind in sorted(kinds.items())], _total([at[n].size for n in rest])


def _largest(at: list[Share], rest: list[int], family: int, floor: int) -> list[int]:
    """The largest contributors of a family, as few as bring what remains below the floor.

    What the k smallest reach together only grows with k, so the place to cut is searched for: first where the
    sum alone proves that enough was taken, then nearer by doubling steps, then by halves.
    """
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


def _shadowed(aim: Aim, rules: list[Rule], drops: list[Rule]) -> list[Judgement]:
    """Those of the rules whose every packet to the targets, from anywhere, is dropped first."""
    if aim.parts:
        rules = [rule for rule in rules if any(is_whole(one, rule.protocol, rule.ports) for one in aim.parts)]
    packets = watched(aim.targets)
    dropped = [rule for rule in rules if past_drops(rule, packets, drops).is_empty]
    return [
        Judgement(rule, aim, "shadowed", together=False, opened=covered(aim, rule), addresses=(), size=_NONE)
        for rule in dropped
    ]


def past_drops(rule: Rule, packets: PacketSet, drops: Iterable[Rule]) -> PacketSet:
    """Those of the packets that a rule lets in and that none of the drops that win over it takes away."""
    left = packets_of(rule) & packets
    for drop in drops:
        if drop.priority <= rule.priority:
            left -= packets_of(drop)
    return left


@lru_cache(maxsize=256)
def watched(targets: tuple[PortRange, ...]) -> PacketSet:
    """Every packet to the targets, each of them apart, so that people are told one after the other."""
    return PacketSet([box for target in targets for box in packets_to(PortSet([target])).boxes])


def _total(sizes: list[Count]) -> Count:
    return Count(sum([one.ipv4 for one in sizes]), sum([one.ipv6 for one in sizes]))


def _most(sizes: list[Count]) -> Count:
    return Count(max([one.ipv4 for one in sizes], default=0), max([one.ipv6 for one in sizes], default=0))


def _reaches(reach: Count, floor: Count) -> bool:
    return reach.ipv4 >= floor.ipv4 or reach.ipv6 >= floor.ipv6
