"""A member with one group of each kind, and writing calls in one line each."""

from __future__ import annotations

from typing import Any

from orchestrator.emulator import Group, Keys, Quirks, Rule, World, WorldOutline
from orchestrator.emulator.world.model import PortList, PrefixList
from tests.emulator.wire import Cloud

HERE = "ap-southeast-1"
RULES = tuple(
    Rule(f"sgr-{name}", port_range=f"{port}/{port}", source_cidr_ip="0.0.0.0/0")
    for name, port in (("ssh", 22), ("web", 443), ("redis", 6379))
)


def make(**quirks: Any) -> Cloud:
    """A member with one plain group, a managed one, an enterprise one, a classic one, and two lists."""
    cloud = Cloud(
        World.generate(WorldOutline(1, 1, region_ids=(HERE, "cn-beijing"), groups_per_account=0)),
        quirks=Quirks(**quirks),
    )
    egress = Rule(
        "sgr-out", direction="egress", ip_protocol="ALL", port_range="-1/-1", dest_cidr_ip="0.0.0.0/0"
    )
    for group in (
        Group("sg-plain", "plain", vpc_id="vpc-1", rules=(*RULES, egress)),
        Group("sg-managed", "managed", vpc_id="vpc-1", service_managed=True, rules=RULES),
        Group("sg-enterprise", "big", kind="enterprise", vpc_id="vpc-1"),
        Group("sg-classic", "old"),
    ):
        cloud.world.put(cloud.member, HERE, group)
    estate = cloud.world.estate(cloud.member, HERE)
    estate.prefix_lists["pl-1"] = PrefixList("pl-1", "offices", entries=("203.0.113.0/24",), max_entries=50)
    estate.port_lists["prl-1"] = PortList("prl-1", "admin", ("22/22",))
    return cloud


def rules(cloud: Cloud, group: str = "sg-plain") -> list[str]:
    """The ids of a group's rules."""
    found = cloud.world.estate(cloud.member, HERE).groups[group].rules
    return [rule.security_group_rule_id for rule in found]


def last(cloud: Cloud, group: str = "sg-plain") -> Rule:
    """The newest rule of a group."""
    return cloud.world.estate(cloud.member, HERE).groups[group].rules[-1]


def write(
    cloud: Cloud, action: str, group: str = "sg-plain", keys: Keys | None = None, **parameters: Any
) -> tuple[int, str]:
    """One writing call; status and code ("" where it succeeded)."""
    keys = keys or cloud.enter()
    status, body = cloud.call(action, keys, RegionId=HERE, SecurityGroupId=group, **parameters)
    return status, body.get("Code", "")


def revoke(
    cloud: Cloud, *ids: str, suffix: str = "", group: str = "sg-plain", **more: Any
) -> tuple[int, str]:
    """RevokeSecurityGroup by id."""
    return write(cloud, f"RevokeSecurityGroup{suffix}", group, SecurityGroupRuleId=list(ids), **more)


def authorize(
    cloud: Cloud, *, suffix: str = "", group: str = "sg-plain", **permission: Any
) -> tuple[int, str]:
    """AuthorizeSecurityGroup with one permission, complete unless changed."""
    default = {"IpProtocol": "TCP", "PortRange": "8080/8080", "SourceCidrIp": "10.0.0.0/8"}
    if suffix:
        default = {"IpProtocol": "TCP", "PortRange": "8080/8080", "DestCidrIp": "10.0.0.0/8"}
    made = {key: value for key, value in {**default, **permission}.items() if value is not None}
    return write(cloud, f"AuthorizeSecurityGroup{suffix}", group, Permissions=[made])


OK = (200, "")


def modify(cloud: Cloud, rule_id: str = "sgr-ssh", suffix: str = "", **fields: Any) -> tuple[int, str]:
    """ModifySecurityGroupRule."""
    return write(cloud, f"ModifySecurityGroup{suffix}Rule", SecurityGroupRuleId=rule_id, **fields)
