"""Resource Center 2022-12-01: what the whole organization owns, in a few calls, as it was a while ago.

Settings stand in `resource_center_of(state)`: not enabled, behind by `lag_seconds`, blind for some resources
(`unknown`), or still naming what is gone (`ghosts`). Who lacks the right is refused as by every product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import by_token
from orchestrator.emulator.framework.state import State
from orchestrator.emulator.world.model import Tag
from orchestrator.emulator.world.world import World

VERSION: Final = "2022-12-01"
GROUP: Final = "ACS::ECS::SecurityGroup"
BALANCERS: Final = {"nlb": "ACS::NLB::LoadBalancer", "alb": "ACS::ALB::LoadBalancer"}
Test = Callable[["Resource"], bool]


class Resource(Struct, frozen=True):
    """A resource as Resource Center knows it."""

    account_id: str
    region_id: str
    resource_type: str
    resource_id: str
    name: str = ""
    create_time: str = ""
    vpc_id: str = ""
    resource_group_id: str = ""
    tags: tuple[Tag, ...] = ()


@dataclass(slots=True)
class ResourceCenter:
    """Resource Center of one running cloud.

    Attributes:
        enabled: for each account by itself.
        multi_account: for the whole directory, by the management account or a delegated administrator.
        lag_seconds: how old an answer may be: what is known is taken down anew when it is that old.
        unknown: ids of resources that it does not know (yet).
        ghosts: resources that it still names.
    """

    enabled: bool = True
    multi_account: bool = True
    lag_seconds: float = 0.0
    unknown: set[str] = field(default_factory=set)
    ghosts: list[Resource] = field(default_factory=list)
    _taken: tuple[Resource, ...] = ()
    _taken_at: float | None = None
    _listings: dict[tuple[object, ...], list[Resource]] = field(default_factory=dict)

    def listing(self, state: State, question: str, test: Test, *, first_page: bool) -> list[Resource]:
        """What it knows of a question; a further page goes on in what the first one was of."""
        now = state.clock()
        old = self._taken_at is None or now - self._taken_at >= self.lag_seconds
        if old and (first_page or self._taken_at is None):
            self._taken, self._taken_at = tuple(resources(state.world)), now
            self._listings.clear()
        key = (question, len(self.unknown), len(self.ghosts))
        if key not in self._listings:
            known = (*(one for one in self._taken if one.resource_id not in self.unknown), *self.ghosts)
            self._listings[key] = [one for one in known if test(one)]
        return self._listings[key]


def resource_center_of(state: State) -> ResourceCenter:
    """The Resource Center of a running cloud."""
    return state.of(ResourceCenter)


def resources(world: World) -> Iterable[Resource]:
    """Every group and balancer of the world, by account and region. Makes the whole world."""
    for account_id in world.account_ids:
        for region_id in world.region_ids:
            estate = world.estate(account_id, region_id)
            for group in estate.groups.values():
                yield Resource(
                    account_id=account_id,
                    region_id=region_id,
                    resource_type=GROUP,
                    resource_id=group.security_group_id,
                    name=group.name,
                    create_time=group.creation_time,
                    vpc_id=group.vpc_id,
                    resource_group_id=group.resource_group_id,
                    tags=group.tags,
                )
            for one in estate.balancers.values():
                kind = BALANCERS[one.product]
                yield Resource(
                    account_id, region_id, kind, one.balancer_id, one.name, vpc_id=one.vpc_id, tags=one.tags
                )


# --- who may ask, and where


def _own(context: Context) -> Test:
    """SearchResources: the caller's own account."""
    if not resource_center_of(context.state).enabled:
        # The code is UNCONFIRMED; that of the whole directory is the help page's.
        raise ApiError(400, "ServiceNotEnabled", "ResourceCenter service is not enabled.")
    return lambda one: one.account_id == context.account_id


def _administered(context: Context) -> None:
    organization = context.state.world.organization
    if context.account_id not in (organization.management.account_id, *organization.delegated_administrators):
        message = "ResourceDirectory Member Account is not authorized to perform this operation."
        raise ApiError(409, "NoPermission.ResourceDirectory.MemberAccount", message)


def _scope(context: Context) -> Test:
    """The accounts that Scope names: the directory, a folder with those below it, or one member."""
    _administered(context)
    if not resource_center_of(context.state).multi_account:
        message = "Multi account ResourceCenter service is not enabled."
        raise ApiError(400, "MultiAccountServiceNotEnabled", message)
    world, scope = context.state.world, context.parameters.required("Scope")
    organization = world.organization
    if scope == organization.directory_id:
        inside = set(world.account_ids)
    elif scope in organization.folders:
        folders = _below(context, scope)
        inside = {one.account_id for one in organization.members.values() if one.folder_id in folders}
    elif scope in organization.members:
        inside = {scope}
    elif scope.startswith("fd-"):
        message = "The specified folder does not exist."
        raise ApiError(404, "NotExists.ResourceDirectory.FolderId", message)
    else:
        raise ApiError(409, "InvalidParameter.Scope", "The Scope is invalid.")
    return lambda one: one.account_id in inside


def _below(context: Context, folder_id: str) -> set[str]:
    found = {folder_id}
    folders = context.state.world.organization.folders.values()
    while more := {one.folder_id for one in folders if one.parent_id in found} - found:
        found |= more
    return found


# --- filters

