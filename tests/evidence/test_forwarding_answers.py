"""Answers about gateways, balancers and network ACLs that the emulator does not give: believed, or told as unread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.emulator.world.model import ClassicListener, Listener, ServerGroup
from orchestrator.evidence.behind import Estates
from orchestrator.evidence.network_acls import parse_network_acl
from orchestrator.evidence.values import Behind
from orchestrator.exposure import PortSet, blocks
from orchestrator.securitygroup import PortRange
from tests.evidence.estate_kit import (
    SERVERS,
    SSH_SERVER,
    Place,
    classic,
    door,
    entry,
    front,
    nat,
    place,
)
from tests.evidence.traffic_kit import REGION, group, interface

Edit = Callable[[dict[str, Any]], object]


class Edited:
    """A session whose answers to one action are edited on their way."""

    def __init__(self, it: Place, action: str, edit: Edit) -> None:
        self.account_id = it.account_id
        self._session = it.it.member()
        self._action = action
        self._edit = edit

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object], *, product: str
    ) -> dict[str, Any]:
        """Answer as the emulator does, edited."""
        answer = await self._session.call(action, region_id, parameters, product=product)
        if action == self._action:
            self._edit(answer)
        return answer


async def edited(it: Place, action: str, edit: Edit) -> Behind:
    """What stands behind group 1 then."""
    found = await Estates(Edited(it, action, edit)).behind(REGION, {"sg-1": [door()]})
    return found["sg-1", "sgr-1"]


def path(*keys: str | int) -> Callable[[Any], Any]:
    """What stands there in an answer."""

    def of(answer: Any) -> Any:
        for key in keys:
            answer = answer[key]
        return answer

    return of


LIES: dict[str, tuple[str, Edit]] = {
    "a DNAT entry without a port": (
        "DescribeForwardTableEntries",
        lambda one: path("ForwardTableEntries", "ForwardTableEntry", 0)(one).update(InternalPort=""),
    ),
    "a DNAT entry of a protocol that is not known": (
        "DescribeForwardTableEntries",
        lambda one: path("ForwardTableEntries", "ForwardTableEntry", 0)(one).update(IpProtocol="sctp"),
    ),
    "a table that counts more than it gives": (
        "DescribeForwardTableEntries",
        lambda one: one.update(TotalCount=1, ForwardTableEntries={"ForwardTableEntry": []}),
    ),
    "no list of gateways": ("DescribeNatGateways", lambda one: one.pop("NatGateways")),
    "listeners that are counted and not given": (
        "DescribeLoadBalancerListeners",
        lambda one: one.update(TotalCount=7),
    ),
    "servers of another group": (
        "DescribeVServerGroupAttribute",
        lambda one: one.update(VServerGroupId="rsp-2"),
    ),
    "servers that are counted and not given": (
        "ListServerGroupServers",
        lambda one: one.update(TotalCount=7),
    ),
    "a listener that does not say where it listens": (
        "ListListeners",
        lambda one: path("Listeners", 0)(one).update(ListenerPort="high"),
    ),
    "groups of a balancer that are no ids": (
        "ListLoadBalancers",
        lambda one: [row.update(SecurityGroupIds=[7]) for row in one["LoadBalancers"]],
    ),
    "network ACLs that are not counted": ("DescribeNetworkAcls", lambda one: one.update(TotalCount="x")),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_contradicts_itself_is_not_believed(lie: str) -> None:
    """The rule is told as incomplete, with the action; the ways by others are there."""
    action, edit = LIES[lie]
    grouped = ServerGroup("rsp-1", "slb", (SSH_SERVER,))
    listener = ClassicListener(10_022, vserver_group_id="rsp-1")
    ways = replace(
        front("nlb", SSH_SERVER),
        nat_gateways=nat(entry("22", "22")).nat_gateways,
        classic_balancers=classic(listener, vserver_groups=(grouped,)).classic_balancers,
    )
    async with place([interface(1, 1)], ways, [group(1)]) as it:
        honest = await it.of(door())
        found = await edited(it, action, edit)
    assert (honest.status, {one.kind for one in honest.via}) == ("seen", {"dnat", "clb", "nlb"})
    assert found.status == "incomplete"
    assert action in found.reason
    if action == "DescribeNetworkAcls":
        assert {step.effect for one in found.via for step in one.steps if step.kind == "network acl"} == {
            "unread"
        }
    assert len(found.via) == (3 if action == "DescribeNetworkAcls" else 2)


async def test_rules_of_a_classic_listener_lead_to_other_groups() -> None:
    """Of one listener for the web it passes; of several it is not told whose rule it is."""
    grouped = ServerGroup("rsp-1", "slb", (SSH_SERVER,))

    def edit(answer: dict[str, Any]) -> None:
        (one,) = answer["VServerGroups"]["VServerGroup"]
        one["AssociatedObjects"]["Rules"]["Rule"] = [{"RuleId": "rule-1", "Url": "/x"}]

    for ports, effects in (((80,), ["passes"]), ((80, 443), ["unread", "unread"])):
        listeners = [ClassicListener(port, 8_080, "http") for port in ports]
        ways = classic(*listeners, default_servers=SERVERS, vserver_groups=(grouped,))
        async with place([interface(1, 1)], ways, [group(1)]) as it:
            found = await edited(it, "DescribeVServerGroups", edit)
        assert [(one.port, one.steps[1].id, one.steps[1].effect) for one in found.via] == [
            (port, "rule-1", effect) for port, effect in zip(ports, effects, strict=True)
        ]

    idle = ServerGroup("rsp-1", "slb", (replace(SSH_SERVER, weight=0),))
    ways = classic(*listeners, default_servers=SERVERS, vserver_groups=(idle,))
    async with place([interface(1, 1)], ways, [group(1)]) as it:
        found = await edited(it, "DescribeVServerGroups", edit)
    assert {one.effect for one in found.via} == {"blocks"}


async def test_an_address_of_ipv6_makes_an_intranet_balancer_public() -> None:
    """Its addresses of the two families are of a type each."""

    def edit(answer: dict[str, Any]) -> None:
        for one in answer["LoadBalancers"]:
            one["Ipv6AddressType"] = "Internet"

    ways = front("nlb", SSH_SERVER, balancer={"address_type": "Intranet"})
    async with place([interface(1, 1)], ways, [group(1)]) as it:
        assert len((await edited(it, "ListLoadBalancers", edit)).via) == 1


async def test_listeners_of_another_balancer_than_asked_for_are_left_out() -> None:
    """Their servers are not those of this one."""

    def edit(answer: dict[str, Any]) -> None:
        for one in answer["Listeners"]:
            one["LoadBalancerId"] = "lb-8"

    async with place([interface(1, 1)], front("nlb", SSH_SERVER), [group(1)]) as it:
        assert (await edited(it, "ListListeners", edit)).via == ()


async def test_a_row_without_references_is_not_one_without_any() -> None:
    """Whether a rule names the group is not known then, so it is not said to be unused."""

    def edit(answer: dict[str, Any]) -> None:
        for one in answer["SecurityGroupReferences"]["SecurityGroupReference"]:
            del one["ReferencingSecurityGroups"]

    async with place([interface(1, 2)], groups=[group(1), group(2)]) as it:
        assert (await it.of(door())).is_unused
        assert not (await edited(it, "DescribeSecurityGroupReferences", edit)).is_unused


async def test_an_nlb_that_ends_tls_may_not_keep_the_client() -> None:
    """Whom the server sees is not known then: only a rule for everybody surely lets it in."""
    ways = front("nlb", SSH_SERVER, listener=Listener("lsn-1", "TCPSSL", 2_222))
    async with place([interface(1, 1)], ways, [group(1)]) as it:
        for sources, effect in ((("0.0.0.0/0",), "passes"), (("8.0.0.0/8",), "unknown")):
            (way,) = (await it.of(door(sources=sources))).via
            assert (way.steps[-1].kind, way.steps[-1].effect) == ("group", effect)


PORTS, BLOCKS = (21, 22, 23), ("0.0.0.0/0", "8.0.0.0/8", "8.8.0.0/16", "9.0.0.0/8")
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "Policy": st.sampled_from(["accept", "drop"]),
            "Protocol": st.sampled_from(["tcp", "udp", "all", "icmp"]),
            "Port": st.sampled_from(["21/22", "22/22", "22/23", "-1/-1"]),
            "SourceCidrIp": st.sampled_from(BLOCKS),
        }
    ),
    max_size=5,
)


def passes(entries: list[dict[str, str]], port: int, source: str) -> bool:
    """What the first entry that matches a TCP packet says."""
    for one in entries:
        first, _, last = one["Port"].partition("/")
        is_port = one["Protocol"] == "all" or one["Port"] == "-1/-1" or int(first) <= port <= int(last)
        near = blocks([source])[0][0]
        is_source = any(low <= near <= high for low, high in blocks([one["SourceCidrIp"]]))
        if one["Protocol"] in ("tcp", "all") and is_port and is_source:
            return one["Policy"] == "accept"
    return False


@given(
    ENTRIES, st.sampled_from(PORTS), st.sampled_from(["1.1.1.1/32", "8.1.1.1/32", "8.8.1.1/32", "9.1.1.1/32"])
)
def test_a_network_acl_is_its_first_entry_that_matches(
    entries: list[dict[str, str]], port: int, source: str
) -> None:
    """For one packet it passes or blocks as that entry says, and blocks where none matches."""
    out = [{"Policy": "accept", "Protocol": "all", "Port": "-1/-1", "DestinationCidrIp": "0.0.0.0/0"}]
    acl = parse_network_acl(
        {
            "NetworkAclId": "nacl-1",
            "IngressAclEntries": {"IngressAclEntry": entries},
            "EgressAclEntries": {"EgressAclEntry": out},
        }
    )
    effect = acl.effect(PortSet([PortRange("tcp", port, port)]), blocks([source]))
    assert effect == ("passes" if passes(entries, port, source) else "blocks")
