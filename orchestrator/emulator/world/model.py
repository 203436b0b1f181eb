"""What exists in the emulated cloud, as values.

`Rule` has the API's own field names on the wire, so that an answer is one encoding without a copy: a world of
60,000 groups stays small and a call stays cheap. Values are frozen: a change replaces a value, so a snapshot
is free.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field


class Rule(Struct, frozen=True, gc=False, rename="pascal"):
    """A `Permission` of ECS DescribeSecurityGroupAttribute, key by key. Unused text is "" (API samples)."""

    security_group_rule_id: str
    direction: str = "ingress"
    policy: str = "Accept"
    priority: int | str = 1
    ip_protocol: str = "TCP"
    port_range: str = ""
    source_port_range: str = ""
    nic_type: str = "intranet"
    source_cidr_ip: str = ""
    ipv6_source_cidr_ip: str = ""
    source_group_id: str = ""
    source_group_name: str = ""
    source_group_owner_account: str = ""
    source_prefix_list_id: str = ""
    source_prefix_list_name: str = ""
    dest_cidr_ip: str = ""
    ipv6_dest_cidr_ip: str = ""
    dest_group_id: str = ""
    dest_group_name: str = ""
    dest_group_owner_account: str = ""
    dest_prefix_list_id: str = ""
    dest_prefix_list_name: str = ""
    port_range_list_id: str = ""
    port_range_list_name: str = ""
    description: str = ""
    create_time: str = ""


def stored(rule: Rule) -> dict[str, object]:
    """The rule by its wire keys, without the empty ones: for files, records and clouds that answer so."""
    return {key: value for key, value in msgspec.to_builtins(rule).items() if value != ""}


class Tag(Struct, frozen=True, gc=False):
    """A key and a value on a resource."""

    key: str
    value: str = ""


class Group(Struct, gc=False, omit_defaults=True):
    """A security group. `rules` is replaced as a whole on change, in the order of creation.

    `rules_allowed` is a quota raised for it; 0 means the usual one.
    """

    security_group_id: str
    name: str = ""
    description: str = ""
    kind: str = "normal"
    vpc_id: str = ""
    resource_group_id: str = ""
    creation_time: str = ""
    service_managed: bool = False
    service_id: str = ""
    inner_access_policy: str = "Accept"
    tags: tuple[Tag, ...] = ()
    rules: tuple[Rule, ...] = ()
    rules_allowed: int = 0


class PrefixList(Struct, frozen=True, omit_defaults=True):
    """A prefix list with its CIDR blocks, all of one address family."""

    prefix_list_id: str
    name: str
    family: str = "IPv4"
    entries: tuple[str, ...] = ()
    max_entries: int = 20
    creation_time: str = "2024-01-01T00:00:00Z"


class PortList(Struct, frozen=True, omit_defaults=True):
    """A port range list with its ranges, like `22/22`."""

    port_list_id: str
    name: str
    entries: tuple[str, ...] = ()
    max_entries: int = 20


class Interface(Struct, frozen=True, omit_defaults=True):
    """A network interface: primary ones belong to an instance; `public_ip` is a fixed address or an EIP."""

    interface_id: str
    group_ids: tuple[str, ...]
    private_ip: str
    instance_id: str = ""
    primary: bool = True
    vpc_id: str = ""
    public_ip: str = ""
    allocation_id: str = ""
    ipv6: str = ""
    status: str = "InUse"
    service_managed: bool = False
    instance_tags: tuple[Tag, ...] = ()


class Listener(Struct, frozen=True, omit_defaults=True):
    """Where a balancer listens. `port` 0 (NLB): the range from `start_port` to `end_port`."""

    listener_id: str
    protocol: str = "TCP"
    port: int = 0
    start_port: int = 0
    end_port: int = 0
    status: str = "Running"


class Balancer(Struct, frozen=True, omit_defaults=True):
    """A load balancer of `product` nlb or alb, and the security groups it joined."""

    balancer_id: str
    product: str
    name: str = ""
    group_ids: tuple[str, ...] = ()
    vpc_id: str = ""
    address_type: str = "Internet"
    listeners: tuple[Listener, ...] = ()
    status: str = "Active"
    tags: tuple[Tag, ...] = ()


class Estate(Struct, omit_defaults=True):
    """What one account owns in one region."""

    groups: dict[str, Group] = field(default_factory=dict)
    prefix_lists: dict[str, PrefixList] = field(default_factory=dict)
    port_lists: dict[str, PortList] = field(default_factory=dict)
    interfaces: tuple[Interface, ...] | None = None
    balancers: dict[str, Balancer] = field(default_factory=dict)


class Folder(Struct, frozen=True, omit_defaults=True):
    """A folder of the Resource Directory; `parent_id` is "" for the root."""

    folder_id: str
    name: str
    parent_id: str = ""
    tags: tuple[Tag, ...] = ()
    create_time: str = "2023-02-01T08:00:00+08:00"


class Account(Struct, frozen=True, omit_defaults=True):
    """A member of the Resource Directory, or the management account."""

    account_id: str
    display_name: str
    folder_id: str
    account_name: str = ""
    status: str = "CreateSuccess"
    deletion_status: str = ""
    join_method: str = "created"
    type: str = "ResourceAccount"
    join_time: str = "2023-03-01T08:00:00+08:00"
    tags: tuple[Tag, ...] = ()


class Statement(Struct, frozen=True, omit_defaults=True):
    """A statement of a RAM policy. `not_actions`/`not_resources` say that the lists are exclusions."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    not_actions: bool = False
    not_resources: bool = False


class Role(Struct, frozen=True, omit_defaults=True):
    """A RAM role: who may assume it (ARNs; `…:root` is anyone of that account), and what it then may do."""

    name: str
    trusts: tuple[str, ...]
    statements: tuple[Statement, ...]
    external_id: str = ""
    max_session_seconds: int = 3600


class ControlPolicy(Struct, frozen=True, omit_defaults=True):
    """A control policy of the Resource Directory, which bounds what members may do."""

    policy_id: str
    name: str
    statements: tuple[Statement, ...]
    kind: str = "Custom"


class Organization(Struct, omit_defaults=True):
    """The Resource Directory: folders, members, and which account is whose.

    `attached_policies` are ids of `control_policies` by the folder or account that they are attached to.
    """

    directory_id: str
    root_folder_id: str
    management: Account
    hub_account_id: str
    folders: dict[str, Folder]
    members: dict[str, Account]
    delegated_administrators: tuple[str, ...] = ()
    create_time: str = "2023-01-15T08:00:00+08:00"
    control_policies: dict[str, ControlPolicy] = field(default_factory=dict)
    attached_policies: dict[str, tuple[str, ...]] = field(default_factory=dict)
