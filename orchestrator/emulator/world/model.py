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


class Server(Struct, frozen=True, omit_defaults=True):
    """What a balancer forwards to. `kind` is Ecs, Eni or Ip; `role` is Master or Slave in a group of such."""

    server_id: str
    kind: str = "Ecs"
    ip: str = ""
    port: int = 0
    weight: int = 100
    role: str = ""


class ServerGroup(Struct, frozen=True, omit_defaults=True):
    """The servers behind listeners. `product` is nlb or alb, or slb for those of a classic balancer."""

    server_group_id: str
    product: str
    servers: tuple[Server, ...]
    name: str = ""
    vpc_id: str = ""
    kind: str = "Instance"
    protocol: str = "TCP"
    preserves_client: bool = True
    balancer_ids: tuple[str, ...] = ()


class ClassicListener(Struct, frozen=True, omit_defaults=True):
    """Where a classic balancer listens, and what it forwards to: the default servers unless a group is named."""

    port: int
    backend_port: int = 0
    protocol: str = "tcp"
    status: str = "running"
    vserver_group_id: str = ""
    master_slave_group_id: str = ""
    acl_status: str = "off"
    acl_type: str = ""
    acl_ids: tuple[str, ...] = ()


class ClassicBalancer(Struct, frozen=True, omit_defaults=True):
    """A Classic Load Balancer (CLB, product slb). Its groups of servers are of its own."""

    balancer_id: str
    name: str = ""
    address: str = ""
    address_type: str = "internet"
    vpc_id: str = ""
    vswitch_id: str = ""
    status: str = "active"
    listeners: tuple[ClassicListener, ...] = ()
    default_servers: tuple[Server, ...] = ()
    vserver_groups: tuple[ServerGroup, ...] = ()
    master_slave_groups: tuple[ServerGroup, ...] = ()


class ForwardEntry(Struct, frozen=True, omit_defaults=True):
    """A DNAT entry. Ports are a number, a range like `10/20`, or `any`."""

    entry_id: str
    external_ip: str
    external_port: str
    internal_ip: str
    internal_port: str
    protocol: str = "tcp"
    name: str = ""
    status: str = "Available"


class NatGateway(Struct, frozen=True, omit_defaults=True):
    """A NAT gateway with its elastic addresses (allocation id and address) and its one DNAT table."""

    nat_gateway_id: str
    name: str = ""
    vpc_id: str = ""
    vswitch_id: str = ""
    network_type: str = "internet"
    status: str = "Available"
    addresses: tuple[tuple[str, str], ...] = ()
    forward_table_id: str = ""
    entries: tuple[ForwardEntry, ...] = ()


class AclEntry(Struct, frozen=True, omit_defaults=True):
    """A rule of a network ACL; the first that matches decides. `cidr` is the other side's."""

    entry_id: str
    policy: str
    protocol: str = "all"
    port: str = "-1/-1"
    cidr: str = "0.0.0.0/0"
    ip_version: str = "IPv4"
    entry_type: str = "custom"
    name: str = ""


class NetworkAcl(Struct, frozen=True, omit_defaults=True):
    """A network ACL, which filters what enters and leaves the vSwitches that it is bound to."""

    network_acl_id: str
    vpc_id: str
    name: str = ""
    vswitch_ids: tuple[str, ...] = ()
    ingress: tuple[AclEntry, ...] = ()
    egress: tuple[AclEntry, ...] = ()
    status: str = "Available"


class FlowLog(Struct, frozen=True, omit_defaults=True):
    """A VPC flow log: what it captures and where it goes. `age_days`: how old it is as the cloud starts."""

    flow_log_id: str
    resource_type: str
    resource_id: str
    project: str
    logstore: str
    vpc_id: str = ""
    name: str = ""
    traffic_type: str = "All"
    traffic_path: tuple[str, ...] = ("all",)
    ip_version: str = "IPv4"
    status: str = "Active"
    business_status: str = "Normal"
    deliver_status: str = "SUCCESS"
    deliver_error: str = ""
    aggregation_minutes: int = 10
    age_days: float = 200.0


class WaysIn(Struct, frozen=True, omit_defaults=True):
    """What stands before the interfaces of a region and does not show on them.

    `balancers` have joined no security group; `forwards` is the server group by listener, of these and the estate's.
    """

    nat_gateways: tuple[NatGateway, ...] = ()
    network_acls: tuple[NetworkAcl, ...] = ()
    classic_balancers: tuple[ClassicBalancer, ...] = ()
    balancers: tuple[Balancer, ...] = ()
    server_groups: tuple[ServerGroup, ...] = ()
    forwards: dict[str, str] = field(default_factory=dict)


class Actor(Struct, frozen=True, omit_defaults=True):
    """Who did something, as ActionTrail's userIdentity says it. `kind`: root-account, ram-user or assumed-role.

    `name` is the user's, or `role:session`.
    """

    kind: str
    name: str
    principal_id: str
    access_key_id: str = ""


class Event(Struct, frozen=True, omit_defaults=True):
    """A call that was made before the cloud started, `age_seconds` ago then. `opened` are the rules that it opened."""

    age_seconds: float
    action: str
    actor: Actor
    parameters: dict[str, str]
    event_id: str
    source_ip: str = ""
    user_agent: str = ""
    error_code: str = ""
    is_read: bool = False
    group_id: str = ""
    opened: tuple[str, ...] = ()


class Estate(Struct, omit_defaults=True):
    """What one account owns in one region. None is not made yet."""

    groups: dict[str, Group] = field(default_factory=dict)
    prefix_lists: dict[str, PrefixList] = field(default_factory=dict)
    port_lists: dict[str, PortList] = field(default_factory=dict)
    interfaces: tuple[Interface, ...] | None = None
    balancers: dict[str, Balancer] = field(default_factory=dict)
    flow_logs: tuple[FlowLog, ...] | None = None
    ways_in: WaysIn | None = None
    history: tuple[Event, ...] | None = None
    vpc_tags: dict[str, tuple[Tag, ...]] | None = None


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
