"""A plan for people: what it comes to, then rule by rule what goes, what comes and what closes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Literal, NamedTuple

from orchestrator.approval import Signature
from orchestrator.plan.values import Action, Fields, Kind, Place, Plan, Skipped
from orchestrator.securitygroup import content_digest


class Line(NamedTuple):
    """A line, and what it is about, for whoever shows it in colours."""

    text: str
    about: Literal["", "heading", "goes", "comes", "closes"] = ""


class PlanNames(NamedTuple):
    """What the run knows of a plan's accounts and rules, and the plan does not say.

    Attributes:
        names: of accounts, by id.
        severities: of rules, by group and rule.
    """

    names: Mapping[str, str] = {}
    severities: Mapping[tuple[Place, str], str] = {}

    def account(self, account_id: str) -> str:
        """The account's id, and its name if it is known."""
        name = self.names.get(account_id)
        return f"{account_id} ({name})" if name else account_id

    def severity(self, action: Action) -> str:
        """How bad it is what the rule opens; empty if that is not known."""
        return self.severities.get((action.place, action.rule_id), "")


_NOTHING = PlanNames()
_FOLDED_FROM = 3  # pieces: fewer are told again


def summarize(plan: Plan, known: PlanNames = _NOTHING, most: int | None = None) -> Iterator[Line]:
    """What the plan comes to: in which accounts, what kinds of change, what closes, what stays, what is left alone.

    Args:
        plan: to be told.
        known: what the run knows beside it.
        most: so many lines of each part; all if None.
    """
    yield Line(
        f"to do: {_kinds(plan.actions)}; {_extent(plan.actions)}{_severities(plan.actions, known)}", "heading"
    )
    mine: defaultdict[str, list[Action]] = defaultdict(list)
    for action in plan.actions:
        mine[action.account_id].append(action)
    yield from _part(
        "accounts",
        [
            f"{known.account(one)}: {_kinds(actions)}{_severities(actions, known)}"
            for one, actions in mine.items()
        ],
        most,
    )
    yield from _part("closes", _counted(action.closes for action in plan.actions), most, "closes")
    yield from _part("stays", list(_stays(plan.actions)), most)
    yield from _part("to be known", _counted(note for action in plan.actions for note in action.notes), most)
    yield from _part(f"left alone: {len(plan.skipped)}", _counted(one.reason for one in plan.skipped), most)


def describe(plan: Plan, known: PlanNames = _NOTHING) -> Iterator[Line]:
    """The lines of a diff: headings by account, region and group; `-` what goes, `+` what comes, `~` what changes.

    Of pieces that were told already, as those of many rules that open everything are, it is said whose they are like.
    """
    told: dict[tuple[str, ...], str] = {}
    for (account_id, region_id), actions in groupby(plan.actions, key=lambda action: action.place[:2]):
        yield Line(f"account {known.account(account_id)}, {region_id}", "heading")
        for group_id, mine in groupby(actions, key=lambda action: action.security_group_id):
            yield Line(f"  {group_id}")
            for action in mine:
                yield from _action(action, known, told)
    yield from _skipped(plan.skipped)


def describe_identity(plan: Plan) -> Iterator[str]:
    """Which plan it is, of whom and for whom, and who has signed it, by the signatures' own words: unchecked."""
    yield f"plan {plan.digest}"
    incident = f", incident {plan.incident}" if plan.incident else ""
    yield f"of run {plan.run_id}, made {plan.created_at}{incident}"
    yield f"for organization {plan.hub_account_id}, against {plan.endpoint}"
    for one in plan.signatures:
        yield f"signature: {_signature(one)}"
    if not plan.signatures:
        yield "nobody has signed it"


def _signature(one: Signature | str) -> str:
    if isinstance(one, str):
        return "of an sgsweep of old: it does not say whose, nor when, and is to be made anew"
    ticket = f", ticket {one.ticket}" if one.ticket else ""
    until = f", until {one.expires}" if one.expires else ""
    return f"with key {one.key[:16]} (SHA-256), {one.at}{ticket}{until}"


def describe_rule(rule: Mapping[str, object]) -> str:
    """A rule in one line: "accept tcp 22/22 from 0.0.0.0/0, priority 1"."""
    egress = str(rule.get("Direction", "")).lower() == "egress"
    far, near = ("Dest", "Source") if egress else ("Source", "Dest")
    ports = rule.get("PortRangeListId") or rule.get("PortRange") or ""
    source_ports = rule.get("SourcePortRange")
    parts = [
        str(rule.get("Policy", "")).lower(),
        str(rule.get("IpProtocol", "")).lower(),
        "" if ports == "-1/-1" else str(ports),
        f"from port {source_ports}" if source_ports not in (None, "", "-1/-1") else "",
        f"{'to' if egress else 'from'} {_end(rule, far) or 'nowhere'}",
        f"{'from' if egress else 'to'} {_end(rule, near)}" if _end(rule, near) else "",
    ]
    nic = " by the Internet card" if rule.get("NicType") == "internet" else ""
    return f"{' '.join(part for part in parts if part)}{nic}, priority {rule.get('Priority', 1)}"


