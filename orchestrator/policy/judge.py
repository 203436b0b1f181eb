"""Which rules let too much in: who is to blame, who is shadowed, who is merely wide."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from orchestrator.exposure import Count, Intervals, PacketSet, PortSet, packets_of, packets_to, reach_of
from orchestrator.policy.blame import (
    NOBODY,
    Aside,
    Blamed,
    Candidate,
    about,
    blame_by_port,
    reaches,
    total_of,
)
from orchestrator.policy.compiled_checks import CompiledCheck, TrafficView
from orchestrator.policy.every_port import blame_every_port
from orchestrator.securitygroup import PortRange, Rule


class Judgement(NamedTuple):
    """What was found of one rule by one check.

    kind: "fail", "shadowed" (every packet it could let in is dropped first) or "wide".
    together: it fails only with others, as one of the largest contributors.
    opened: the ports where it is so; for a shadowed rule those it would open.
    addresses, size: whom it lets in there, at the first of the ports.
    """

    rule: Rule
    check: CompiledCheck
    kind: Literal["fail", "shadowed", "wide"]
    together: bool
    opened: tuple[PortRange, ...]
    addresses: Intervals
    size: Count


def judge(view: TrafficView, rules: Sequence[Rule], *, classic: bool) -> list[Judgement]:
    """All that the view's checks find in rules that apply together: those of a group or of a network interface.

    Rules with problems are passed over here: they neither let in nor shield.
    """
    return [found for card in view.cards(classic=classic) for found in _judge_card(view, rules, card)]


def _judge_card(view: TrafficView, rules: Sequence[Rule], card: str) -> list[Judgement]:
    direction, zone, least = view.direction, view.zone, view.least
    large: list[Candidate] = []
    small: list[Candidate] = []
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
    found = _judge_checks(view, large, small, drops)
    failed = {id(one.rule) for one in found if one.kind == "fail"}
    return [one for one in found if one.kind != "wide" or id(one.rule) not in failed]


def _judge_checks(
    view: TrafficView, large: list[Candidate], small: list[Candidate], drops: list[Rule]
) -> list[Judgement]:
    """Each check, with only the rules that are about its targets.

    Small sources, which most are, matter only where they may bring a union over the floor; they are set aside.
    """
    aside = Aside(small, total_of([reach for _, reach in small]))
    found: list[Judgement] = []
    for check in view.checks if large or reaches(aside.total, view.floor) else ():
        candidates = about(check, large)
        if reaches(aside.total, check.floor):
            found += _judge_check(view, check, candidates + about(check, small), NOBODY, drops)
        elif candidates:
            found += _judge_check(view, check, candidates, aside, drops)
    return found


def _judge_check(
    view: TrafficView, check: CompiledCheck, candidates: list[Candidate], aside: Aside, drops: list[Rule]
) -> list[Judgement]:
    sizes = [reach for _, reach in candidates]
    if not reaches(total_of([aside.total, *sizes]), check.floor) and not any(
        reaches(one, check.wide) for one in sizes
    ):
        return []
    drops = [rule for rule in drops if check.within(rule)]
    blame = blame_every_port if check.parts else blame_by_port
    found = [_judgement(one, check) for one in blame(view, check, candidates, aside, drops)]
    failed = {id(one.rule) for one in found}
    might = [rule for rule, reach in candidates if id(rule) not in failed and reaches(reach, check.floor)]
    return found + _shadowed(check, might, drops)


def _judgement(blamed: Blamed, check: CompiledCheck) -> Judgement:
    """What was found, as a value."""
    kind: Literal["fail", "wide"] = "wide" if blamed.kind == "wide" else "fail"
    rule, addresses, reach = blamed.share
    return Judgement(rule, check, kind, blamed.kind == "together", tuple(blamed.targets), addresses, reach)


def _shadowed(check: CompiledCheck, rules: list[Rule], drops: list[Rule]) -> list[Judgement]:
    """Those of the rules whose every packet to the targets, from anywhere, is dropped first."""
    if check.parts:
        rules = [rule for rule in rules if any(one.is_whole(rule) for one in check.parts)]
    packets = watched(check.targets)
    dropped = [rule for rule in rules if past_drops(rule, packets, drops).is_empty]
    return [
        Judgement(
            rule,
            check,
            "shadowed",
            together=False,
            opened=check.covered(rule),
            addresses=(),
            size=Count(0, 0),
        )
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
