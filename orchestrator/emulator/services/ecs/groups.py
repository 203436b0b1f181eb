"""ECS 2014-05-26, reading: regions, security groups and their rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import add_token, by_number, by_token
from orchestrator.emulator.framework.quirks import RuleCount
from orchestrator.emulator.world.model import Group, Rule, stored
from orchestrator.emulator.world.regions import BY_ID, INDUSTRY_REGIONS

VERSION: Final = "2014-05-26"


def group_arn(context: Context) -> Iterable[str]:
    """The security group a call names, as RAM sees it."""
    group_id = context.parameters.text("SecurityGroupId", "*")
    return (f"acs:ecs:{context.region_id}:{context.account_id}:securitygroup/{group_id}",)


def find_group(context: Context) -> Group:
    """The group a call names."""
    group_id = context.parameters.required("SecurityGroupId")
    if not group_id.startswith("sg-"):
        raise ApiError(
            400, "InvalidSecurityGroupId.Malformed", "The specified parameter SecurityGroupId is not valid."
        )
    group = context.estate.groups.get(group_id)
    if group is None:
        raise context.state.quirks.group_not_found.error()
    return group


def json_list(context: Context, name: str) -> list[str]:
    """A parameter that is one text holding a JSON list of at most 100 texts."""
    text = context.parameters.text(name)
    if not text:
        return []
    try:
        values = msgspec.json.decode(text, type=list[str])
    except msgspec.MsgspecError:
        values = [""] * 101
    if len(values) > 100:
        raise ApiError(400, f"Invalid{name}.Malformed", f"The specified parameter {name} is not valid.")
    return values


@operation("ecs", VERSION, "DescribeRegions", listing=("Regions", "Region"))
def describe_regions(context: Context) -> Answer:
    """The regions of the account; not paged."""
    known = [BY_ID[region_id] for region_id in context.state.world.region_ids if region_id in BY_ID]
    if context.state.quirks.industry_regions:
        known += [region for region in INDUSTRY_REGIONS if region not in known]
    rows = [
        {
            "RegionId": region.region_id,
            "RegionEndpoint": region.endpoint,
            "LocalName": region.local_name,
            "Status": "available",
        }
        for region in known
    ]
    return {"Regions": {"Region": rows}}


def _counted(rules: Sequence[Rule], how: RuleCount) -> dict[str, object]:
    """RuleCount as this cloud counts."""
    number = len(rules)
    if how is RuleCount.INGRESS:
        number = sum(1 for rule in rules if rule.direction == "ingress")
    number += {RuleCount.FEWER: -1, RuleCount.MORE: 1}.get(how, 0)
    if how is RuleCount.ABSENT:
        return {}
    return {"RuleCount": str(number) if how is RuleCount.TEXT else max(0, number)}


def _item(group: Group, rules: Sequence[Rule], how: RuleCount, *, counts: bool) -> dict[str, object]:
    item: dict[str, object] = {
        "SecurityGroupId": group.security_group_id,
        "SecurityGroupName": group.name,
        "Description": group.description,
        "SecurityGroupType": group.kind,
        "VpcId": group.vpc_id,
        "ResourceGroupId": group.resource_group_id,
        "CreationTime": group.creation_time,
        **_counted(rules, how),
        "GroupToGroupRuleCount": sum(1 for rule in rules if rule.source_group_id or rule.dest_group_id),
        "ServiceManaged": group.service_managed,
        "Tags": {"Tag": [{"TagKey": tag.key, "TagValue": tag.value} for tag in group.tags]},
    }
    if group.service_id:
        item["ServiceID"] = group.service_id
    if counts:
        item["EcsCount"], item["AvailableInstanceAmount"] = 0, 6000
    return item


def _matches(context: Context, group: Group, wanted: set[str]) -> bool:
    ask = context.parameters.text
    name = ask("SecurityGroupName")
    fuzzy = context.parameters.flag("FuzzyQuery")
    managed = context.parameters.flag("ServiceManaged")
    network = ask("NetworkType")
    return (
        (not wanted or group.security_group_id in wanted)
        and (not name or name == group.name or (bool(fuzzy) and name.strip("*") in group.name))
        and ask("VpcId", group.vpc_id) == group.vpc_id
        and ask("SecurityGroupType", group.kind) == group.kind
        and ask("ResourceGroupId", group.resource_group_id) == group.resource_group_id
        and managed in {None, group.service_managed}
        and (not network or (network == "classic") == (not group.vpc_id))
        and _has_tags(group, context.parameters.structs("Tag", 20))
    )


def _has_tags(group: Group, wanted: list[dict[str, str]]) -> bool:
    return all(
        any(tag.key == one.get("Key") and one.get("Value", "") in {"", tag.value} for tag in group.tags)
        for one in wanted
    )


_FILTERS: Final = frozenset(
    {
        "SecurityGroupName", "FuzzyQuery", "ServiceManaged", "NetworkType", "VpcId", "SecurityGroupType",
        "ResourceGroupId", "SecurityGroupId", "SecurityGroupIds",
    }
)  # fmt: skip


def _selected(context: Context) -> list[Group]:
    groups = list(context.estate.groups.values())
    wire = context.parameters.wire
    if _FILTERS.isdisjoint(wire) and not any(key.startswith("Tag.") for key in wire):
        return groups
    wanted = set(json_list(context, "SecurityGroupIds"))
    if context.parameters.text("SecurityGroupId"):
        wanted.add(context.parameters.text("SecurityGroupId"))
    return [group for group in groups if _matches(context, group, wanted)]


@operation(
    "ecs",
    VERSION,
    "DescribeSecurityGroups",
    resources=group_arn,
    listing=("SecurityGroups", "SecurityGroup"),
    regional=True,
)
def describe_security_groups(context: Context) -> Answer:
    """The groups of a region: by token where MaxResults or NextToken is given, else by page number."""
    if context.parameters.flag("DryRun"):
        raise ApiError(400, "DryRunOperation", "Request validation has been passed with DryRun flag set.")
    groups = _selected(context)
    answer: Answer = {"RegionId": context.region_id}
    wire = context.parameters.wire
    if wire.get("MaxResults") or wire.get("NextToken"):
        size = context.parameters.integer("MaxResults", 10, 1, 100)
        page, token = by_token(context, groups, lambda group: group.security_group_id, size)
        add_token(context, answer, token)
    else:
        page, numbers = by_number(context, groups, 50)
        answer.update(numbers)
    counts = bool(context.parameters.flag("IsQueryEcsCount"))
    how = context.state.quirks.rule_count
    items = [_item(group, _countable(context, group), how, counts=counts) for group in page]
    answer["SecurityGroups"] = {"SecurityGroup": items}
    return answer


def _countable(context: Context, group: Group) -> Sequence[Rule]:
    return context.state.bends.counted(context, group.security_group_id, visible_rules(context, group))


def visible_rules(context: Context, group: Group) -> tuple[Rule, ...]:
    """The rules that a read shows now: those of a moment ago where reads lag behind changes."""
    lag = context.state.quirks.read_lag_seconds
    if not lag:
        return group.rules
    history = context.state.history.get(group.security_group_id, [])
    return next((before for changed_at, before in history if changed_at > context.now - lag), group.rules)


@operation(
    "ecs",
    VERSION,
    "DescribeSecurityGroupAttribute",
    resources=group_arn,
    listing=("Permissions", "Permission"),
    regional=True,
)
def describe_security_group_attribute(context: Context) -> Answer:
    """A group with its rules of one or both directions, by token."""
    group = find_group(context)
    rules = _of_direction(
        context, group, context.state.bends.shortened(context, visible_rules(context, group))
    )
    size = context.parameters.integer("MaxResults", 500, 10, 1000)
    page, token = by_token(context, rules, lambda rule: rule.security_group_rule_id, size, shortened=True)
    answer: Answer = {
        "RegionId": context.region_id,
        "SecurityGroupId": group.security_group_id,
        "SecurityGroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "InnerAccessPolicy": group.inner_access_policy,
        "Permissions": {"Permission": shown(context, page)},
    }
    if context.parameters.text("Attribute") == "snapshotPolicyIds":
        answer["SnapshotPolicyIds"] = {"SnapshotPolicyId": []}
    add_token(context, answer, token)
    return answer


def _of_direction(context: Context, group: Group, rules: Sequence[Rule]) -> Sequence[Rule]:
    direction = context.parameters.text("Direction", "all").lower()
    if direction not in {"ingress", "egress", "all"}:
        raise ApiError(400, "InvalidParamter", "The specified parameter Direction is not valid.")
    nic_type = context.parameters.text("NicType", "internet").lower()
    if nic_type not in {"internet", "intranet"}:
        raise ApiError(400, "InvalidNicType.ValueNotSupported", "The specified NicType does not exist.")
    if direction != "all":
        rules = [rule for rule in rules if rule.direction == direction]
    return rules if group.vpc_id else [rule for rule in rules if rule.nic_type == nic_type]


def shown(context: Context, rules: Sequence[Rule]) -> Sequence[object]:
    """The rules as this cloud shows them; a rule has the API's own shape, so mostly as they are."""
    quirks = context.state.quirks
    if any(rule.port_range_list_id for rule in rules) and quirks.port_list_shows:
        rules = [_with_ports(context, rule) for rule in rules]
    if quirks.priority_as_text:
        rules = [replace(rule, priority=str(rule.priority)) for rule in rules]
    if quirks.lower_case_words:
        rules = [
            replace(rule, policy=rule.policy.lower(), ip_protocol=rule.ip_protocol.lower()) for rule in rules
        ]
    return [stored(rule) for rule in rules] if quirks.absent_when_empty else rules


