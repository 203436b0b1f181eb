"""What stands in a region: its network interfaces and instances, with their names and addresses.

ECS DescribeNetworkInterfaces and DescribeInstances, both to the last page. An interface shows its elastic address only;
the public address that came with an instance is the instance's to tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from accounts.paging import Answer
from orchestrator.inventory.paging import PagedList, ProductCaller, ProductSession

ACTIONS = ("ecs:DescribeNetworkInterfaces", "ecs:DescribeInstances")
"""The RAM actions that an estate is read by."""

_INTERFACES_PER_PAGE = 500  # DescribeNetworkInterfaces, the API's maximum
_INSTANCES_PER_PAGE = 100  # DescribeInstances, the API's maximum


class PublicAddress(msgspec.Struct, frozen=True):
    """An address that the Internet may reach.

    Attributes:
        kind: `address` came with the instance, `eip` is elastic; `ipv6` may be open to the Internet or not.
        text: it.
    """

    kind: Literal["address", "eip", "ipv6"]
    text: str


class NetworkInterface(msgspec.Struct, frozen=True, kw_only=True):
    """A network interface with what its instance adds, or an instance of the classic network, which has none.

    Attributes:
        interface_id: "" for an instance of the classic network.
        instance_id: "" where it is attached to none.
        security_group_ids: all the groups whose rules it obeys.
        vpc_id, vswitch_id: "" in the classic network.
        private_addresses: of both families, the primary one first.
        public_addresses: its own, elastic ones, and those of IPv6.
        is_primary: it is the first of its instance.
        is_in_use: it is attached, so that a packet may arrive.
    """

    interface_id: str
    instance_id: str = ""
    security_group_ids: tuple[str, ...] = ()
    vpc_id: str = ""
    vswitch_id: str = ""
    private_addresses: tuple[str, ...] = ()
    public_addresses: tuple[PublicAddress, ...] = ()
    is_primary: bool = True
    is_in_use: bool = True

    @property
    def id(self) -> str:
        """By what people find it: the interface's id, or the instance's in the classic network."""
        return self.interface_id or self.instance_id


class EcsInstance(msgspec.Struct, frozen=True):
    """An instance, with all its tags."""

    instance_id: str
    name: str = ""
    tags: tuple[tuple[str, str], ...] = ()


class RegionEstate:
    """The interfaces and instances of a region.

    Attributes:
        unseen: ids of instances that an interface names and that were not given: their names, tags and own addresses
            are not known.
    """

    def __init__(self, interfaces: Iterable[NetworkInterface], instances: Iterable[EcsInstance] = ()) -> None:
        self.instances: Mapping[str, EcsInstance] = {one.instance_id: one for one in instances}
        self._by_group: defaultdict[str, list[NetworkInterface]] = defaultdict(list)
        self._by_id: dict[str, NetworkInterface] = {}
        self._by_instance: defaultdict[str, list[NetworkInterface]] = defaultdict(list)
        self._by_address: defaultdict[str, list[NetworkInterface]] = defaultdict(list)
        for one in interfaces:
            self._add(one)
        self.unseen = tuple(one for one in self._by_instance if one not in self.instances)

    def _add(self, one: NetworkInterface) -> None:
        self._by_id[one.id] = one
        for group_id in dict.fromkeys(one.security_group_ids):
            self._by_group[group_id].append(one)
        if one.instance_id:
            self._by_instance[one.instance_id].append(one)
        for address in one.private_addresses:
            self._by_address[address].append(one)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was given: there is nothing, or it may not be seen; both are answered alike."""
        return not self._by_id

    def of(self, security_group_id: str) -> Sequence[NetworkInterface]:
        """Return the interfaces that obey the group."""
        return self._by_group.get(security_group_id, ())

    def with_id(self, interface_id: str) -> NetworkInterface | None:
        """Return the interface of that id."""
        return self._by_id.get(interface_id)

    def of_instance(self, instance_id: str) -> Sequence[NetworkInterface]:
        """Return the interfaces of the instance."""
        return self._by_instance.get(instance_id, ())

    def at(self, private_address: str, vpc_id: str = "") -> Sequence[NetworkInterface]:
        """Return the interfaces with the private address, of one VPC or, where none is named, of all."""
        found = self._by_address.get(private_address, ())
        return [one for one in found if not vpc_id or one.vpc_id == vpc_id]

    def tags_behind(self, security_group_id: str) -> tuple[tuple[tuple[str, str], ...], ...]:
        """Return the tags of each instance behind the group."""
        ids = dict.fromkeys(one.instance_id for one in self.of(security_group_id))
        return tuple(self.instances[one].tags for one in ids if one in self.instances)


async def read_interfaces(session: ProductCaller, region_id: str) -> list[Answer]:
    """Return the interfaces of a region, in the API's own words.

    Raises:
        CloudError: they could not be read in full.
    """
    asked: Answer = {"RegionId": region_id, "MaxResults": _INTERFACES_PER_PAGE}
    path = ("NetworkInterfaceSets", "NetworkInterfaceSet")
    listing = PagedList(ProductSession(session, "ecs"), "DescribeNetworkInterfaces", region_id, path)
    return [one async for _, page in listing.pages(asked, named="NetworkInterfaceId") for one in page]


