"""Network interfaces: what stands behind a security group, and whether it has a public address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence

import msgspec

from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError, Denied
from orchestrator.inventory.paging import Answer, items, pages
from orchestrator.policy import Attachment, Sight

_INTERFACES_PER_PAGE = 500  # DescribeNetworkInterfaces, the API's maximum
_INSTANCES_PER_PAGE = 100  # DescribeInstances, the API's maximum


class Interface(msgspec.Struct, frozen=True):
    """A network interface, or an instance of the classic network, which has none.

    Attributes:
        security_group_ids: all the groups whose rules it obeys.
        instance_id: empty where it is attached to none.
        public_ips: addresses that came with the instance.
        elastic_ips: elastic addresses bound to it.
        ipv6_addresses: how many; each may be reachable from the Internet.
    """

    security_group_ids: tuple[str, ...]
    instance_id: str
    public_ips: int
    elastic_ips: int
    ipv6_addresses: int

    @property
    def is_public(self) -> bool:
        """Whether it has an address that the Internet may reach."""
        return bool(self.public_ips or self.elastic_ips or self.ipv6_addresses)


class Interfaces:
    """The interfaces of a region by the groups they obey, and whether they could be seen at all."""

    def __init__(self, sight: Sight, found: Iterable[Interface] = ()) -> None:
        self.sight = sight
        self._by_group: defaultdict[str, list[Interface]] = defaultdict(list)
        for one in found:
            for group_id in dict.fromkeys(one.security_group_ids):
                self._by_group[group_id].append(one)

    def of(self, security_group_id: str) -> Sequence[Interface]:
        """Return those that obey the group."""
        return self._by_group.get(security_group_id, ())

    def attachment(self, security_group_id: str) -> Attachment:
        """Return what stands behind the group."""
        mine = self.of(security_group_id)
        return Attachment(
            sight=self.sight,
            instances=len({one.instance_id for one in mine if one.instance_id}),
            interfaces=len(mine),
            public_ips=sum(one.public_ips for one in mine),
            elastic_ips=sum(one.elastic_ips for one in mine),
            ipv6_addresses=sum(one.ipv6_addresses for one in mine),
        )


async def interfaces(session: AccountSession, region_id: str, *, classic: bool) -> Interfaces:
    """Return the interfaces of a region; with `classic`, also the instances that have none.

    An account without interfaces and an account whose interfaces we may not see can both answer with an empty
    list (ECS DescribeInstances says so of itself). So an empty region is `unknown`, never unattached.
    """
    try:
        found = [_interface(one) async for one in _listed(session, region_id)]
        known = {one.instance_id for one in found if one.instance_id}
        if classic or not known:
            instances = [_instance(one) async for one in _instances(session, region_id)]
            found += [one for one in instances if one.instance_id not in known]
    except Denied:
        return Interfaces("denied")
    except CloudError:
        return Interfaces("unknown")
    return Interfaces("seen" if found else "unknown", found)


async def _listed(session: AccountSession, region_id: str) -> AsyncIterator[Answer]:
    asked: Answer = {"RegionId": region_id, "MaxResults": _INTERFACES_PER_PAGE}
    async for page in pages(session, "DescribeNetworkInterfaces", region_id, asked):
        for one in items(page, ("NetworkInterfaceSets", "NetworkInterfaceSet"), session, region_id):
            yield one


async def _instances(session: AccountSession, region_id: str) -> AsyncIterator[Answer]:
    asked: Answer = {"RegionId": region_id, "MaxResults": _INSTANCES_PER_PAGE}
    async for page in pages(session, "DescribeInstances", region_id, asked):
        for one in items(page, ("Instances", "Instance"), session, region_id):
            yield one


def _interface(answer: Answer) -> Interface:
    bound = list(_addresses(answer))
    return Interface(
        security_group_ids=_texts(answer, "SecurityGroupIds", "SecurityGroupId"),
        instance_id=str(answer.get("InstanceId") or ""),
        public_ips=sum(1 for _, allocation in bound if not allocation),
        elastic_ips=sum(1 for _, allocation in bound if allocation),
        ipv6_addresses=len(_dicts(answer, "Ipv6Sets", "Ipv6Set")),
    )


def _addresses(answer: Answer) -> Iterable[tuple[str, str]]:
    """Return the public addresses with their allocation ids, each once: the interface repeats its primary one."""
    bound = [answer, *_dicts(answer, "PrivateIpSets", "PrivateIpSet")]
    found = [one["AssociatedPublicIp"] for one in bound if isinstance(one.get("AssociatedPublicIp"), dict)]
    return {
        str(one["PublicIpAddress"]): str(one.get("AllocationId") or "")
        for one in found
        if one.get("PublicIpAddress")
    }.items()


def _instance(answer: Answer) -> Interface:
    elastic = answer.get("EipAddress")
    return Interface(
        security_group_ids=_texts(answer, "SecurityGroupIds", "SecurityGroupId"),
        instance_id=str(answer.get("InstanceId") or ""),
        public_ips=len(_texts(answer, "PublicIpAddress", "IpAddress")),
        elastic_ips=1 if isinstance(elastic, dict) and elastic.get("IpAddress") else 0,
        ipv6_addresses=0,
    )


def _inner(answer: Answer, outer: str, inner: str) -> list[object]:
    value = answer.get(outer)
    found = value.get(inner) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _texts(answer: Answer, outer: str, inner: str) -> tuple[str, ...]:
    return tuple(str(one) for one in _inner(answer, outer, inner) if one)


def _dicts(answer: Answer, outer: str, inner: str) -> list[Answer]:
    return [one for one in _inner(answer, outer, inner) if isinstance(one, dict)]
