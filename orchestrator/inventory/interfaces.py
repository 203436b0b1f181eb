"""Network interfaces: what stands behind a security group, and whether it has a public address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import msgspec

from accounts.paging import Answer
from orchestrator.cloud.errors import CloudError, Denied
from orchestrator.inventory.paging import PagedList, ReadSession
from orchestrator.policy import Attachment, Sight

_INTERFACES_PER_PAGE = 500  # DescribeNetworkInterfaces, the API's maximum
_INSTANCES_PER_PAGE = 100  # DescribeInstances, the API's maximum


class Interface(msgspec.Struct, frozen=True):
    """A network interface with what its instance adds, or an instance of the classic network, which has none.

    Attributes:
        security_group_ids: all the groups whose rules it obeys.
        instance_id: empty where it is attached to none.
        public_ips: addresses that came with the instance.
        elastic_ips: elastic addresses bound to it.
        ipv6_addresses: how many; each may be reachable from the Internet.
        is_known: its instance was read too, so that it has no other address.
        tags: those of its instance that were asked for, key and value.
        interface_id, vpc_id, vswitch_id: of the interface; empty for an instance of the classic network.
        is_in_use: it is attached, so that there may be traffic.
    """

    security_group_ids: tuple[str, ...]
    instance_id: str
    public_ips: int
    elastic_ips: int
    ipv6_addresses: int
    is_known: bool = True
    tags: tuple[tuple[str, str], ...] = ()
    interface_id: str = ""
    vpc_id: str = ""
    vswitch_id: str = ""
    is_in_use: bool = True

    @property
    def is_public(self) -> bool:
        """Whether it has an address that the Internet may reach."""
        return bool(self.public_ips or self.elastic_ips or self.ipv6_addresses)


class Interfaces:
    """The interfaces of a region by the groups they obey, and whether they could be seen at all."""

    def __init__(self, sight: Sight, found: Iterable[Interface] = ()) -> None:
        self._sight = sight
        self._by_group: defaultdict[str, list[Interface]] = defaultdict(list)
        for one in found:
            for group_id in dict.fromkeys(one.security_group_ids):
                self._by_group[group_id].append(one)

    def of(self, security_group_id: str) -> Sequence[Interface]:
        """Return those that obey the group."""
        return self._by_group.get(security_group_id, ())

    def attachment(self, security_group_id: str) -> Attachment:
        """Return what stands behind the group; it was seen in full only if each interface's instance was, too."""
        mine = self.of(security_group_id)
        return Attachment(
            sight=self._sight if all(one.is_known for one in mine) else "unknown",
            instances=len({one.instance_id for one in mine if one.instance_id}),
            interfaces=len(mine),
            public_ips=sum(one.public_ips for one in mine),
            elastic_ips=sum(one.elastic_ips for one in mine),
            ipv6_addresses=sum(one.ipv6_addresses for one in mine),
        )


async def interfaces(session: ReadSession, region_id: str, tag_keys: Sequence[str] = ()) -> Interfaces:
    """Return the interfaces of a region, and the instances that have none, as those of the classic network.

    Of an instance's tags those of `tag_keys` are kept.

    An interface shows its elastic address only; the public address that came with an instance is the instance's to
    tell (ECS DescribeNetworkInterfaces, AssociatedPublicIp; DescribeInstances, PublicIpAddress). So both are read.

    An account without interfaces and an account whose interfaces we may not see can both answer with an empty
    list (ECS DescribeInstances says so of itself). So an empty region is `unknown`, never unattached, and so is what
    stands behind an interface whose instance was not given.
    """
    try:
        found = [one async for one in _listed(session, region_id)]
    except Denied:
        return Interfaces("denied")
    except CloudError:
        return Interfaces("unknown")
    try:
        instances = {str(one["InstanceId"]): one async for one in _instances(session, region_id)}
    except CloudError:
        return Interfaces("unknown", [_interface(one, {}, ()) for one in found])
    seen = [_interface(one, instances, tag_keys) for one in found]
    named = {one.instance_id for one in seen}
    seen += [_instance(one, tag_keys) for instance_id, one in instances.items() if instance_id not in named]
    return Interfaces("seen" if seen else "unknown", seen)


async def groups_together(session: ReadSession, region_id: str) -> dict[str, frozenset[tuple[str, ...]]]:
    """Return, for each group on an interface of the region, the other groups of each such interface; () for none.

    Raises:
        CloudError: they could not be read.
    """
    found: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    async for one in _listed(session, region_id):
        ids = sorted(set(_texts(one, "SecurityGroupIds", "SecurityGroupId")))
        for group_id in ids:
            found[group_id].add(tuple(other for other in ids if other != group_id))
    return {group_id: frozenset(others) for group_id, others in found.items()}