def _end(rule: Mapping[str, object], side: str) -> str:
    names = (f"{side}CidrIp", f"Ipv6{side}CidrIp", f"{side}GroupId", f"{side}PrefixListId")
    return next((str(rule[name]) for name in names if rule.get(name)), "")


def _action(action: Action, known: PlanNames, told: dict[tuple[str, ...], str]) -> Iterator[Line]:
    severity = known.severity(action)
    why = f"{', '.join(action.check_ids)}{f'; {severity}' if severity else ''}"
    yield Line(f"    {action.action} {action.rule_id} ({why})")
    yield from _pieces(action, told)
    if action.modify is not None:
        yield Line(f"      ~ {describe_rule(action.before)}", "goes")
        becomes = ", ".join(f"{key} {value}" for key, value in action.modify.items())
        yield Line(f"        becomes {becomes}", "comes")
    elif action.revokes:
        yield Line(f"      - {describe_rule(action.before)}", "goes")
    yield Line(f"      closes {action.closes}", "closes")
    for note in action.notes:
        yield Line(f"      note: {note}")


def _pieces(action: Action, told: dict[tuple[str, ...], str]) -> Iterator[Line]:
    new = {content_digest(fields) for fields in action.inverse.revoke}
    pieces = tuple(f"{describe_rule(fields)}{_already(fields, new)}" for fields in action.adds)
    like = told.setdefault(pieces, action.rule_id)
    if like != action.rule_id and len(pieces) >= _FOLDED_FROM:
        yield Line(f"      + the same {len(pieces)} rules as for {like}", "comes")
        return
    for text in _joined(action.adds, new):
        yield Line(f"      + {text}", "comes")


def _joined(adds: Iterable[Fields], new: set[str]) -> Iterator[str]:
    """Yield the pieces; many that differ by their ports alone are one line."""
    alike: defaultdict[str, list[Fields]] = defaultdict(list)
    for fields in adds:
        alike[f"{describe_rule({**fields, 'PortRange': ''})}{_already(fields, new)}"].append(fields)
    for rest in alike.values():
        if len(rest) < _FOLDED_FROM:
            yield from (f"{describe_rule(fields)}{_already(fields, new)}" for fields in rest)
        else:
            ports = ", ".join(str(fields.get("PortRange", "")) for fields in rest)
            one = describe_rule({**rest[0], "PortRange": ports})
            yield f"{len(rest)} rules: {one}{_already(rest[0], new)}"


def _already(fields: Fields, new: set[str]) -> str:
    return "" if content_digest(fields) in new else " (there already)"


def _skipped(skipped: tuple[Skipped, ...]) -> Iterator[Line]:
    if skipped:
        yield Line("left alone", "heading")
    for one in skipped:
        place = " ".join(
            part for part in (one.account_id, one.region_id, one.security_group_id, one.rule_id) if part
        )
        yield Line(f"  {place}: {one.reason}")


def _part(
    title: str, lines: list[str], most: int | None, about: Literal["", "closes"] = ""
) -> Iterator[Line]:
    if not lines:
        return
    yield Line(title, "heading")
    for text in lines[:most]:
        yield Line(f"  {text}", about)
    if most is not None and len(lines) > most:
        yield Line(f"  and {len(lines) - most:,} more")


def _counted(texts: Iterable[str]) -> list[str]:
    """Each text once, the most frequent first, and how often it stands there."""
    ordered = sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0]))
    return [f"{count:,} x {text}" for text, count in ordered]


def _kinds(actions: Iterable[Action]) -> str:
    kinds = Counter(action.action for action in actions)
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items())) or "nothing"


def _extent(actions: tuple[Action, ...]) -> str:
    groups = len({action.place for action in actions})
    accounts = len({action.account_id for action in actions})
    return f"{_many(len(actions), 'rule')} in {_many(groups, 'group')} of {_many(accounts, 'account')}"


def _severities(actions: Iterable[Action], known: PlanNames) -> str:
    found = Counter(filter(None, map(known.severity, actions)))
    told = ", ".join(f"{found[one]:,} {one}" for one in _SEVERITIES if found[one])
    return f" ({told})" if told else ""


_SEVERITIES = ("critical", "high", "medium", "low")


def _stays(actions: Iterable[Action]) -> Iterator[str]:
    """What the changes leave in force, by kind of change."""
    kinds: Counter[Kind] = Counter()
    pieces: Counter[Kind] = Counter()
    for action in actions:
        kinds[action.action] += 1
        pieces[action.action] += len(action.adds)
    for kind, text in _STAYS.items():
        if kinds[kind]:
            yield text(_many(kinds[kind], "rule"), _many(pieces[kind], "rule"))


_STAYS: Mapping[Kind, Callable[[str, str], str]] = {
    "split": lambda rules, pieces: f"what else {rules} let in, by {pieces} in their place",
    "narrow": lambda rules, pieces: f"what is allowed of {rules}, by {pieces} in their place",
    "block": lambda rules, pieces: f"{rules} as they are, under {pieces} that drop and win",
}


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
