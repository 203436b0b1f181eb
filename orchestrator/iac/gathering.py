"""From what code declares to groups as the judgement knows them: each with all its rules, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from orchestrator.iac.existing import NOTHING, Existing
from orchestrator.iac.values import Code, DeclaredGroup, DeclaredRule
from orchestrator.policy import RESOURCE
from orchestrator.securitygroup import (
    Lists,
    Placement,
    Rule,
    SecurityGroup,
    content_digest,
    parse_group,
    parse_rule,
)


class GatheredGroup(msgspec.Struct, frozen=True):
    """A group with its rules.

    Attributes:
        group: to be judged.
        unknown: why some of its rules are not known, beginning with the API's name of a field; "" if all are.
        likely: ids of the rules that may stand in another group instead.
        visitors: rules that may stand in this group, though they more likely stand in another.
    """

    group: SecurityGroup
    unknown: str = ""
    likely: frozenset[str] = frozenset()
    visitors: tuple[Rule, ...] = ()


_NOT_IN_RUN = (
    "SecurityGroupId: the other rules of {} are not known: name a run that has read it with --against"
)
_IN_PART = "SecurityGroupId: {} has read {} only in part, so its other rules are not known"
_PASSED = (
    "SecurityGroupId: {} keeps no rules of {}, in which it found nothing, so what they add up to with this one is not "
    "known"
)


def gather(after: Code, before: Code | None = None, existing: Existing = NOTHING) -> list[GatheredGroup]:
    """The groups that the code declares or adds rules to.

    Args:
        after: what will be.
        before: what the code made of it before: of an existing group those rules give way to the new ones.
        existing: the groups that a run has read.
    """
    lists = Lists(
        {**existing.lists.prefix_lists, **after.prefix_lists},
        {**existing.lists.port_lists, **after.port_lists},
    )
    by_group: dict[str, list[DeclaredRule]] = {key: [] for key in after.groups}
    visitors: dict[str, list[DeclaredRule]] = {}
    lost: list[DeclaredRule] = []
    for rule in after.rules:
        if rule.group:
            by_group.setdefault(rule.group, []).append(rule)
        else:
            lost.append(rule)
        for other in rule.others:
            visitors.setdefault(other, []).append(rule)
    gone = _managed(before)
    for key, group in after.groups.items():
        by_group[key] += _cloned(group, by_group)
    found = [
        _gathered(key, after, rules, visitors.get(key, ()), _Around(existing, gone.get(key, ()), lists))
        for key, rules in by_group.items()
    ]
    return found + [_alone(rule, lists) for rule in lost]


def _cloned(group: DeclaredGroup, by_group: Mapping[str, Sequence[DeclaredRule]]) -> list[DeclaredRule]:
    """The rules that a clone gets of a group of the same code.

    A drop that is a resource of its own may be made after the clone, which then has none.
    """
    return [
        replace(
            rule, address=f"{group.address} (clone of {rule.address})", resource=group.address, rule_id=""
        )
        for rule in by_group.get(group.clone_of, ())
        if rule.resource == group.clone_of or rule.fields.get("Policy") != "drop"
    ]


class _Around(msgspec.Struct, frozen=True):
    """What stands around the declared rules of a group."""

    existing: Existing
    gone: Sequence[DeclaredRule]
    lists: Lists


def _managed(before: Code | None) -> dict[str, list[DeclaredRule]]:
    """The rules that the code has made before, by group."""
    found: dict[str, list[DeclaredRule]] = {}
    for rule in () if before is None else before.rules:
        found.setdefault(rule.group, []).append(rule)
    return found


def _gathered(
    key: str, code: Code, rules: Sequence[DeclaredRule], visitors: Iterable[DeclaredRule], around: _Around
) -> GatheredGroup:
    declared = code.groups.get(key)
    stands = around.existing.groups.get(key)
    base = stands if stands is not None else _empty(key, declared, around.lists)
    if declared is not None and stands is not None:
        base = replace(base, name=declared.name or base.name, tags=declared.tags or base.tags)
    made = [_rule(one, around.lists, classic=base.classic) for one in rules]
    unknown = _unknown(key, declared, code, around.existing)
    if (
        declared is not None and unknown and (declared.unknown_rules or declared.clone_of)
    ):  # what this very code will make of it, it does not say
        hidden = DeclaredRule(
            address=declared.address, resource=declared.address, fields={}, unknown=(unknown,)
        )
        made.append(_rule(hidden, around.lists, classic=base.classic))
    kept = () if stands is None else _others(stands.rules, (*around.gone, *rules))
    if declared is not None and declared.clone_of in around.existing.groups:
        kept = around.existing.groups[declared.clone_of].rules
    return GatheredGroup(
        replace(base, rules=(*kept, *made), lists=around.lists),
        unknown,
        frozenset([rule.rule_id for rule, one in zip(made, rules, strict=False) if one.others]),
        tuple([_rule(one, around.lists, classic=base.classic) for one in visitors]),
    )


def _alone(rule: DeclaredRule, lists: Lists) -> GatheredGroup:
    """A rule whose group cannot be told, in a group by itself."""
    return GatheredGroup(
        replace(_empty("", None, lists), rules=(_rule(rule, lists, classic=False),)), rule.group_unknown
    )


def _unknown(key: str, declared: DeclaredGroup | None, code: Code, existing: Existing) -> str:
    if key in existing.in_part:
        return _IN_PART.format(existing.run, key)
    if declared is not None and (declared.unknown_rules or not declared.clone_of):
        return declared.unknown_rules
    if declared is not None:
        return _unknown(declared.clone_of, code.groups.get(declared.clone_of), code, existing)
    if key in existing.groups or key in existing.empty:
        return ""
    return _PASSED.format(existing.run, key) if key in existing.passed else _NOT_IN_RUN.format(key)


def _empty(key: str, declared: DeclaredGroup | None, lists: Lists) -> SecurityGroup:
    """A group without rules; one of which nothing is known stands in a VPC."""
    group = declared or DeclaredGroup(key=key, address=key)
    listing = {
        "SecurityGroupId": group.key,
        "SecurityGroupName": group.name,
        "SecurityGroupType": group.kind,
        "VpcId": "" if group.classic else "(unknown)",
        "Tags": {"Tag": [{"TagKey": name, "TagValue": value} for name, value in group.tags]},
    }
    attribute = {"InnerAccessPolicy": group.inner_access_policy}
    return parse_group(Placement(""), group.region_id, listing, attribute, (), lists)


def _rule(one: DeclaredRule, lists: Lists, *, classic: bool) -> Rule:
    """A rule as the scan would understand it; what is not known yet stands among its problems."""
    fields = dict(one.fields)
    if classic and not fields.get("NicType"):
        fields["NicType"] = "internet"  # the provider's default, which in a VPC says nothing
    raw = {**fields, "SecurityGroupRuleId": one.rule_id or one.address, RESOURCE: one.address}
    rule = parse_rule(raw, lists, classic=classic)
    if not one.unknown:
        return rule
    later = {_field(problem) for problem in one.unknown}
    ours = [problem for problem in rule.problems if not _is_told(_field(problem), later)]
    return replace(rule, problems=(*one.unknown, *ours))


def _is_told(field: str, later: set[str]) -> bool:
    """Whether what is missing is among what is not known yet; any peer stands for all of them."""
    return field in later or (field in _PEERS and bool(later & _PEERS))


_PEERS = frozenset(
    f"{family}{side}{kind}"
    for side in ("Source", "Dest")
    for family, kind in (("", "CidrIp"), ("Ipv6", "CidrIp"), ("", "GroupId"), ("", "PrefixListId"))
)


def _field(problem: str) -> str:
    return problem.partition(":")[0]


def _others(rules: Iterable[Rule], declared: Iterable[DeclaredRule]) -> tuple[Rule, ...]:
    """The rules of a group that the code has not made: by their ids, or by what they say."""
    declared = list(declared)
    ids = {one.rule_id for one in declared if one.rule_id}
    contents = {content_of(one.fields) for one in declared if not one.unknown}
    return tuple([rule for rule in rules if rule.rule_id not in ids and content_of(rule.raw) not in contents])


def content_of(fields: Mapping[str, object]) -> str:
    """What a rule says, whatever card it names: in a VPC that says nothing, and code often leaves it out."""
    return content_digest({key: value for key, value in fields.items() if key != "NicType"})