def _listed(session: ReadSession, region_id: str) -> AsyncIterator[Answer]:
    asked: Answer = {"RegionId": region_id, "MaxResults": _INTERFACES_PER_PAGE}
    path = ("NetworkInterfaceSets", "NetworkInterfaceSet")
    return _each(
        PagedList(session, "DescribeNetworkInterfaces", region_id, path), asked, "NetworkInterfaceId"
    )


def _instances(session: ReadSession, region_id: str) -> AsyncIterator[Answer]:
    asked: Answer = {"RegionId": region_id, "MaxResults": _INSTANCES_PER_PAGE}
    listing = PagedList(session, "DescribeInstances", region_id, ("Instances", "Instance"))
    return _each(listing, asked, "InstanceId")


async def _each(listing: PagedList, asked: Answer, named: str) -> AsyncIterator[Answer]:
    async for _, found in listing.pages(asked, named=named):
        for one in found:
            yield one


def _interface(answer: Answer, instances: Mapping[str, Answer], tag_keys: Sequence[str]) -> Interface:
    instance_id = str(answer.get("InstanceId") or "")
    instance = instances.get(instance_id)
    bound = _bound(answer)
    if (
        instance is not None and answer.get("Type") != "Secondary"
    ):  # the instance's address is the primary one's
        bound |= _own_addresses(instance)
    return Interface(
        security_group_ids=_texts(answer, "SecurityGroupIds", "SecurityGroupId"),
        instance_id=instance_id,
        public_ips=sum(1 for allocation in bound.values() if not allocation),
        elastic_ips=sum(1 for allocation in bound.values() if allocation),
        ipv6_addresses=len(_dicts(answer, "Ipv6Sets", "Ipv6Set")),
        is_known=not instance_id or instance is not None,
        tags=_tags(instance, tag_keys) if instance is not None else (),
        interface_id=str(answer["NetworkInterfaceId"]),
        vpc_id=str(answer.get("VpcId") or ""),
        vswitch_id=str(answer.get("VSwitchId") or ""),
        is_in_use=answer.get("Status") != "Available",
    )


def _tags(instance: Answer, keys: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the tags of an instance with these keys (ECS DescribeInstances, Tags.Tag, TagKey and TagValue)."""
    found = (
        (str(one.get("TagKey")), str(one.get("TagValue") or "")) for one in _dicts(instance, "Tags", "Tag")
    )
    return tuple(tag for tag in found if tag[0] in keys) if keys else ()


def _bound(answer: Answer) -> dict[str, str]:
    """Return the addresses bound to an interface, with their allocation ids; it repeats its primary one."""
    bound = [answer, *_dicts(answer, "PrivateIpSets", "PrivateIpSet")]
    found = [one["AssociatedPublicIp"] for one in bound if isinstance(one.get("AssociatedPublicIp"), dict)]
    return {
        str(one["PublicIpAddress"]): str(one.get("AllocationId") or "")
        for one in found
        if one.get("PublicIpAddress")
    }


def _own_addresses(instance: Answer) -> dict[str, str]:
    """Return an instance's public addresses, with their allocation ids; empty for the one it came with."""
    own = dict.fromkeys(_texts(instance, "PublicIpAddress", "IpAddress"), "")
    elastic = instance.get("EipAddress")
    if isinstance(elastic, dict) and elastic.get("IpAddress"):
        own[str(elastic["IpAddress"])] = str(elastic.get("AllocationId") or "elastic")
    return own


def _instance(answer: Answer, tag_keys: Sequence[str]) -> Interface:
    own = _own_addresses(answer)
    return Interface(
        security_group_ids=_texts(answer, "SecurityGroupIds", "SecurityGroupId"),
        instance_id=str(answer["InstanceId"]),
        public_ips=sum(1 for allocation in own.values() if not allocation),
        elastic_ips=sum(1 for allocation in own.values() if allocation),
        ipv6_addresses=0,
        tags=_tags(answer, tag_keys),
    )


def _inner(answer: Answer, outer: str, inner: str) -> list[object]:
    value = answer.get(outer)
    found = value.get(inner) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _texts(answer: Answer, outer: str, inner: str) -> tuple[str, ...]:
    return tuple(str(one) for one in _inner(answer, outer, inner) if one)


def _dicts(answer: Answer, outer: str, inner: str) -> list[Answer]:
    return [one for one in _inner(answer, outer, inner) if isinstance(one, dict)]
