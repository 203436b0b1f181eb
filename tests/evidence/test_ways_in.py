"""The ways in that no interface shows, read from the emulator: DNAT, network ACLs and balancers, step by step."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.emulator.world.model import (
    AclEntry,
    ClassicListener,
    Listener,
    NetworkAcl,
    Server,
    ServerGroup,
    WaysIn,
)
from orchestrator.securitygroup import Placement, parse_group
from tests.evidence.estate_kit import (
    DNS,
    SERVERS,
    SSH_SERVER,
    classic,
    door,
    entry,
    front,
    nat,
    one_way,
    place,
    told,
)
from tests.evidence.traffic_kit import REGION, group, interface

PUBLIC: dict[str, Any] = {"public_ip": "47.1.2.3"}
GROUP = "group sg-1 passes"


# --- NAT


@pytest.mark.parametrize(
    ("external", "internal", "protocol", "port"),
    [
        ("20022", "22", "tcp", 20_022),
        ("22", "22", "tcp", 0),
        ("1000/1010", "20/30", "tcp", 1_002),
        ("any", "any", "any", 0),
        ("any", "any", "tcp", 0),
        ("22", "2222", "tcp", None),
        ("22", "22", "udp", None),
        ("any", "any", "udp", None),
    ],
)
async def test_a_dnat_entry_counts_by_the_port_that_it_forwards_to(
    external: str, internal: str, protocol: str, port: int | None
) -> None:
    """What is called outside may be any port; the finding is about the one inside."""
    found = await one_way(ways=nat(entry(external, internal, protocol)))
    expected = (
        f"dnat 39.1.1.1:{port} to eni-1: address 39.1.1.1 passes, dnat fwd-1 passes, route  unread, "
        f"network acl  passes, {GROUP}"
    )
    assert found == ([] if port is None else [expected])


async def test_a_dnat_entry_of_another_network_is_none_of_it() -> None:
    """A gateway between networks, another VPC's with the same private address, an address that nobody has."""
    assert await one_way(ways=nat(entry("22", "22"), network_type="intranet")) == []
    assert await one_way(ways=nat(entry("22", "22", address="10.0.0.9"))) == []
    assert await one_way(ways=nat(entry("22", "22")), vpc_id="vpc-2") == []
    async with place([interface(1, 1, vpc_id="vpc-2")], nat(entry("22", "22")), [group(1)]) as it:
        await it.of(door())
        assert (it.calls["DescribeNatGateways"], "DescribeForwardTableEntries" in it.calls) == (1, False)


async def test_a_dnat_entry_ends_in_its_gateways_own_vpc() -> None:
    """An interface of another VPC with that address is not meant, though nobody has it in the gateway's."""
    near, far = interface(1, 1), interface(2, 1, vpc_id="vpc-2")
    async with place([near, far], nat(entry("22", "22", address="10.0.0.2")), [group(1)]) as it:
        assert (await it.of(door())).via == ()
        assert it.calls["DescribeForwardTableEntries"] == 1


# --- network ACLs


def acl(*ingress: AclEntry, egress: tuple[AclEntry, ...] | None = None) -> WaysIn:
    """An ACL of the vSwitch of vpc-1."""
    out = (AclEntry("out", "accept"),) if egress is None else egress
    return WaysIn(network_acls=(NetworkAcl("nacl-1", "vpc-1", "n", ("vsw-1",), ingress, out),))


_ALL, _SSH = AclEntry("all", "accept"), AclEntry("ssh", "drop", "tcp", "22/22")
_RDP = AclEntry("rdp", "drop", "tcp", "3389/3389")


