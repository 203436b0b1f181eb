"""What is to happen to one rule, from the findings that are to be acted on: the least that closes what is risky."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from orchestrator.exposure import (
    NO_PACKETS,
    NO_PORTS,
    PacketSet,
    PortSet,
    addresses_of,
    balancer_of,
    minus,
    packets_of,
    packets_to,
)
from orchestrator.plan.guardrails import Settings
from orchestrator.plan.pieces import (
    Block,
    is_old_default,
    lost_with,
    peer_fields,
    pieces_of,
    with_peer,
    writable,
    written,
)
from orchestrator.plan.values import Action, Fields, Inverse, Kind
from orchestrator.policy import Finding
from orchestrator.securitygroup import (
    Cidr,
    Lists,
    PrefixList,
    Rule,
    SecurityGroup,
    Source,
    content_digest,
    parse_cidr,
    parse_rule,
    referenced_lists,
)

ACTING = frozenset({"revoke", "split", "narrow", "block"})
"""The actions of findings that change something."""
BLOCK = frozenset({"block"})
"""The one that closes what a load balancer lets in."""
_LAST = 100
"""The priority of a drop that any accept of another priority wins over (ECS AuthorizeSecurityGroup: 1 to 100)."""


class Change(NamedTuple):
    """What is to happen to one rule.

    targets: what may close, at most.
    """

    rule: Rule
    kind: Kind
    adds: tuple[Fields, ...]
    modify: Fields | None = None
    check_ids: tuple[str, ...] = ()
    targets: PacketSet = NO_PACKETS
    closes: str = ""
    notes: tuple[str, ...] = ()

    @property
    def revokes(self) -> bool:
        """Whether the rule itself goes."""
        return self.kind != "block" and self.modify is None

    @property
    def makes(self) -> tuple[Fields, ...]:
        """The rules that there are then: those added, and the modified one."""
        return self.adds if self.modify is None else (*self.adds, {**self.rule.raw, **self.modify})


class GroupContents(NamedTuple):
    """A group as the decisions need it: `contents` are the content digests of its rules."""

    group: SecurityGroup
    contents: frozenset[str]

    def rule(self, fields: Fields, rule_id: str = "") -> Rule:
        """A rule to be written, understood as the scan understands one that was read."""
        raw = {**fields, "SecurityGroupRuleId": rule_id}
        return parse_rule(raw, self.group.lists, classic=self.group.classic)


def known(group: SecurityGroup) -> GroupContents:
    """The group with the content digests of its rules."""
    return GroupContents(group, frozenset([content_digest(rule.raw) for rule in group.rules]))


def change_of(
    known: GroupContents,
    rule: Rule,
    acting: Sequence[Finding],
    settings: Settings,
    taken: AbstractSet[str] = frozenset(),
) -> Change:
    """What is to happen to a rule because of these findings; `taken` are contents it must not be modified to."""
    mine = pieces_of(rule)
    gone = mine & _risky(acting, ACTING)
    if balancer_of(rule.raw):
        return _block_listeners(known, rule, acting, gone)
    if all(finding.action == "block" for finding in acting):
        return _block(rule, acting, gone)
    narrow = (mine & _risky(acting, {"narrow"})) - _risky(acting, ACTING - {"narrow"})
    allowed = _allowed(known, rule, settings) if narrow else ()
    closes = _closes(rule, gone) + _stays(narrow, allowed) + _never_again(rule)
    if allowed and narrow == mine and rule.protocol != "all":
        change = _narrowed_whole(known, rule, allowed, taken)
    else:
        rest = mine - gone
        adds = [written(rule, piece) for piece in rest]
        adds += [
            with_peer(written(rule, piece), rule.direction, peer) for peer in allowed for piece in narrow
        ]
        kind: Kind = "narrow" if allowed else "split" if rest else "revoke"
        change = Change(rule, kind, tuple(adds), notes=_notes(rule, acting, rest))
    targets = closed_by(known, change, [one for one in acting if one.action in ACTING])
    return change._replace(check_ids=_ids(acting), targets=targets, closes=closes)


def closed_by(known: GroupContents, change: Change, failing: Sequence[Finding]) -> PacketSet:
    """What the change may close, at most: the rule's own packets to ports on which it fails, but what is left open.

    With a rule for ALL that goes, goes what no other rule can open.
    """
    rule = change.rule
    risky = PortSet([ports for one in failing for ports in one.risky_ports])
    closed = _packets(rule, pieces_of(rule) & risky)
    if change.kind == "block":
        return closed
    if change.revokes:
        closed |= lost_with(rule)
    for fields in change.makes:
        closed -= packets_of(known.rule(fields))
    return closed


def action_of(known: GroupContents, change: Change, check_ids: Iterable[str], notes: Iterable[str]) -> Action:
    """The change as the plan writes it, with what undoes it."""
    rule, group = change.rule, known.group
    added = [fields for fields in change.adds if content_digest(fields) not in known.contents]
    inverse = Inverse(
        authorize=(writable(rule.raw),) if change.revokes else (),
        modify=own_peer(rule) if change.modify is not None else None,
        revoke=tuple(added),
    )
    return Action(
        account_id=group.placement.account_id,
        region_id=group.region_id,
        security_group_id=group.security_group_id,
        rule_id=rule.rule_id,
        action=change.kind,
        check_ids=tuple(check_ids),
        before=rule.raw,
        adds=change.adds,
        modify=change.modify,
        inverse=inverse,
        lists=lists_of(group.lists, (rule.raw, *change.makes)) or msgspec.UNSET,
        closes=change.closes,
        notes=(*change.notes, *notes),
    )


def lists_of(lists: Lists, rules: Iterable[Fields]) -> dict[str, tuple[str, ...]]:
    """The entries of the lists that the rules name, as they were read: these were judged, not the ids."""
    prefix_ids, port_ids = referenced_lists(rules)
    found = [(one, lists.prefix_lists.get(one)) for one in sorted(prefix_ids)]
    found += [(one, lists.port_lists.get(one)) for one in sorted(port_ids)]
    return {one: entries for one, entries in found if isinstance(entries, tuple)}


def _block(rule: Rule, acting: Sequence[Finding], gone: PortSet) -> Change:
    """Drops for the risky ports beside the rule: at its own priority, where Drop wins over Accept."""
    drops = tuple([{**written(rule, piece), "Policy": "Drop"} for piece in gone])
    return Change(rule, "block", drops, None, _ids(acting), _packets(rule, gone), _closes(rule, gone))


def _block_listeners(known: GroupContents, rule: Rule, acting: Sequence[Finding], gone: PortSet) -> Change:
    """Drops for what no accept lets in but the listeners take: after every accept, so that these go on to win.

    A normal group lets its own members in by itself, and a drop would take that away: one accept keeps it.
    """
    blocks = rule.peer.entries or () if isinstance(rule.peer, PrefixList) else (rule.peer,)
    drops = [
        {
            "Direction": "ingress",
            "IpProtocol": piece.protocol.upper(),
            "PortRange": f"{piece.first}/{piece.last}",
            "Policy": "Drop",
            "Priority": _LAST,
            "NicType": "intranet",
            **peer_fields("Source", block),
        }
        for piece in gone
        for block in blocks
        if isinstance(block, Cidr)
    ]
    adds = (*_members_of(known.group), *drops)
    return Change(rule, "block", adds, None, _ids(acting), _packets(rule, gone), _closes(rule, gone))


def _members_of(group: SecurityGroup) -> tuple[Fields, ...]:
    """The accept that says what a normal group does by itself: it lets its own members in."""
    if group.inner_access_policy == "drop":  # as in every enterprise group
        return ()
    fields = {
        "Direction": "ingress",
        "IpProtocol": "ALL",
        "PortRange": "-1/-1",
        "Policy": "Accept",
        "Priority": _LAST - 1,
        "NicType": "intranet",
        "SourceGroupId": group.security_group_id,
        "SourceGroupOwnerAccount": group.placement.account_id,
    }
    return (fields,)


def _narrowed_whole(
    known: GroupContents, rule: Rule, allowed: Sequence[Block], taken: AbstractSet[str]
) -> Change:
    """Everything the rule opens is to be narrowed: it keeps its id if it can, for another source of the same kind.

    Modifying sends every field, and priority 110 cannot be sent: an old default rule is replaced.
    """
    options = [with_peer(writable(rule.raw), rule.direction, peer) for peer in allowed]
    occupied = known.contents | taken
    kept = next(
        (at for at, peer in enumerate(allowed)
         if _kind(peer) == _kind(rule.peer) and content_digest(options[at]) not in occupied
         and not is_old_default(rule.raw)),
        None,
    )  # fmt: skip
    adds = tuple([fields for at, fields in enumerate(options) if at != kept])
    if kept is None:
        return Change(rule, "narrow", adds, notes=_notes(rule, (), NO_PORTS))
    return Change(rule, "narrow", adds, peer_fields(_side(rule), allowed[kept]))


def _allowed(known: GroupContents, rule: Rule, settings: Settings) -> tuple[Block, ...]:
    """The sources that `narrow` leaves open, as far as the rule lets them in now."""
    found: list[Block] = []
    for entry in settings.narrow_to:
        if entry.startswith("pl-"):
            one = known.rule(with_peer(writable(rule.raw), rule.direction, PrefixList(entry))).peer
            # What is not known is let through: the simulation refuses it, with the reason.
            if isinstance(one, PrefixList) and (one.entries is None or _lies_within(one, rule.peer)):
                found.append(one)
        else:
            found += _meets(rule.peer, parse_cidr(entry))
    return tuple(dict.fromkeys(found))


def _lies_within(block: PrefixList, peer: Source | None) -> bool:
    addresses = addresses_of(block)
    return bool(addresses) and peer is not None and not minus(addresses, addresses_of(peer))


def _meets(peer: Source | None, block: Cidr) -> list[Cidr]:
    """What a block and a source share, as blocks: of two that meet, the smaller lies within the other."""
    mine = peer.entries or () if isinstance(peer, PrefixList) else (peer,)
    return [
        one if one.first >= block.first and one.last <= block.last else block
        for one in mine
        if isinstance(one, Cidr)
        and one.family == block.family
        and one.first <= block.last
        and one.last >= block.first
    ]


def _kind(source: Source | None) -> object:
    """The kind of a source, which ModifySecurityGroupRule cannot change."""
    return (type(source), source.family) if isinstance(source, Cidr) else type(source)


def _side(rule: Rule) -> str:
    return "Source" if rule.direction == "ingress" else "Dest"


def own_peer(rule: Rule) -> Fields:
    """The fields that give a modified rule its source back, as they were spelt."""
    names = (f"{_side(rule)}CidrIp", f"Ipv6{_side(rule)}CidrIp", f"{_side(rule)}PrefixListId")
    return {name: rule.raw[name] for name in names if rule.raw.get(name)}


def _risky(acting: Iterable[Finding], actions: AbstractSet[str]) -> PortSet:
    return PortSet([ports for one in acting if one.action in actions for ports in one.risky_ports])


def _packets(rule: Rule, ports: PortSet) -> PacketSet:
    """The rule's own packets to the ports."""
    return packets_of(rule) & packets_to(ports)


def _ids(acting: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(finding.check_id for finding in acting))


def _closes(rule: Rule, gone: PortSet) -> str:
    near = "" if rule.own is None else f" to {rule.own}"
    way = "from" if rule.direction == "ingress" else "towards"
    return f"{gone} {way} {rule.peer}{near}"


def _stays(narrow: PortSet, allowed: Sequence[Block]) -> str:
    if not allowed:
        return ""
    return f"; {narrow} stays open for {', '.join(str(peer) for peer in allowed)}"


def _never_again(rule: Rule) -> str:
    if rule.protocol != "all":
        return ""
    return "; with it every IP protocol but TCP, UDP, ICMP and GRE, which no rule but ALL can open"


def _notes(rule: Rule, acting: Sequence[Finding], rest: PortSet) -> tuple[str, ...]:
    notes = []
    if rest and any(finding.action == "revoke" for finding in acting):
        notes.append("split, though revoke is configured: it also opens what no check calls risky")
    if is_old_default(rule.raw):
        notes.append("priority 110 cannot be written any more: what is added or rolled back gets 100")
    return tuple(notes)