_VALUES: Final[dict[str, Callable[[Resource], Iterable[str]]]] = {
    "ResourceType": lambda one: (one.resource_type,),
    "RegionId": lambda one: (one.region_id,),
    "ResourceId": lambda one: (one.resource_id,),
    "ResourceName": lambda one: (one.name,),
    "ResourceGroupId": lambda one: (one.resource_group_id,),
    "VpcId": lambda one: (one.vpc_id,),
    "AccountId": lambda one: (one.account_id,),
    "Tag": lambda one: (f'{{"key":"{tag.key}","value":"{tag.value}"}}' for tag in one.tags),
}
_MATCHES: Final[dict[str, Callable[[str, str], bool]]] = {
    "Equals": str.__eq__,
    "Prefix": str.startswith,
    "Contains": str.__contains__,
}


class _Filter(Struct, frozen=True):
    """A condition: one of the values matches. A call's conditions must all hold."""

    key: str
    match_type: str
    values: tuple[str, ...]

    def holds(self, one: Resource) -> bool:
        matches = _MATCHES[self.match_type.removeprefix("Not")]
        found = any(matches(text, value) for text in _VALUES[self.key](one) for value in self.values)
        return found != self.match_type.startswith("Not")


def _filters(context: Context) -> list[_Filter]:
    found = []
    for wire in context.parameters.structs("Filter", 20):
        numbered = sorted((int(name[6:]), text) for name, text in wire.items() if name.startswith("Value."))
        one = _Filter(
            wire.get("Key", ""), wire.get("MatchType") or "Equals", tuple(text for _, text in numbered)
        )
        if one.key not in _VALUES or not one.values:
            raise ApiError(400, "InvalidParameter.Filter", "The specified parameter Filter is not valid.")
        if one.match_type.removeprefix("Not") not in _MATCHES:
            message = "The specified parameter MatchType is not valid."
            raise ApiError(409, "InvalidParameter.MatchType", message)
        found.append(one)
    return found


# --- answers


def _found(context: Context, inside: Test) -> list[Resource]:
    filters, wire = _filters(context), context.parameters.wire
    asked = sorted(item for item in wire.items() if item[0] not in {"NextToken", "MaxResults", "GroupByKey"})
    return resource_center_of(context.state).listing(
        context.state,
        repr((context.account_id, context.operation.action, asked)),
        lambda one: inside(one) and all(condition.holds(one) for condition in filters),
        first_page=not context.parameters.text("NextToken"),
    )


def _search(context: Context, inside: Test) -> Answer:
    size = context.parameters.integer("MaxResults", 20, 1, 100)
    rows = _found(context, inside)
    page, token = by_token(context, rows, lambda one: f"{one.region_id}/{one.resource_id}", size)
    shown = [
        {"Key": one.key, "MatchType": one.match_type, "Values": list(one.values)} for one in _filters(context)
    ]
    answer: Answer = {"Filters": shown, "MaxResults": size, "Resources": list(map(_row, page))}
    # The help page: no NextToken, no more data.
    return {**answer, "NextToken": token} if token else answer


def _row(one: Resource) -> dict[str, object]:
    return {
        "AccountId": one.account_id,
        "RegionId": one.region_id,
        "ResourceType": one.resource_type,
        "ResourceId": one.resource_id,
        "ResourceName": one.name,
        "ResourceGroupId": one.resource_group_id,
        "CreateTime": one.create_time,
        "ZoneId": "",
        "IpAddresses": [],
        "Tags": [{"Key": tag.key, "Value": tag.value} for tag in one.tags],
    }


@operation("resourcecenter", VERSION, "SearchResources", listing=("Resources",))
def search_resources(context: Context) -> Answer:
    """The caller's own resources, by token."""
    return _search(context, _own(context))


@operation("resourcecenter", VERSION, "SearchMultiAccountResources", listing=("Resources",))
def search_multi_account_resources(context: Context) -> Answer:
    """The resources of the accounts in Scope, by token."""
    answer = _search(context, _scope(context))
    return {**answer, "Scope": context.parameters.text("Scope")}


@operation("resourcecenter", VERSION, "GetMultiAccountResourceCounts", listing=("ResourceCounts",))
def get_multi_account_resource_counts(context: Context) -> Answer:
    """How many resources each account, region or type in Scope has; one number where no key is given."""
    key = context.parameters.text("GroupByKey")
    if key not in {"", "ResourceType", "RegionId", "AccountId"}:
        raise ApiError(400, "InvalidParameter.GroupByKey", "The specified GroupByKey is not valid.")
    rows = _found(context, _scope(context))
    counts = Counter(next(iter(_VALUES[key](one))) if key else "" for one in rows)
    shown = [{"GroupName": name, "Count": count} for name, count in sorted(counts.items())]
    return {"GroupByKey": key, "ResourceCounts": shown, "Scope": context.parameters.text("Scope")}


def _status(*, is_on: bool) -> Answer:
    return {"InitialStatus": "Finished" if is_on else "", "ServiceStatus": "Enabled" if is_on else "Disabled"}


@operation("resourcecenter", VERSION, "GetResourceCenterServiceStatus")
def get_service_status(context: Context) -> Answer:
    """Whether the caller's own account can be searched."""
    return _status(is_on=resource_center_of(context.state).enabled)


@operation("resourcecenter", VERSION, "GetMultiAccountResourceCenterServiceStatus")
def get_multi_account_service_status(context: Context) -> Answer:
    """Whether the whole directory can be searched."""
    _administered(context)
    return _status(is_on=resource_center_of(context.state).multi_account)