@pytest.mark.parametrize(
    ("ways", "effect"),
    [
        (acl(_SSH, _ALL), "blocks"),
        (acl(_ALL, _SSH), "passes"),
        (acl(_RDP, _ALL), "passes"),
        (acl(), "blocks"),
        (acl(replace(_SSH, cidr="8.8.8.0/24"), _ALL), "passes"),
        (acl(replace(_ALL, cidr="10.0.0.0/8")), "blocks"),
        (acl(replace(_ALL, protocol="udp")), "blocks"),
        (acl(_ALL, egress=()), "blocks"),
        (acl(_ALL, egress=(AclEntry("out", "accept", "tcp", "443/443"),)), "blocks"),
        (acl(_ALL, egress=(AclEntry("out", "accept", "tcp", "1024/65535"),)), "passes"),
        (acl(replace(_ALL, protocol="sctp?")), "unknown"),
    ],
)
async def test_the_first_rule_of_a_network_acl_that_matches_decides(ways: WaysIn, effect: str) -> None:
    """By protocol, port and source; nothing matches: dropped; answers need a rule of their own."""
    (way,) = await one_way(ways=ways, **PUBLIC)
    assert f"network acl nacl-1 {effect}" in way


async def test_answers_of_udp_are_nobodys_need() -> None:
    """One packet may do; TCP gets nowhere without an answer."""
    silent = acl(_ALL, egress=())
    for ports, effect in ((("udp/53",), "passes"), (("tcp/22", "udp/53"), "passes"), (("tcp/22",), "blocks")):
        (way,) = await one_way(door(1, 1, *ports), ways=silent, **PUBLIC)
        assert f"network acl nacl-1 {effect}" in way


async def test_where_an_acl_may_not_filter_what_it_blocks_is_unknown() -> None:
    """A second interface's elastic address may be in cut-through mode; a balancer may be in the same vSwitch."""
    blocked = acl(_SSH, _ALL)
    elastic: dict[str, Any] = {**PUBLIC, "allocation_id": "eip-1"}
    (way,) = await one_way(ways=blocked, **elastic)
    assert "network acl nacl-1 blocks" in way
    second = interface(1, 1, primary=False, **elastic)
    async with place([interface(2, 9, instance_id="i-1"), second], blocked, [group(1)]) as it:
        (found,) = (await it.of(door())).via
    assert "network acl nacl-1 unknown" in told(found)
    for product, effect in (("nlb", "blocks"), ("alb", "unknown")):
        ways = replace(front(product, SSH_SERVER), network_acls=blocked.network_acls)
        (way,) = await one_way(ways=ways)
        assert f"network acl nacl-1 {effect}" in way


async def test_ways_that_pass_come_first_and_blocked_ones_last() -> None:
    """Whoever reads the first knows whether there is one."""
    idle = replace(SERVERS[0], weight=0)
    ways = replace(
        front("nlb", SSH_SERVER),
        classic_balancers=classic(ClassicListener(22, 22), default_servers=(idle,)).classic_balancers,
    )
    async with place([interface(1, 1, **PUBLIC)], ways, [group(1)]) as it:
        found = await it.of(door())
    assert [(one.kind, one.effect) for one in found.via] == [
        ("nlb", "passes"),
        ("address", "unread"),
        ("clb", "blocks"),
    ]


async def test_a_list_of_sources_that_is_not_known_may_be_what_an_acl_drops() -> None:
    """Where it lets in some, it is not known whether those are among them; where it lets in all or none, it is."""
    some = replace(_SSH, cidr="8.0.0.0/8")
    for entries, effect in (((some, _ALL), "unknown"), ((_ALL,), "passes"), ((_SSH, _ALL), "blocks")):
        (way,) = await one_way(door(sources=("pl-1",)), ways=acl(*entries), **PUBLIC)
        assert f"network acl nacl-1 {effect}" in way


async def test_the_groups_own_rule_tells_the_sources_exactly() -> None:
    """With the group at hand a prefix list is what it holds: nobody from the Internet comes by it."""
    listing = {"SecurityGroupId": "sg-1", "SecurityGroupName": "x", "VpcId": "vpc-1"}
    permission = {
        "SecurityGroupRuleId": "sgr-1", "Direction": "ingress", "Policy": "Accept", "Priority": "1",
        "IpProtocol": "TCP", "PortRange": "22/22", "SourceCidrIp": "10.1.0.0/16", "NicType": "intranet",
    }  # fmt: skip
    read = parse_group(Placement("1"), REGION, listing, {}, [permission])
    async with place([interface(1, 1, **PUBLIC)], groups=[group(1)]) as it:
        found = await it.of(door(sources=("pl-1",)), groups={"sg-1": read})
        assert found.via == ()


