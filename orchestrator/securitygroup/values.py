"""What a security group says, as values: frozen, hashable where they are shared, made only by reading.

They hold nothing that could hold them, so the garbage collector need not look at them (`gc=False`).
"""

from typing import Literal, Union

import msgspec

Direction = Literal["ingress", "egress"]
Policy = Literal["accept", "drop"]

MAX_PORT = 65535
"""TCP and UDP ports run from 1 to this (ECS AuthorizeSecurityGroup: 1 to 65535)."""

WITH_PORTS = frozenset({"tcp", "udp"})
"""The protocols that have ports."""


class Placement(msgspec.Struct, frozen=True):
    """Where an account stands in the organization: all that a judgement may need to know of it.

    `folder_path` is made of display names ("Root/Prod/Web"), `folder_ids` of the ids on the same way down.
    """

    account_id: str
    account_name: str = ""
    folder_path: str = ""
    folder_ids: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()


class PortRange(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """Ports of a protocol from `first` to `last`, both included; 0 to 0 is all of a protocol without ports.

    protocol: "tcp", "udp", "icmp", "icmpv6", "gre", or an IANA number as text.
    """

    protocol: str
    first: int = 0
    last: int = 0

    def __str__(self) -> str:
        return f"{self.protocol}/{self.numbers}" if self.first else self.protocol

    @property
    def numbers(self) -> str:
        """The ports alone: "22" or "6000-6010"."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def covers(self, other: "PortRange") -> bool:
        """Whether all of the other's ports are among these."""
        return self.protocol == other.protocol and self.first <= other.first and other.last <= self.last


def every_port(protocol: str) -> PortRange:
    """All of a protocol."""
    return PortRange(protocol, 1, MAX_PORT) if protocol in WITH_PORTS else PortRange(protocol)


class Cidr(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """An address block: `first` and `last` are numbers within the family (4 or 6), `text` its network."""

    family: int
    first: int
    last: int
    text: str

    def __str__(self) -> str:
        return self.text


class GroupRef(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """Another security group as a source: the instances in it, over the internal network only."""

    security_group_id: str
    owner_account: str = ""

    def __str__(self) -> str:
        return self.security_group_id


class PrefixList(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """A prefix list as a source. `entries` is None where the list could not be read or understood."""

    prefix_list_id: str
    name: str = ""
    entries: tuple[Cidr, ...] | None = None

    def __str__(self) -> str:
        return self.prefix_list_id


Source = Union[Cidr, GroupRef, PrefixList]  # noqa: UP007  (an alias evaluated at run time, on 3.10 too)


class Unreadable(msgspec.Struct, frozen=True):
    """A list that could not be read, and why."""

    reason: str


class Lists(msgspec.Struct, frozen=True):
    """The prefix lists (CIDR texts) and port lists ("22/22") read in one account and region, by id.

    An id that is missing here was not read: a rule that names it is undetermined.
    """

    prefix_lists: dict[str, tuple[str, ...] | Unreadable] = {}
    port_lists: dict[str, tuple[str, ...] | Unreadable] = {}


NO_LISTS = Lists()


class Rule(msgspec.Struct, frozen=True, gc=False):
    """One Permission of DescribeSecurityGroupAttribute, understood.

    protocol: "tcp", "udp", "icmp", "icmpv6", "gre", "all", or an IANA number as text.
    ports: the destination ports; empty for a protocol without ports, where every packet is meant.
    source, destination: None means any address on the own side; a peer of None is one of the `problems`..
    source_ports: empty means any.
    nic_type: "" in a VPC, where rules cover public and private traffic alike; else "internet" or "intranet".
    problems: what could not be understood, each beginning with the API's name of the field; such a rule is
        undetermined.
    raw: the API's own fields, as they came.
    """

    rule_id: str
    direction: Direction
    policy: Policy
    priority: int
    protocol: str
    ports: tuple[PortRange, ...]
    source: Source | None
    destination: Source | None
    source_ports: tuple[PortRange, ...]
    nic_type: str
    problems: tuple[str, ...]
    raw: dict[str, object]

    @property
    def peer(self) -> Source | None:
        """The other end of the traffic: the source of an ingress rule, the destination of an egress rule."""
        return self.source if self.direction == "ingress" else self.destination

    @property
    def own(self) -> Source | None:
        """The near end: what a five-tuple rule says of the instance's own address; None means any."""
        return self.destination if self.direction == "ingress" else self.source


class Balancer(msgspec.Struct, frozen=True):
    """A load balancer (NLB or ALB) that joined a group, and where it listens.

    families: the address families (4, 6) that it has addresses of.
    internet: those of them in which its addresses are public.
    ports: what its listeners take, TCP and UDP.
    """

    balancer_id: str
    name: str
    families: tuple[int, ...]
    internet: tuple[int, ...]
    ports: tuple[PortRange, ...]


class Balancing(msgspec.Struct, frozen=True):
    """The load balancers that joined a group, as far as they were asked for.

    unread: why they could not be read; "" if they were, or were not asked for.
    is_required: without knowing them the group must not be judged.
    """

    balancers: tuple[Balancer, ...] = ()
    unread: str = ""
    is_required: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether what must be known could not be read."""
        return self.is_required and bool(self.unread)


NOT_BALANCED = Balancing()


class SecurityGroup(msgspec.Struct, frozen=True):
    """A security group and its rules.

    vpc_id: "" in the classic network.
    lists: the prefix and port lists that are known there: those its rules name, and perhaps more.
    balancing: the load balancers that joined it.
    """

    placement: Placement
    region_id: str
    security_group_id: str
    name: str
    kind: Literal["normal", "enterprise"]
    vpc_id: str
    service_managed: bool
    inner_access_policy: Policy
    tags: tuple[tuple[str, str], ...]
    rules: tuple[Rule, ...]
    lists: Lists = NO_LISTS
    balancing: Balancing = NOT_BALANCED

    @property
    def classic(self) -> bool:
        """Whether it lives in the classic network, where rules are told apart by network card."""
        return not self.vpc_id
