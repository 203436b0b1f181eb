"""What of a rule is written again: every field that says who may reach what, and none that the API does not take."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.plan.pieces import pieces_of, with_peer, writable, written
from orchestrator.securitygroup import PrefixList, parse_cidr
from tests.plan.groups import group, permission


@pytest.mark.parametrize(
    "name",
    [
        "Direction", "IpProtocol", "PortRange", "PortRangeListId", "SourcePortRange", "Policy", "Priority", "NicType",
        "Description", "SourceCidrIp", "Ipv6SourceCidrIp", "SourceGroupId", "SourceGroupOwnerAccount",
        "SourcePrefixListId", "DestCidrIp", "Ipv6DestCidrIp", "DestGroupId", "DestGroupOwnerAccount",
        "DestPrefixListId",
    ],
)  # fmt: skip
def test_every_field_of_a_rule_is_written_again(name: str) -> None:
    """One that is empty, or not of a rule's own, is not."""
    assert writable({name: "x", "SecurityGroupRuleId": "sgr-1", "CreateTime": "now"}) == {name: "x"}
    assert writable({name: ""}) == writable({name: None}) == {}


def test_another_source_replaces_every_kind_of_the_one_before() -> None:
    """Two kinds of source in one rule are refused by the API; the other side stays as it is."""
    for side, other, direction in (("Source", "Dest", "ingress"), ("Dest", "Source", "egress")):
        kinds = [f"{side}CidrIp", f"Ipv6{side}CidrIp", f"{side}GroupId", f"{side}GroupOwnerAccount",
                 f"{side}PrefixListId"]  # fmt: skip
        fields: dict[str, Any] = {**dict.fromkeys(kinds, "x"), f"{other}CidrIp": "192.168.7.0/24"}
        kept = {f"{other}CidrIp": "192.168.7.0/24"}
        four, six = parse_cidr("10.0.0.0/8"), parse_cidr("fd00::/8")
        assert with_peer(fields, direction, four) == {**kept, f"{side}CidrIp": "10.0.0.0/8"}
        assert with_peer(fields, direction, six) == {**kept, f"Ipv6{side}CidrIp": "fd00::/8"}
        listed = with_peer(fields, direction, PrefixList("pl-1"))
        assert listed == {**kept, f"{side}PrefixListId": "pl-1"}


def test_a_piece_of_a_rule_for_all_has_its_own_protocol_and_no_source_ports() -> None:
    """Only TCP and UDP have ports; what has none is written with -1/-1."""
    (rule,) = group(permission(1, "-1/-1", IpProtocol="ALL", SourcePortRange="1/1023")).rules
    pieces = [written(rule, piece) for piece in pieces_of(rule)]
    assert {one["IpProtocol"]: one["PortRange"] for one in pieces} == {
        "TCP": "1/65535", "UDP": "1/65535", "ICMP": "-1/-1", "GRE": "-1/-1"
    }  # fmt: skip
    assert not any("SourcePortRange" in one for one in pieces)
    (rule,) = group(permission(1, "20/30", SourcePortRange="1/1023")).rules
    assert [written(rule, piece)["SourcePortRange"] for piece in pieces_of(rule)] == ["1/1023"]