# --- balancers


async def test_default_servers_of_a_classic_balancer_are_a_way_in() -> None:
    """The port of the servers counts; whether a group filters what is forwarded is not documented."""
    (way,) = await one_way(ways=classic(ClassicListener(2_222, 22), default_servers=SERVERS))
    assert way == (
        "clb 39.5.5.5:2222 to eni-1: address 39.5.5.5 passes, listener lb-1:tcp:2222 passes, "
        "network acl  passes, group sg-1 unknown"
    )
    for listener in (
        ClassicListener(22, 2_222),
        ClassicListener(22, 22, "udp"),
        ClassicListener(22, 22, status="stopped"),
    ):
        assert await one_way(ways=classic(listener, default_servers=SERVERS)) == []
    for status in ("inactive", "locked"):
        ways = classic(ClassicListener(22, 22), default_servers=SERVERS, status=status)
        assert await one_way(ways=ways) == []


async def test_groups_of_servers_of_a_classic_balancer_have_ports_of_their_own() -> None:
    """A vServer group with an interface, a master and a slave; each is read once, whoever names it."""
    grouped = ServerGroup("rsp-1", "slb", (Server("eni-1", "Eni", "10.0.0.1", 22), Server("i-9", port=22)))
    listeners = (
        ClassicListener(10_022, vserver_group_id="rsp-1"),
        ClassicListener(443, protocol="https", vserver_group_id="rsp-1"),
    )
    async with place([interface(1, 1)], classic(*listeners, vserver_groups=(grouped,)), [group(1)]) as it:
        found = await it.of(door())
        assert sorted(one.port for one in found.via) == [443, 10_022]
        assert it.calls["DescribeVServerGroupAttribute"] == 1
    pair = ServerGroup("msg-1", "slb", (Server("i-1", port=22, weight=0, role="Slave"),))
    ways = classic(ClassicListener(23, master_slave_group_id="msg-1"), master_slave_groups=(pair,))
    (way,) = await one_way(ways=ways)
    assert "clb 39.5.5.5:23 to eni-1" in way
    assert "listener lb-1:tcp:23 passes" in way


async def test_access_lists_weights_and_intranet_addresses_are_told() -> None:
    """A list is not read, a server of weight 0 gets nothing, and an intranet address may have an elastic one."""
    listed = ClassicListener(22, 22, acl_status="on", acl_type="white", acl_ids=("acl-1",))
    (way,) = await one_way(ways=classic(listed, default_servers=SERVERS))
    assert "listener lb-1:tcp:22 unread" in way
    idle = (replace(SERVERS[0], weight=0),)
    (way,) = await one_way(ways=classic(ClassicListener(22, 22), default_servers=idle))
    assert "listener lb-1:tcp:22 blocks" in way
    inside = classic(
        ClassicListener(22, 22), default_servers=SERVERS, address_type="intranet", vpc_id="vpc-1"
    )
    (way,) = await one_way(ways=inside)
    assert "address 39.5.5.5 unread" in way


async def test_an_nlb_that_keeps_clients_is_let_in_by_the_rule() -> None:
    """Its address is a name; the port of the server counts, or the listener's where that is any."""
    (way,) = await one_way(ways=front("nlb", SSH_SERVER))
    assert way == (
        f"nlb {DNS['nlb']}:2222 to eni-1: address {DNS['nlb']} passes, listener lsn-1 passes, "
        f"network acl  passes, {GROUP}"
    )
    assert await one_way(ways=front("nlb", replace(SSH_SERVER, port=2_222))) == []
    any_port = Listener("lsn-1", "TCP", 0, 20, 30)
    (way,) = await one_way(ways=front("nlb", replace(SSH_SERVER, port=0), listener=any_port))
    assert f"nlb {DNS['nlb']}:0 to eni-1" in way


