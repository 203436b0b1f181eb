"""What stands behind a group and the ways in, read from the emulator: each way's steps, and what could not be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from accounts.credentials import HubCredentialsError
from orchestrator.cloud.errors import Denied, Unavailable
from orchestrator.emulator import Fault, Kind
from orchestrator.emulator.world.model import (
    ClassicListener,
    Tag,
)
from orchestrator.evidence import behind
from orchestrator.evidence.behind import ACTIONS, CarriedTags, Estates
from orchestrator.evidence.owned_by import owned_by
from orchestrator.evidence.values import MOST_WAYS_TOLD, Behind, BehindInstance, OwnedBy
from orchestrator.policy import Owners, Verdict
from orchestrator.policy.checks import Status
from orchestrator.securitygroup import Placement, parse_group
from tests.evidence.estate_kit import (
    SERVERS,
    SSH_SERVER,
    Place,
    classic,
    door,
    entry,
    front,
    nat,
    one_way,
    place,
    told,
)
from tests.evidence.traffic_kit import REGION, group, interface, rule

PUBLIC: dict[str, Any] = {"public_ip": "47.1.2.3"}
GROUP = "group sg-1 passes"


# --- interfaces, instances and addresses


async def test_interfaces_instances_and_addresses_are_told() -> None:
    """How many interfaces, each instance once by name, the own address and the elastic one of a second interface."""
    second = interface(2, 1, instance_id="i-1", primary=False, public_ip="47.9.9.9", allocation_id="eip-1")
    detached = interface(3, 1, status="Available", primary=False, instance_id="")
    async with place([interface(1, 1, **PUBLIC), second, detached, interface(4, 2)], groups=[group(1)]) as it:
        found = await it.of(door())
    assert (found.status, found.interfaces, found.reason) == ("seen", 3, "")
    assert found.instances == (BehindInstance("i-1", "host-i-1"),)
    assert found.public_addresses == ("47.1.2.3", "47.9.9.9")
    assert [told(one) for one in found.via] == [
        f"address 47.1.2.3:0 to eni-1: address 47.1.2.3 passes, route  unread, network acl  passes, {GROUP}",
        f"eip 47.9.9.9:0 to eni-2: address 47.9.9.9 passes, route  unread, network acl  passes, {GROUP}",
    ]
    assert {one.effect for one in found.via} == {"unread"}


async def test_an_address_of_ipv6_may_be_open_to_the_internet() -> None:
    """It is a way in for a rule that lets in IPv6 only; whether it was opened to the Internet is not read."""
    ipv6: dict[str, Any] = {"ipv6": "2408:4000::1"}
    assert await one_way(**ipv6) == []
    (way,) = await one_way(door(sources=("::/0",)), **ipv6)
    assert way.startswith("ipv6 2408:4000::1:0 to eni-1: address 2408:4000::1 unread, route  unread")


async def test_an_instance_of_the_classic_network_has_no_interface() -> None:
    """Its own address is a way in without route or network ACL."""
    classic = interface(1, 1, vpc_id="", **PUBLIC)
    async with place([classic], groups=[group(1, vpc_id="")]) as it:
        found = await it.of(door())
    assert [told(one) for one in found.via] == [
        f"address 47.1.2.3:0 to eni-1: address 47.1.2.3 passes, {GROUP}"
    ]
    assert found.via[0].effect == "passes"


async def test_no_way_in_is_told_as_not_found() -> None:
    """Latent means that these reads found none; that is said, and is not said of what a rule lets out."""
    async with place([interface(1, 1)], groups=[group(1)]) as it:
        found = await it.behind(door(), door(1, 2, direction="egress"))
    assert found["sg-1", "sgr-1"] == Behind(
        status="seen", interfaces=1, instances=(BehindInstance("i-1", "host-i-1"),), reason=behind._NO_WAY
    )
    assert found["sg-1", "sgr-2"].reason == ""


async def test_what_the_rule_does_not_let_in_is_no_way() -> None:
    """Private sources and members of a group do not come from the Internet; a list that was not read may."""
    for sources, effects in (
        (("10.0.0.0/8",), []),
        (("sg-9",), []),
        (("8.0.0.0/8",), ["unread"]),
        (("pl-1",), ["unknown"]),
        ((), ["unknown"]),
    ):
        async with place([interface(1, 1, **PUBLIC)], groups=[group(1)]) as it:
            found = await it.of(door(sources=sources))
        assert [one.effect for one in found.via] == effects, sources


async def test_an_undetermined_rule_is_unknown_and_a_shadowed_one_blocks() -> None:
    """The group's step says what the verdict says."""
    undetermined = door(check_id="undetermined", verdict=Verdict.undetermined)
    for finding, effect in ((undetermined, "unknown"), (door(status=Status.shadowed), "blocks")):
        (way,) = await one_way(finding, **PUBLIC)
        assert way.endswith(f"group sg-1 {effect}")


