"""ECS 2014-05-26: prefix lists and port range lists. Their two shapes differ, as the API's do."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import add_token, by_token
from orchestrator.emulator.services.ecs.groups import VERSION


def _uses(context: Context, list_id: str) -> int:
    """How many rules of the region name a list."""
    return sum(
        list_id in {rule.source_prefix_list_id, rule.dest_prefix_list_id, rule.port_range_list_id}
        for group in context.estate.groups.values()
        for rule in group.rules
    )


def _prefix_list_arn(context: Context) -> Iterable[str]:
    list_id = context.parameters.text("PrefixListId", "*")
    return (f"acs:ecs:{context.region_id}:{context.account_id}:prefixlist/{list_id}",)


@operation(
    "ecs",
    VERSION,
    "DescribePrefixLists",
    resources=_prefix_list_arn,
    listing=("PrefixLists", "PrefixList"),
    regional=True,
)
def describe_prefix_lists(context: Context) -> Answer:
    """The prefix lists of a region, by token."""
    ask = context.parameters.text
    wanted = set(context.parameters.items("PrefixListId"))
    lists = [
        one
        for one in context.estate.prefix_lists.values()
        if (not wanted or one.prefix_list_id in wanted)
        and ask("PrefixListName", one.name) == one.name
        and ask("AddressFamily", one.family) == one.family
    ]
    page, token = by_token(
        context, lists, lambda one: one.prefix_list_id, context.parameters.integer("MaxResults", 10, 1, 100)
    )
    rows = [
        {
            "PrefixListId": one.prefix_list_id,
            "PrefixListName": one.name,
            "AddressFamily": one.family,
            "MaxEntries": one.max_entries,
            "AssociationCount": _uses(context, one.prefix_list_id),
            "CreationTime": one.creation_time,
            "Description": "",
            "ResourceGroupId": "",
            "Tags": {"Tag": []},
        }
        for one in page
    ]
    answer: Answer = {"PrefixLists": {"PrefixList": rows}}
    add_token(context, answer, token)
    return answer


@operation(
    "ecs",
    VERSION,
    "DescribePrefixListAttributes",
    resources=_prefix_list_arn,
    listing=("Entries", "Entry"),
    regional=True,
)
def describe_prefix_list_attributes(context: Context) -> Answer:
    """A prefix list with all of its blocks; not paged."""
    one = context.estate.prefix_lists.get(context.parameters.required("PrefixListId"))
    if one is None:
        raise ApiError(404, "InvalidPrefixListId.NotFound", "The specified prefix list was not found.")
    return {
        "PrefixListId": one.prefix_list_id,
        "PrefixListName": one.name,
        "AddressFamily": one.family,
        "MaxEntries": one.max_entries,
        "CreationTime": one.creation_time,
        "Description": "",
        "Entries": {"Entry": [{"Cidr": cidr, "Description": ""} for cidr in one.entries]},
    }


@operation("ecs", VERSION, "DescribePortRangeLists", listing=("PortRangeLists",), regional=True)
def describe_port_range_lists(context: Context) -> Answer:
    """The port range lists of a region, by token; a flat list."""
    wanted = set(context.parameters.items("PortRangeListId"))
    name = context.parameters.text("PortRangeListName")
    lists = [
        one
        for one in context.estate.port_lists.values()
        if (not wanted or one.port_list_id in wanted) and name in {"", one.name}
    ]
    size = context.parameters.integer("MaxResults", 10, 1, 100)
    page, token = by_token(context, lists, lambda one: one.port_list_id, size)
    rows = [
        {
            "PortRangeListId": one.port_list_id,
            "PortRangeListName": one.name,
            "MaxEntries": one.max_entries,
            "AssociationCount": _uses(context, one.port_list_id),
            "Tags": [],
        }
        for one in page
    ]
    answer: Answer = {"PortRangeLists": rows}
    add_token(context, answer, token)
    return answer


@operation("ecs", VERSION, "DescribePortRangeListEntries", listing=("Entries",), regional=True)
def describe_port_range_list_entries(context: Context) -> Answer:
    """The ranges of a port list; a flat list, not paged."""
    one = context.estate.port_lists.get(context.parameters.required("PortRangeListId"))
    if one is None:
        raise ApiError(
            404, "InvalidPortRangeListId.NotFound", "The specified port range list does not exist."
        )
    return {"Entries": [{"PortRange": ports, "Description": ""} for ports in one.entries]}
