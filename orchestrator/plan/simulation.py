"""The group as it would be, judged by the judgement that found the risk and compared packet by packet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.exposure import (
    NO_PACKETS,
    PacketSet,
    balancer_of,
    effective,
    implied_rules,
    listener_rules,
    packets_of,
)
from orchestrator.plan.changes import Change, GroupContents
from orchestrator.plan.pieces import is_old_default
from orchestrator.policy import Finding, Status
from orchestrator.securitygroup import Direction, PrefixList, Rule, SecurityGroup, content_digest

Judge = Callable[[SecurityGroup], tuple[Finding, ...]]
"""The judgement of the scan: `policy.evaluate` with its checks, exemptions and day."""

_DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")


class Verdicts(NamedTuple):
    """How a set of changes turns out: why it must not be made ("" if it may), and which rule fails which check then.

    What stands in a rule's place counts as that rule.
    """

    problem: str = ""
    left: frozenset[tuple[str, str]] = frozenset()


class Simulation:
    """Tries sets of changes of one group."""

    def __init__(
        self,
        known: GroupContents,
        findings: Sequence[Finding],
        judge: Judge,
        beside: Sequence[tuple[Rule, ...]] = (),
    ) -> None:
        """Remember the group.

        Args:
            known: as it is.
            findings: what fails there.
            judge: what found it.
            beside: for each network interface the group is on, the rules of its other groups: the cloud applies all of
                an interface's as one list.
        """
        self._known = known
        self._judge = judge
        self._before = {(one.rule_id, one.check_id): one for one in findings}
        implied = implied_rules(known.group)
        # what passes, or is dropped, beside the group's own rules: in the group alone, and on each interface
        self._around = [implied, *((*implied, *rules) for rules in beside)]

    def run(self, changes: Sequence[Change]) -> Verdicts:
        """What comes of making all these changes together."""
        added, remaining = self._added(changes), list(self._remaining(changes))
        modified = {change.rule.rule_id for change in changes if change.modify}
        made = [*added, *(rule for rule in remaining if rule.rule_id in modified)]
        if unknown := next((problem for rule in made for problem in rule.problems), ""):
            return Verdicts(f"its replacement cannot be understood: {unknown}")
        if reason := self._blind(changes) or self._in_vain(changes):
            return Verdicts(reason)
        after = [*remaining, *added]
        acted = {change.rule.rule_id for change in changes}
        new = [*added, *[rule for rule in remaining if rule.rule_id in acted]]
        scope = _scope([change.rule for change in changes], new)
        now, then = _within(scope, self._known.group.rules), _within(scope, after)
        for around in self._around:
            beside = _within(scope, around)
            if packets := next(_packets(changes, added, now, then, beside), ""):
                return Verdicts(packets)
        left = self._judge(replace(self._known.group, rules=tuple(after)))
        failing = frozenset([(_origin(one), one.check_id) for one in left])
        return Verdicts(self._still_open(changes, left), failing)

    def growth(self, changes: Sequence[Change]) -> tuple[int, int]:
        """How many rules are added, and how many the group holds before others go, as the cloud counts them."""
        added = sum([_weight(rule) for rule in self._added(changes)])
        return added, added + sum([_weight(rule) for rule in self._known.group.rules])

    def _added(self, changes: Sequence[Change]) -> list[Rule]:
        """The rules that are new; the API adds none that is there, or twice. Their id names whose place they take."""
        found: dict[str, Rule] = {}
        for change in changes:
            for fields in change.adds:
                content = content_digest(fields)
                if content not in self._known.contents and content not in found:
                    found[content] = self._known.rule(fields, _new_id(change.rule))
        return list(found.values())

    def _blind(self, changes: Sequence[Change]) -> str:
        """Why a change cannot be tried: a drop, or another priority, may hit what a rule nobody understood lets in."""
        unknown = next((rule for rule in self._known.group.rules if rule.problems), None)
        if unknown and any(one.kind == "block" or is_old_default(one.rule.raw) for one in changes):
            return (
                f"it may hit what rule {unknown.rule_id} lets in, which is not known ({unknown.problems[0]})"
            )
        return ""

    def _in_vain(self, changes: Sequence[Change]) -> str:
        """Why a change closes nothing: only a drop helps where a group or a load balancer lets it through by itself.

        A normal group lets everything out; a load balancer lets in whatever no drop takes.
        """
        if reason := self._in_vain_at_listeners(changes):
            return reason
        outward = [one for one in changes if one.rule.direction == "egress" and one.kind != "block"]
        implied = effective(self._around[0], "egress") if outward else NO_PACKETS
        if any(one.targets <= implied for one in outward):
            return "the group lets that out by itself, with or without the rule: only a drop (action block) closes it"
        return ""

    def _in_vain_at_listeners(self, changes: Sequence[Change]) -> str:
        balanced = listener_rules(self._known.group)
        inward = [one for one in changes if one.rule.direction == "ingress" and one.kind != "block"]
        if not balanced or not inward:
            return ""
        drops = [one for one in (*self._known.group.rules, *self._added(changes)) if one.policy == "drop"]
        let_in = effective([*drops, *balanced])
        for one in inward:
            if one.targets <= let_in:
                names = ", ".join(dict.fromkeys(balancer_of(rule.raw) for rule in balanced))
                return f"load balancer {names} lets that in with or without the rule: only a drop (block) closes it"
        return ""

    def _remaining(self, changes: Sequence[Change]) -> Iterator[Rule]:
        """The rules that stay, the modified ones as they will be."""
        by_id = {change.rule.rule_id: change for change in changes}
        for rule in self._known.group.rules:
            change = by_id.get(rule.rule_id)
            if change is None or not (change.revokes or change.modify):
                yield rule
            elif change.modify:
                yield self._known.rule({**rule.raw, **change.modify}, rule.rule_id)

    def _still_open(self, changes: Sequence[Change], left: Sequence[Finding]) -> str:
        """What would be open after all, or newly."""
        acted = {(change.rule.rule_id, check_id) for change in changes for check_id in change.check_ids}
        for finding in left:
            origin = _origin(finding)
            known = self._before.get((origin, finding.check_id))
            if not finding.is_open or finding.is_wide:
                continue
            if (origin, finding.check_id) in acted:
                return f"check {finding.check_id} would still fail: {finding.reason}"
            if known is None or known.status is not Status.open:
                return f"check {finding.check_id} would fail instead: {finding.reason}"
        return ""


_NEW = "instead of "


def _new_id(rule: Rule) -> str:
    return _NEW + rule.rule_id


def _origin(finding: Finding) -> str:
    """The rule that a finding goes back to."""
    return finding.rule_id.removeprefix(_NEW)


def _packets(
    changes: Sequence[Change],
    added: Sequence[Rule],
    rules: Sequence[Rule],
    after: Sequence[Rule],
    around: Sequence[Rule],
) -> Iterator[str]:
    """What is wrong with the packets that pass then, or between the additions and the rest."""
    acted = {change.rule.rule_id for change in changes}
    targets = [box for change in changes for box in change.targets.boxes]
    for direction in _DIRECTIONS:
        if not any(change.rule.direction == direction for change in changes):
            continue
        before = _passing([*rules, *around], direction)
        then = _passing([*after, *around], direction)
        others = _others([*rules, *around], acted, direction)
        between = _passing([*rules, *added, *around], direction)
        yield from _told("it would open", (then | between) - before)
        yield from _told("it would also close", (before - PacketSet(targets)) - then)
        yield from _told("it would also close, though another rule opens it,", others - then)
        yield from _told(
            "a rollback could not give back exactly",
            _not_restored(changes, [*rules, *around], before, direction),
        )
        ideal = _passing([*_with_old_priority(changes, after), *around], direction)
        yield from _told("it would win over a drop for", then - ideal)


def _scope(changed: Iterable[Rule], new: Iterable[Rule]) -> PacketSet:
    """The packets about which anything changes: those of the changed rules, and of what stands then."""
    old = PacketSet([box for rule in changed for box in packets_of(rule).boxes])
    return old | PacketSet([box for rule in new for box in (packets_of(rule) - old).boxes])


def _within(scope: PacketSet, rules: Iterable[Rule]) -> list[Rule]:
    """The rules that have a packet of these; the others decide about none of them."""
    return [rule for rule in rules if not (packets_of(rule) & scope).is_empty]


def _others(rules: Iterable[Rule], acted: AbstractSet[str], direction: Direction) -> PacketSet:
    """What others than the changed rules answer for; that everything goes out of a group, nobody wrote."""
    written = [rule for rule in rules if rule.rule_id or direction == "ingress"]
    return _passing([rule for rule in written if rule.rule_id not in acted], direction)


def _not_restored(
    changes: Sequence[Change], rules: Iterable[Rule], before: PacketSet, direction: Direction
) -> PacketSet:
    """What a rollback would open or leave closed: a rule of priority 110 comes back with 100."""
    old = {one.rule.rule_id for one in changes if one.revokes and is_old_default(one.rule.raw)}
    if not old:
        return NO_PACKETS
    restored = _passing(
        [replace(one, priority=100) if one.rule_id in old else one for one in rules], direction
    )
    return (restored - before) | (before - restored)


def _passing(rules: Iterable[Rule], direction: Direction) -> PacketSet:
    """What passes with these rules."""
    return effective(_merged(rules), direction)


def _with_old_priority(changes: Sequence[Change], after: Iterable[Rule]) -> list[Rule]:
    """The rules as if a part of a rule of priority 110 could be written with 110: it gets 100, and may win."""
    old = {_new_id(one.rule) for one in changes if is_old_default(one.rule.raw)}
    return [replace(one, priority=110) if one.rule_id in old else one for one in after]


def _told(what: str, packets: PacketSet) -> Iterator[str]:
    if not packets.is_empty:
        yield f"{what} {packets.describe(2)}"


def _merged(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The same packets in fewer rules: what differs only in ports becomes one. A split makes dozens of those."""
    alike: dict[tuple[object, ...], list[Rule]] = {}
    for rule in rules:
        if not rule.problems:
            key = (rule.direction, rule.policy, rule.priority, rule.protocol, rule.source, rule.destination,
                   rule.source_ports, rule.nic_type)  # fmt: skip
            alike.setdefault(key, []).append(rule)
    for same in alike.values():
        yield (
            same[0]
            if len(same) == 1
            else replace(same[0], ports=tuple([p for one in same for p in one.ports]))
        )


def _weight(rule: Rule) -> int:
    """What a rule counts: with a prefix list as many as that may hold, of which only its entries are known."""
    if isinstance(rule.peer, PrefixList) and rule.peer.entries:
        return len(rule.peer.entries)
    return 1
