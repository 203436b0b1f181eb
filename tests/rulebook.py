"""Rules and groups for the tests of the judgement: by hand, and at random in the oracle's small world."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.securitygroup import NO_LISTS, Lists, Placement, SecurityGroup, parse_group

NOW = datetime(2026, 11, 1, tzinfo=UTC)

V4_BLOCKS = [
    "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "8.8.8.0/29", "8.8.8.0/30", "8.8.8.4/30", "8.8.8.0/31", "8.8.8.2/31",
    "8.8.8.4/31", "8.8.8.6/31", "8.8.8.1/32", "8.8.8.5/32", "10.0.0.0/8", "10.0.0.1/32", "8.8.8.3/30",
]  # fmt: skip
V6_BLOCKS = [
    "::/0",
    "2400::/125",
    "2400::/126",
    "2400::4/126",
    "2400::/127",
    "2400::6/127",
    "2400::3/128",
    "fd00::/8",
]
PREFIX_LISTS = {
    "pl-halves": ("0.0.0.0/1", "128.0.0.0/1"),
    "pl-few": ("8.8.8.0/32", "8.8.8.3/32", "8.8.8.6/32"),
    "pl-most": ("8.8.8.0/31", "8.8.8.4/30", "10.0.0.0/8"),
    "pl-six": ("2400::/127", "2400::6/127", "2400::3/128"),
}
SMALL_WORLD = Lists(prefix_lists=dict(PREFIX_LISTS))


def permission(**fields: Any) -> dict[str, object]:
    """A Permission as the API writes it: SSH from anyone, unless the fields say otherwise; "_" keys are left out."""
    raw: dict[str, object] = {
        "SecurityGroupRuleId": "sgr-1",
        "Direction": "ingress",
        "Policy": "Accept",
        "Priority": 1,
        "IpProtocol": "TCP",
        "PortRange": "22/22",
        "NicType": "intranet",
        "SourceCidrIp": "0.0.0.0/0",
    }
    return raw | fields


def group(
    *raws: dict[str, object], lists: Lists = NO_LISTS, number: bool = True, **listing: Any
) -> SecurityGroup:
    """A group of a VPC with these rules, numbered sgr-1, sgr-2, … unless they have their own ids."""
    if number:
        raws = tuple([{**raw, "SecurityGroupRuleId": f"sgr-{at}"} for at, raw in enumerate(raws, 1)])
    item = {"SecurityGroupId": "sg-1", "SecurityGroupName": "web", "VpcId": "vpc-1", **listing}
    placement = Placement("1000", "shop", "Root/Prod/Web", ("r-1", "fd-prod", "fd-web"), (("env", "prod"),))
    return parse_group(placement, "cn-hangzhou", item, {}, raws, lists)


def random_permission(rng: random.Random) -> dict[str, object]:
    """An ingress rule of the oracle's small world."""
    raw: dict[str, object] = {
        "Direction": "ingress",
        "Policy": rng.choice(["Accept", "accept", "Accept", "Drop"]),
        "Priority": rng.choice([1, 1, "2", 50, 100, 110]),
    }
    protocol = rng.choice(["TCP", "tcp", "6", "TCP", "UDP", "ALL", "ICMP", "GRE"])
    raw["IpProtocol"] = protocol
    raw["PortRange"] = "-1/-1"
    if protocol in {"TCP", "tcp", "6", "UDP"}:
        raw["PortRange"] = rng.choice(
            ["22/22", "22/22", "21/23", "22/23", "23/24", "1/65535", "-1/-1", "24/24"]
        )
        if rng.random() < 0.15:
            raw["SourcePortRange"] = rng.choice(["53/53", "1/1023", "-1/-1", "1024/65535"])
    raw |= _random_source(rng)
    return raw


def _random_source(rng: random.Random) -> dict[str, object]:
    kind = rng.random()
    five = rng.random() < 0.15
    if kind < 0.65:
        near = (
            {"DestCidrIp": rng.choice(["172.16.0.1", "172.16.0.2/32", "172.16.0.0/16", "0.0.0.0/0"])}
            if five
            else {}
        )
        return {"SourceCidrIp": rng.choice(V4_BLOCKS), **near}
    if kind < 0.85:
        near = {"Ipv6DestCidrIp": rng.choice(["fd01::1", "fd01::2/128", "fd01::/64", "::/0"])} if five else {}
        return {"Ipv6SourceCidrIp": rng.choice(V6_BLOCKS), **near}
    if kind < 0.95:
        return {"SourcePrefixListId": rng.choice(list(PREFIX_LISTS))}
    return {"SourceGroupId": "sg-friend"}


def random_permissions(rng: random.Random, most: int = 7) -> Sequence[dict[str, object]]:
    """Up to `most` rules."""
    return [
        {**random_permission(rng), "SecurityGroupRuleId": f"sgr-{at}"}
        for at in range(1, rng.randint(1, most) + 1)
    ]
