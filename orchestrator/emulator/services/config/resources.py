"""Cloud Config 2020-09-07: the resources it knows, one by one with their configuration, or all of them in a list."""

from __future__ import annotations

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import add_token, by_token
from orchestrator.emulator.services.config.recorder import (
    GROUP,
    VERSION,
    Key,
    both,
    config_of,
    configuration,
    keys_of,
    known_aggregator,
    recorded,
)


@both("GetDiscoveredResource")
def get_discovered_resource(context: Context) -> Answer:
    """A group as it is recorded, its configuration as JSON text."""
    ask = context.parameters
    aggregate = bool(known_aggregator(context))
    account_id = ask.required("ResourceAccountId") if aggregate else context.account_id
    key = Key(account_id, ask.required("Region"), ask.required("ResourceId"))
    if ask.required("ResourceType") != GROUP:
        raise ApiError(400, "Invalid.ResourceType.Value", "The specified ResourceType is not supported.")
    if key.region_id not in context.state.world.region_ids:
        raise ApiError(400, "Invalid.Region.Value", "The specified Region does not exist.")
    found = recorded(context.state, key)
    if found is None:
        raise ApiError(404, "ResourceNotExists", "The specified resource does not exist.")
    detail = {
        "AccountId": int(key.account_id),
        "Region": key.region_id,
        "ResourceId": key.group_id,
        "ResourceName": found.group.name,
        "ResourceType": GROUP,
        "ResourceDeleted": 1,
        "ResourceStatus": "",
        "VpcId": found.group.vpc_id,
        "Configuration": configuration(context.state, found),
    }
    return {"DiscoveredResourceDetail": detail}


@both("ListDiscoveredResources", listing=("DiscoveredResourceProfiles", "DiscoveredResourceProfileList"))
def list_discovered_resources(context: Context) -> Answer:
    """The groups of the account, or of all of the directory, by token; no configuration is in it."""
    ask = context.parameters
    aggregate = bool(known_aggregator(context))
    wanted = ask.text("ResourceTypes", GROUP).split(",")
    account_ids = context.state.world.account_ids if aggregate else (context.account_id,)
    keys = [
        Key(account_id, region_id, group_id)
        for account_id in account_ids
        for region_id in context.state.world.region_ids
        for group_id in context.state.world.estate(account_id, region_id).groups
        if GROUP in wanted and ask.text("ResourceId", group_id) == group_id
    ]
    size = ask.integer("MaxResults", 10, 1, 100)
    ask.required("MaxResults")
    page, token = by_token(context, list(keys_of(keys, context)), "/".join, size)
    rows = [_profile(context, key) for key in page]
    found: dict[str, object] = {"DiscoveredResourceProfileList": rows, "MaxResults": size}
    add_token(context, found, token)
    return {"DiscoveredResourceProfiles": found}


def _profile(context: Context, key: Key) -> dict[str, object]:
    group = context.state.world.estate(key.account_id, key.region_id).groups[key.group_id]
    return {
        "AccountId": int(key.account_id),
        "ResourceOwnerId": int(key.account_id),
        "Region": key.region_id,
        "ResourceId": key.group_id,
        "ResourceName": group.name,
        "ResourceType": GROUP,
        "ResourceDeleted": 1,
        "ResourceStatus": "",
    }


@operation("config", VERSION, "ListAggregators", listing=("AggregatorsResult", "Aggregators"))
def list_aggregators(context: Context) -> Answer:
    """The caller's account groups, by token."""
    mine = sorted(
        one for one, owner in config_of(context.state).aggregators.items() if owner == context.account_id
    )
    page, token = by_token(context, mine, str, context.parameters.integer("MaxResults", 10, 1, 100))
    rows = [
        {"AggregatorId": one, "AggregatorName": one, "AggregatorType": "RD", "AggregatorStatus": 1}
        | {"AccountId": int(context.account_id)}
        for one in page
    ]
    result: dict[str, object] = {"Aggregators": rows}
    add_token(context, result, token)
    return {"AggregatorsResult": result}