async def test_a_balancer_with_an_address_of_its_own_is_let_in_by_a_rule_for_everybody_only() -> None:
    """An ALB, or an NLB that does not keep the client: a rule for some public network says nothing of it."""
    for ways in (front("alb", SSH_SERVER), front("nlb", SSH_SERVER, preserves_client=False)):
        (way,) = await one_way(ways=ways)
        assert way.endswith("group sg-1 passes")
        assert await one_way(door(sources=("8.0.0.0/8",)), ways=ways) == []
        (way,) = await one_way(door(sources=("10.0.0.0/8",)), ways=ways)
        assert way.endswith("group sg-1 unknown")
    (way,) = await one_way(ways=front("alb", SSH_SERVER))
    assert "listener lsn-1 unread" in way  # its access list is not in the list of listeners


async def test_servers_by_interface_and_by_address() -> None:
    """An address in the group's own VPC, or, where there is none, in another one by a route that is not read."""
    for server in (Server("eni-1", "Eni", "10.0.0.1", 22), Server("10.0.0.1", "Ip", "10.0.0.1", 22)):
        (way,) = await one_way(ways=front("nlb", server))
        assert "to eni-1" in way
        assert "route" not in way
    far = front("nlb", Server("10.0.0.1", "Ip", "10.0.0.1", 22), vpc_id="vpc-2")
    (way,) = await one_way(ways=far)
    assert "listener lsn-1 passes, route  unread" in way
    assert await one_way(ways=front("nlb", Server("eni-9", "Eni", "10.0.0.1", 22))) == []
    assert await one_way(ways=front("nlb", Server("i-1", "Eci", "10.0.0.1", 22))) == []


async def test_an_alb_rule_that_forwards_elsewhere_is_unread() -> None:
    """A server group that a balancer uses and no listener forwards to by itself is behind a rule of one of these."""
    ways = replace(front("alb", SSH_SERVER), forwards={})
    found = await one_way(ways=ways)
    assert len(found) == 1
    assert "listener lsn-1 unread" in found[0]


async def test_balancers_that_take_nothing_from_the_internet_are_no_way() -> None:
    """Intranet, inactive, or with a listener that was stopped; their listeners are not even asked for."""
    for fields in ({"address_type": "Intranet"}, {"status": "Inactive"}):
        async with place([interface(1, 1)], front("nlb", SSH_SERVER, balancer=fields), [group(1)]) as it:
            assert (await it.of(door())).via == ()
            assert "ListListeners" not in it.calls
    stopped = Listener("lsn-1", "TCP", 2_222, status="Stopped")
    assert await one_way(ways=front("nlb", SSH_SERVER, listener=stopped)) == []


async def test_a_balancer_that_joined_the_group_lets_in_to_its_listeners_port() -> None:
    """Its own finding is about the listener's port and ends at the servers; other groups of it are not read."""
    joined = {"group_ids": ("sg-1", "sg-2")}
    finding = door(1, 1, "tcp/2222", rule_id="lb-9", balancer_id="lb-9")
    async with place([interface(1, 5)], front("nlb", SSH_SERVER, balancer=joined), [group(1)]) as it:
        found = await it.of(finding)
        other = await it.of(door(1, 1, "tcp/22", rule_id="lb-9", balancer_id="lb-9"))
    (way,) = found.via
    steps = f"address {DNS['nlb']} passes, {GROUP}, group sg-2 unread, listener lsn-1 passes"
    assert told(way) == f"nlb {DNS['nlb']}:2222 to eni-1: {steps}"
    assert (other.via, found.is_unused) == ((), False)
    async with place([interface(1, 8)], front("nlb", SSH_SERVER, balancer=joined), [group(1)]) as it:
        left = await it.of(door(8, 1, "tcp/2222", rule_id="lb-9", balancer_id="lb-9"))
        assert left.via == ()  # it has left that group since the scan
    (line,) = await one_way(ways=front("nlb", SSH_SERVER, balancer={"group_ids": ("sg-7",)}))
    assert "passes, group sg-7 unread, listener" in line