async def read_instances(session: ProductCaller, region_id: str) -> list[Answer]:
    """Return the instances of a region, in the API's own words.

    Raises:
        CloudError: they could not be read in full.
    """
    asked: Answer = {"RegionId": region_id, "MaxResults": _INSTANCES_PER_PAGE}
    path = ("Instances", "Instance")
    listing = PagedList(ProductSession(session, "ecs"), "DescribeInstances", region_id, path)
    return [one async for _, page in listing.pages(asked, named="InstanceId") for one in page]


def parse_estate(interfaces: Iterable[Answer], instances: Iterable[Answer]) -> RegionEstate:
    """Return the estate that the answers tell of; instances of the classic network have no interface."""
    by_id = {str(one["InstanceId"]): one for one in instances}
    found = [_interface(one, by_id) for one in interfaces]
    with_one = {one.instance_id for one in found}
    found += [_without_interface(one) for key, one in by_id.items() if key not in with_one]
    return RegionEstate(found, map(_instance, by_id.values()))


def _interface(answer: Answer, instances: Mapping[str, Answer]) -> NetworkInterface:
    instance_id = _text(answer, "InstanceId")
    is_primary = answer.get("Type") != "Secondary"
    addresses = dict(_bound(answer))
    if is_primary and instance_id in instances:  # an instance's address is the primary interface's
        addresses = {**dict(_own(instances[instance_id])), **addresses}
    ipv6 = tuple(_text(one, "Ipv6Address") for one in _dicts(answer, "Ipv6Sets", "Ipv6Set"))
    private = [_text(answer, "PrivateIpAddress")]
    private += [_text(one, "PrivateIpAddress") for one in _dicts(answer, "PrivateIpSets", "PrivateIpSet")]
    return NetworkInterface(
        interface_id=str(answer["NetworkInterfaceId"]),
        instance_id=instance_id,
        security_group_ids=_texts(answer, "SecurityGroupIds", "SecurityGroupId"),
        vpc_id=_text(answer, "VpcId"),
        vswitch_id=_text(answer, "VSwitchId"),
        private_addresses=tuple(dict.fromkeys(one for one in (*private, *ipv6) if one)),
        public_addresses=(
            *addresses.values(),
            *(PublicAddress("ipv6", one) for one in ipv6 if one),
        ),
        is_primary=is_primary,
        is_in_use=answer.get("Status") != "Available",
    )


def _without_interface(answer: Answer) -> NetworkInterface:
    """Return an instance of the classic network as if it were an interface; one in a VPC was attached meanwhile."""
    inner = answer.get("VpcAttributes")
    network: Mapping[str, object] = inner if isinstance(inner, Mapping) else {}
    in_vpc = _texts(dict(network), "PrivateIpAddress", "IpAddress")
    return NetworkInterface(
        interface_id="",
        instance_id=str(answer["InstanceId"]),
        security_group_ids=_texts(answer, "SecurityGroupIds", "SecurityGroupId"),
        vpc_id=_text(network, "VpcId"),
        vswitch_id=_text(network, "VSwitchId"),
        private_addresses=(*in_vpc, *_texts(answer, "InnerIpAddress", "IpAddress")),
        public_addresses=tuple(dict(_own(answer)).values()),
    )


def _instance(answer: Answer) -> EcsInstance:
    tags = ((_text(one, "TagKey"), _text(one, "TagValue")) for one in _dicts(answer, "Tags", "Tag"))
    return EcsInstance(str(answer["InstanceId"]), _text(answer, "InstanceName"), tuple(tags))


def _bound(answer: Answer) -> Iterator[tuple[str, PublicAddress]]:
    """Yield the addresses bound to an interface, by their text; it repeats that of its primary private one."""
    for one in (answer, *_dicts(answer, "PrivateIpSets", "PrivateIpSet")):
        bound = one.get("AssociatedPublicIp")
        if isinstance(bound, Mapping) and bound.get("PublicIpAddress"):
            yield _address(_text(bound, "PublicIpAddress"), is_elastic=bool(bound.get("AllocationId")))


def _own(instance: Answer) -> Iterator[tuple[str, PublicAddress]]:
    """Yield an instance's public addresses, by their text."""
    for text in _texts(instance, "PublicIpAddress", "IpAddress"):
        yield _address(text, is_elastic=False)
    elastic = instance.get("EipAddress")
    if isinstance(elastic, Mapping) and elastic.get("IpAddress"):
        yield _address(_text(elastic, "IpAddress"), is_elastic=True)


def _address(text: str, *, is_elastic: bool) -> tuple[str, PublicAddress]:
    return text, PublicAddress("eip" if is_elastic else "address", text)


def _text(answer: Mapping[str, object], key: str) -> str:
    value = answer.get(key)
    return value if isinstance(value, str) else ""


def _inner(answer: Answer, outer: str, inner: str) -> list[object]:
    value = answer.get(outer)
    found = value.get(inner) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []


def _texts(answer: Answer, outer: str, inner: str) -> tuple[str, ...]:
    return tuple(str(one) for one in _inner(answer, outer, inner) if one)


def _dicts(answer: Answer, outer: str, inner: str) -> list[Answer]:
    return [one for one in _inner(answer, outer, inner) if isinstance(one, dict)]