async def test_many_ways_are_bounded() -> None:
    """Beyond the bound they are counted."""
    many = [
        interface(number, 1, public_ip=f"47.1.{number // 250}.{number % 250 + 1}") for number in range(1, 211)
    ]
    async with place(many, groups=[group(1)]) as it:
        found = await it.of(door())
    assert (len(found.via), found.ways_untold) == (MOST_WAYS_TOLD, 10)
    assert len(found.instances) == found.interfaces == 210


# --- unused groups


async def test_a_group_that_nobody_needs_is_unused() -> None:
    """On no interface, joined by no balancer, named by no other group's rule: asked in tens, and only of such."""
    names = group(2, rule(2, source="", source_group_id="sg-3"))
    itself = group(4, rule(4, source="", source_group_id="sg-4"))
    many = [group(number) for number in range(10, 21)]
    groups = [group(1), names, group(3), itself, *many]
    async with place([interface(1, 1)], groups=groups) as it:
        found = await it.behind(
            *(door(number) for number in (1, 3, 4, *range(10, 21))), referenced=("sg-10",)
        )
        assert it.calls["DescribeSecurityGroupReferences"] == 2
    unused = {group_id for (group_id, _), one in found.items() if one.is_unused}
    assert unused == {"sg-4", *(f"sg-{number}" for number in range(11, 21))}
    assert {one.status for one in found.values()} == {"seen"}


async def test_a_group_that_is_gone_is_not_unused_and_hides_no_other() -> None:
    """Where one of ten is gone, the others are asked for by themselves."""
    async with place([interface(1, 1)], groups=[group(1), group(2)]) as it:
        found = await it.behind(door(2), door(9))
    assert [found[key].is_unused for key in (("sg-2", "sgr-1"), ("sg-9", "sgr-1"))] == [True, False]


async def test_where_nothing_is_given_nothing_is_said_to_be_unused() -> None:
    """No interface at all is what is answered to whoever may see none, too."""
    async with place(groups=[group(1)]) as it:
        found = await it.of(door())
        assert "DescribeSecurityGroupReferences" not in it.calls
    assert (found.status, found.is_unused) == ("incomplete", False)
    assert "answered alike" in found.reason


# --- what could not be read


def deny(it: Place, *actions: str) -> None:
    """Take the right to these actions."""
    it.it.emulator.set_faults(*(Fault(kind=Kind.DENIED, action=one) for one in actions))


PARTS = {
    "DescribeNatGateways": "vpc:DescribeNatGateways",
    "DescribeForwardTableEntries": "vpc:DescribeForwardTableEntries",
    "DescribeNetworkAcls": "vpc:DescribeNetworkAcls",
    "DescribeLoadBalancerListeners": "slb:DescribeLoadBalancerListeners",
    "ListServerGroups": "nlb:ListServerGroups",
    "DescribeInstances": "ecs:DescribeInstances",
}


