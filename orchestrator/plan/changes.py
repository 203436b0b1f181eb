"""What is to happen to one rule, from the findings that are to be acted on: the least that closes what is risky."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from orchestrator.exposure import NO_PACKETS, PacketSet, addresses_of, minus, packets_of
from orchestrator.plan.pieces import (
    Block,
    Piece,
    Pieces,
    is_old_default,
    lost_with,
    packets,
    parse_pieces,
    peer_fields,
    pieces_of,
    shared,
    with_peer,
    without,
    writable,
    written,
)
from orchestrator.plan.rails import Settings
from orchestrator.plan.values import Action, Fields, Inverse, Kind
from orchestrator.policy import Finding
from orchestrator.securitygroup import (
    Cidr,
    PrefixList,
    Rule,
    SecurityGroup,
    Source,
    content_digest,
    parse_cidr,
    parse_rule,
)

ACTING = frozenset({"revoke", "split", "narrow", "block"})
"""The actions of findings that change something."""


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


class Group(NamedTuple):
    """A group as the decisions need it: `contents` are the content digests of its rules."""

    group: SecurityGroup
    contents: frozenset[str]

    def rule(self, fields: Fields, rule_id: str = "") -> Rule:
        """A rule to be written, understood as the scan understands one that was read."""
        raw = {**fields, "SecurityGroupRuleId": rule_id}
        return parse_rule(raw, self.group.lists, classic=self.group.classic)


def known(group: SecurityGroup) -> Group:
    """The group with the content digests of its rules."""
    return Group(group, frozenset([content_digest(rule.raw) for rule in group.rules]))


def change_of(
    known: Group,
    rule: Rule,
    acting: Sequence[Finding],
    settings: Settings,
    taken: AbstractSet[str] = frozenset(),
) -> Change:
    """What is to happen to a rule because of these findings; `taken` are contents it must not be modified to."""
    mine = pieces_of(rule)
    gone = shared(mine, _pieces(acting, ACTING))
    if all(finding.action == "block" for finding in acting):
        return _block(rule, acting, gone)
    narrow = without(shared(mine, _pieces(acting, {"narrow"})), _pieces(acting, ACTING - {"narrow"}))
    allowed = _allowed(known, rule, settings) if narrow else ()
    closes = _closes(rule, gone) + _stays(narrow, allowed) + _never_again(rule)
    targets = packets(rule, gone) | lost_with(rule)
    if allowed and set(narrow) == set(mine) and rule.protocol != "all":
        change = _narrowed_whole(known, rule, allowed, taken)
    else:
        rest = without(mine, gone)
        adds = [written(rule, piece) for piece in rest]
        adds += [
            with_peer(written(rule, piece), rule.direction, peer) for peer in allowed for piece in narrow
        ]
        kind: Kind = "narrow" if allowed else "split" if rest else "revoke"
        change = Change(rule, kind, tuple(adds), notes=_notes(rule, acting, rest))
    for fields in change.makes:
        targets -= packets_of(known.rule(fields))
    return change._replace(check_ids=_ids(acting), targets=targets, closes=closes)


def action_of(known: Group, change: Change, check_ids: Iterable[str], notes: Iterable[str]) -> Action:
    """The change as the plan writes it, with what undoes it."""
    rule, group = change.rule, known.group
    added = [fields for fields in change.adds if content_digest(fields) not in known.contents]
    inverse = Inverse(
        authorize=(writable(rule.raw),) if change.revokes else (),
        modify=_own_peer(rule) if change.modify is not None else None,
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
        closes=change.closes,
        notes=(*change.notes, *notes),
    )


def _block(rule: Rule, acting: Sequence[Finding], gone: Pieces) -> Change:
    """Drops for the risky ports beside the rule: at its own priority, where Drop wins over Accept."""
    drops = tuple([{**written(rule, piece), "Policy": "Drop"} for piece in gone])
    return Change(rule, "block", drops, None, _ids(acting), packets(rule, gone), _closes(rule, gone))


def _narrowed_whole(known: Group, rule: Rule, allowed: Sequence[Block], taken: AbstractSet[str]) -> Change:
    """Everything the rule opens is to be narrowed: it keeps its id if it can, for another source of the same kind."""
    options = [with_peer(writable(rule.raw), rule.direction, peer) for peer in allowed]
    occupied = known.contents | taken
    kept = next(
        (at for at, peer in enumerate(allowed)
         if _kind(peer) == _kind(rule.peer) and content_digest(options[at]) not in occupied),
        None,
    )  # fmt: skip
    adds = tuple([fields for at, fields in enumerate(options) if at != kept])
    if kept is None:
        return Change(rule, "narrow", adds, notes=_notes(rule, (), ()))
    return Change(rule, "narrow", adds, peer_fields(_side(rule), allowed[kept]))


def _allowed(known: Group, rule: Rule, settings: Settings) -> tuple[Block, ...]:
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


def _own_peer(rule: Rule) -> Fields:
    """The fields that give a modified rule its source back, as they were spelt."""
    names = (f"{_side(rule)}CidrIp", f"Ipv6{_side(rule)}CidrIp", f"{_side(rule)}PrefixListId")
    return {name: rule.raw[name] for name in names if rule.raw.get(name)}


def _pieces(acting: Iterable[Finding], actions: AbstractSet[str]) -> Pieces:
    return parse_pieces([text for one in acting if one.action in actions for text in one.risky_ports])


def _ids(acting: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(finding.check_id for finding in acting))


def _closes(rule: Rule, gone: Pieces) -> str:
    near = "" if rule.own is None else f" to {rule.own}"
    way = "from" if rule.direction == "ingress" else "towards"
    return f"{_listed(gone)} {way} {rule.peer}{near}"


def _stays(narrow: Pieces, allowed: Sequence[Block]) -> str:
    if not allowed:
        return ""
    return f"; {_listed(narrow)} stays open for {', '.join(str(peer) for peer in allowed)}"


def _never_again(rule: Rule) -> str:
    if rule.protocol != "all":
        return ""
    return "; with it every IP protocol but TCP, UDP, ICMP and GRE, which no rule but ALL can open"


def _listed(pieces: Iterable[Piece]) -> str:
    return ", ".join(str(piece) for piece in pieces)


def _notes(rule: Rule, acting: Sequence[Finding], rest: Pieces) -> tuple[str, ...]:
    notes = []
    if rest and any(finding.action == "revoke" for finding in acting):
        notes.append("split, though revoke is configured: it also opens what no check calls risky")
    if is_old_default(rule.raw):
        notes.append("priority 110 cannot be written any more: what is added or rolled back gets 100")
    return tuple(notes)