def _with_ports(context: Context, rule: Rule) -> Rule:
    if not rule.port_range_list_id or rule.port_range:
        return rule
    shows = context.state.quirks.port_list_shows
    port_list = context.estate.port_lists.get(rule.port_range_list_id)
    if shows == "entries":
        shows = port_list.entries[0] if port_list and port_list.entries else ""
    return replace(rule, port_range=shows)


@operation("ecs", VERSION, "DescribeSecurityGroupReferences", resources=group_arn, regional=True)
def describe_security_group_references(context: Context) -> Answer:
    """Which groups of the account name these groups as a source or target."""
    asked = context.parameters.items("SecurityGroupId")
    if not 1 <= len(asked) <= 10:
        raise ApiError(
            400, "InvalidSecurityGroupId.Malformed", "The specified parameter SecurityGroupId is not valid."
        )
    groups = context.estate.groups
    if any(group_id not in groups for group_id in asked):
        raise context.state.quirks.group_not_found.error()
    rows = [
        {
            "SecurityGroupId": group_id,
            "ReferencingSecurityGroups": {
                "ReferencingSecurityGroup": [
                    {"AliUid": context.account_id, "SecurityGroupId": other.security_group_id}
                    for other in groups.values()
                    if any(group_id in {rule.source_group_id, rule.dest_group_id} for rule in other.rules)
                ]
            },
        }
        for group_id in asked
    ]
    return {"SecurityGroupReferences": {"SecurityGroupReference": rows}}