@pytest.mark.parametrize("action", PARTS)
async def test_a_right_that_is_missing_is_told_and_asked_for_once(action: str) -> None:
    """The reason names the action and the RequestId; the rest is told; another region of the account does not ask."""
    ways = replace(
        front("nlb", SSH_SERVER),
        nat_gateways=nat(entry("22", "22")).nat_gateways,
        classic_balancers=classic(ClassicListener(22, 22), default_servers=SERVERS).classic_balancers,
    )
    async with place([interface(1, 1, **PUBLIC)], ways, [group(1)]) as it:
        deny(it, action)
        found = await it.of(door())
        asked = it.calls[action]
        again = await it.of(door())
        assert it.calls[action] == asked
    assert (found.status, again.status) == ("incomplete", "incomplete")
    assert re.search(
        rf"{PARTS[action]}: (NoPermission|Forbidden\S*): .*\(RequestId [0-9A-F-]{{36}}\)", found.reason
    )
    assert found.reason == again.reason
    assert len(found.via) >= 2
    acl_step = "network acl  unread" if action == "DescribeNetworkAcls" else "network acl  passes"
    assert all(acl_step in told(one) for one in found.via)


async def test_without_interfaces_nothing_can_be_told() -> None:
    """Where they may not be read it is `not_permitted`, and nothing else is asked."""
    async with place([interface(1, 1)], groups=[group(1)]) as it:
        deny(it, "DescribeNetworkInterfaces")
        found = await it.behind(door(), door(2))
        assert set(it.calls) == {"DescribeNetworkInterfaces"}
    assert {one.status for one in found.values()} == {"not_permitted"}
    assert "ecs:DescribeNetworkInterfaces: Forbidden" in found["sg-1", "sgr-1"].reason


async def test_a_failure_that_is_no_refusal_is_asked_again_elsewhere() -> None:
    """`incomplete`, with the action; the next region asks again."""
    async with place([interface(1, 1)], nat(entry("22", "22")), [group(1)]) as it:
        it.it.emulator.set_faults(Fault(kind=Kind.UNAVAILABLE, action="DescribeNatGateways"))
        found = await it.of(door())
        it.it.emulator.set_faults()
        again = await it.of(door())
    assert (found.status, again.status) == ("incomplete", "seen")
    assert "vpc:DescribeNatGateways" in found.reason
    assert (len(found.via), len(again.via)) == (0, 1)


async def test_a_clock_that_is_wrong_is_no_missing_right() -> None:
    """It is asked again, and told as incomplete, even of the interfaces."""
    skewed = Denied(code="InvalidTimeStamp.Expired", message="z", action="DescribeNetworkInterfaces")
    times = 0

    class Skewed:
        account_id = "1"

        async def call(
            self, action: str, region_id: str | None, parameters: Mapping[str, object], *, product: str
        ) -> dict[str, Any]:
            assert (action, region_id, product) == (
                "DescribeNetworkInterfaces",
                parameters["RegionId"],
                "ecs",
            )
            nonlocal times
            times += 1
            raise skewed

    estates = Estates(Skewed())
    for _ in range(2):
        found = await estates.behind(REGION, {"sg-1": [door()]})
        assert found["sg-1", "sgr-1"].status == "incomplete"
    assert times == 2


async def test_what_is_told_is_read_each_time() -> None:
    """Between two tellings an interface may come."""
    async with place([interface(1, 1)], groups=[group(1)]) as it:
        assert (await it.of(door())).interfaces == 1
        it.it.world.estate(it.account_id, REGION).interfaces = (interface(1, 1), interface(2, 1))
        assert (await it.of(door())).interfaces == 2


async def test_a_gap_matters_only_where_something_may_be_missing() -> None:
    """Not where a rule lets out, and not where no interface is that anything could be forwarded to."""
    async with place([interface(1, 1)], groups=[group(1), group(2)]) as it:
        deny(it, "DescribeNatGateways")
        found = await it.behind(door(), door(1, 2, direction="egress"), door(2))
    assert [one.status for one in found.values()] == ["incomplete", "seen", "seen"]
    for action in ("DescribeSecurityGroupReferences", "ListLoadBalancers"):
        async with place([interface(1, 1)], groups=[group(1), group(2)]) as it:
            deny(it, action)
            found = await it.behind(door(1, 2, direction="egress"), door(2, direction="egress"))
        assert [one.status for one in found.values()] == ["seen", "incomplete"]
        assert not found["sg-2", "sgr-1"].is_unused


async def test_an_instance_that_was_not_given_is_told() -> None:
    """Its own addresses and its name are not known."""

    class Forgetful:
        """A session whose cloud leaves out every instance."""

        def __init__(self, it: Place) -> None:
            self.account_id = it.account_id
            self._session = it.it.member()

        async def call(self, action: str, *args: Any, **more: Any) -> dict[str, Any]:
            answer = await self._session.call(action, *args, **more)
            return {"Instances": {"Instance": []}} if action == "DescribeInstances" else answer

    async with place([interface(1, 1, **PUBLIC)], groups=[group(1)]) as it:
        found = (await Estates(Forgetful(it)).behind(REGION, {"sg-1": [door()]}))["sg-1", "sgr-1"]
    assert (found.status, found.instances) == ("incomplete", (BehindInstance("i-1"),))
    assert found.reason == "ecs:DescribeInstances did not give i-1"


async def test_the_hubs_own_credentials_end_it() -> None:
    """That is nobody's finding; any other failure is told of the rules."""

    class Ended:
        account_id = "1"
        error: Exception = Unavailable(code="x", message="y")

        async def call(
            self, action: str, region_id: str | None, parameters: Mapping[str, object], *, product: str
        ) -> dict[str, Any]:
            assert (action, region_id, parameters["RegionId"], product) == (
                "DescribeNetworkInterfaces",
                REGION,
                REGION,
                "ecs",
            )
            raise self.error

    found = await Estates(Ended()).behind(REGION, {"sg-1": [door()]})
    assert found["sg-1", "sgr-1"].status == "incomplete"

    class Gone(Ended):
        error = HubCredentialsError("they no longer hold")

    with pytest.raises(HubCredentialsError):
        await Estates(Gone()).behind(REGION, {"sg-1": [door()]})


async def test_a_session_of_these_actions_is_enough() -> None:
    """Nothing is called that `ACTIONS` does not name; without findings nothing is called at all."""
    ways = replace(front("alb", SSH_SERVER), nat_gateways=nat(entry("22", "22")).nat_gateways)
    async with place([interface(1, 1, **PUBLIC)], ways, [group(1), group(2)]) as it:
        assert await it.behind() == {}
        assert it.calls == {}
        await it.behind(door(), door(2))
        await it.estates.tags(REGION, {"sg-1": "vpc-1"})
        assert set(it.calls) <= {one.partition(":")[2] for one in ACTIONS}
        assert it.calls["DescribeNetworkInterfaces"] == it.calls["DescribeInstances"] == 1


# --- owners


async def test_an_owner_is_named_by_tags_of_instances_and_vpc() -> None:
    """The instances' before the VPC's; what could not be read names nobody."""
    tagged = interface(1, 1, instance_tags=(Tag("owner", "shop"),))
    owners = Owners(tags=("owner",))
    read = parse_group(Placement("1", "acme"), REGION, {"SecurityGroupId": "sg-2", "VpcId": "vpc-1"}, {}, ())
    async with place(
        [tagged], groups=[group(1), group(2)], vpc_tags={"vpc-1": (Tag("owner", "network"),)}
    ) as it:
        found = await it.estates.tags(REGION, {"sg-1": "vpc-1", "sg-2": "vpc-1", "sg-3": ""})
        deny(it, "DescribeVpcs")
        denied = await Estates(it.it.member()).tags(REGION, {"sg-2": "vpc-1"})
    assert found == {
        "sg-1": CarriedTags(((("owner", "shop"),),), (("owner", "network"),)),
        "sg-2": CarriedTags((), (("owner", "network"),)),
        "sg-3": CarriedTags(),
    }
    assert denied == {"sg-2": CarriedTags()}
    by_vpc = owned_by(read, owners, found["sg-2"].instances, found["sg-2"].vpc)
    assert by_vpc == OwnedBy("network", "the tag of its VPC, owner")
    assert owned_by(read, owners, found["sg-1"].instances, found["sg-1"].vpc).name == "shop"
    assert owned_by(read, owners, (), ()) == OwnedBy("acme", "the account's name")
