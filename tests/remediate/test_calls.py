"""The calls that change a group, as the cloud receives them: every parameter, the token, and how long they get."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from orchestrator.cloud.errors import ApiError, NotFound, Throttled, Unavailable
from orchestrator.plan import Place
from orchestrator.remediate.calls import (
    GroupCalls,
    RevokeBy,
    batches,
    bytes_to_add,
    is_open,
    is_rule_gone,
)
from orchestrator.securitygroup import authorize_parameters
from tests.remediate.kit import REGION, Cloud, raw_of, rule, rules_of

IN = rule(1, "20/30", description="by hand & more")
OUT = rule(2, "22/22", direction="egress", source_cidr_ip="", dest_cidr_ip="0.0.0.0/0")
WIRE_IN = {
    "Permissions.1.IpProtocol": "TCP",
    "Permissions.1.PortRange": "20/30",
    "Permissions.1.Policy": "Accept",
    "Permissions.1.Priority": "1",
    "Permissions.1.NicType": "intranet",
    "Permissions.1.Description": "by hand & more",
    "Permissions.1.SourceCidrIp": "0.0.0.0/0",
}


def calls_of(there: Cloud, group_id: str, revoke_by: RevokeBy = "id") -> GroupCalls:
    """Calls on a group, by a session that may do anything."""
    place = Place(there.account_id, REGION, group_id)
    return GroupCalls(there.enter(""), place, "apply:1", lambda: None, revoke_by=revoke_by)


def soon() -> float:
    """A moment that has not passed."""
    return asyncio.get_running_loop().time() + 30


def sent(there: Cloud, action: str) -> dict[str, str]:
    """What the only call of an action asked for, beside what every call of the API carries and the token."""
    (call,) = there.emulator.calls.of(action)
    common = {"Action", "Version", "Format", "Timestamp", "ClientToken"}
    return {
        key: value
        for key, value in call.parameters.items()
        if key not in common and not key.startswith(("Signature", "AccessKey", "SecurityToken"))
    }


async def test_every_call_names_its_region_group_and_rules(there: Cloud) -> None:
    """Adding gives every field, modifying too, beside the id; revoking gives ids; each says which request it was."""
    group = there.put(OUT)
    calls, where = (
        calls_of(there, group.security_group_id),
        {"RegionId": REGION, "SecurityGroupId": group.security_group_id},
    )
    async with calls.turn("Authorize", "ingress", hurried=False) as turn:
        request_id = await calls.authorize(turn, [raw_of(IN), raw_of(replace(IN, priority=2))], 0, soon())
    assert request_id == there.emulator.calls.of("AuthorizeSecurityGroup")[0].request_id
    second = {key.replace(".1.", ".2."): value for key, value in WIRE_IN.items()}
    assert sent(there, "AuthorizeSecurityGroup") == {
        **where, **WIRE_IN, **second, "Permissions.2.Priority": "2"
    }  # fmt: skip
    (added, _) = [one for key, one in rules_of(there, group).items() if key != "sgr-2"]
    wanted = {**raw_of(added), "SourceCidrIp": "10.0.0.0/8"}
    async with calls.turn("Modify", "ingress", hurried=False) as turn:
        request_id = await calls.modify(turn, added.security_group_rule_id, wanted, 0, soon())
    assert request_id == there.emulator.calls.of("ModifySecurityGroupRule")[0].request_id
    plain = {key.removeprefix("Permissions.1."): value for key, value in WIRE_IN.items()}
    del plain["NicType"]  # which the API refuses there
    assert sent(there, "ModifySecurityGroupRule") == {
        **where, **plain, "SourceCidrIp": "10.0.0.0/8", "SecurityGroupRuleId": added.security_group_rule_id
    }  # fmt: skip
    async with calls.turn("Revoke", "egress", hurried=False) as turn:
        request_id = await calls.revoke(turn, {"sgr-2": raw_of(OUT)}, 0, soon())
    assert request_id == there.emulator.calls.of("RevokeSecurityGroupEgress")[0].request_id
    assert sent(there, "RevokeSecurityGroupEgress") == {**where, "SecurityGroupRuleId.1": "sgr-2"}


async def test_an_egress_rule_is_added_and_modified_by_the_egress_actions(there: Cloud) -> None:
    """The API has a pair of each action; only the name tells the direction."""
    group = there.put()
    calls = calls_of(there, group.security_group_id)
    async with calls.turn("Authorize", "egress", hurried=False) as turn:
        await calls.authorize(turn, [raw_of(OUT)], 0, soon())
    (added,) = rules_of(there, group).values()
    assert (added.direction, added.dest_cidr_ip) == ("egress", "0.0.0.0/0")
    async with calls.turn("Modify", "egress", hurried=False) as turn:
        wanted = {**raw_of(added), "DestCidrIp": "10.0.0.0/8"}
        await calls.modify(turn, added.security_group_rule_id, wanted, 0, soon())
    (modified,) = rules_of(there, group).values()
    assert modified.dest_cidr_ip == "10.0.0.0/8"
    assert {"AuthorizeSecurityGroupEgress", "ModifySecurityGroupEgressRule"} <= set(there.calls())


@pytest.mark.parametrize(
    ("revoke_by", "priorities", "named"),
    [
        ("id", (1, 2), "SecurityGroupRuleId"),
        ("content", (1, 2), "Permissions"),
        ("content", (1, 110), "SecurityGroupRuleId"),
    ],
)
async def test_a_rule_is_revoked_by_its_id_or_by_all_its_fields(
    there: Cloud, revoke_by: RevokeBy, priorities: tuple[int, int], named: str
) -> None:
    """As the settings say; but priority 110 cannot be sent, so a call that has one such rule names all by their ids."""
    first, second = (replace(IN, security_group_rule_id=f"sgr-{n}", priority=n) for n in priorities)
    group = there.put(first, second)
    calls = calls_of(there, group.security_group_id, revoke_by)
    given = {one.security_group_rule_id: raw_of(one) for one in (first, second)}
    async with calls.turn("Revoke", "ingress", hurried=False) as turn:
        await calls.revoke(turn, given, 0, soon())
    names = {key.partition(".")[0] for key in sent(there, "RevokeSecurityGroup")}
    assert names == {"RegionId", "SecurityGroupId", named}
    assert rules_of(there, group) == {}


class Recorder:
    """A turn that notes the token of each call, and makes none."""

    def __init__(self) -> None:
        self.tokens: list[object] = []

    async def call(self, parameters: Mapping[str, object], *, not_after: float) -> dict[str, object]:  # noqa: ARG002 - a turn's signature
        """Note it."""
        self.tokens.append(parameters["ClientToken"])
        return {}


async def tokens(
    there: Cloud,
    account_id: str = "1001",
    region_id: str = REGION,
    group_id: str = "sg-1",
    job: str = "apply:1",
    attempt: int = 0,
    rule_id: str = "sgr-1",
    **fields: object,
) -> list[object]:
    """The tokens of one call of each kind: to add, to modify, to revoke by id, to revoke by content."""
    turn, raw = Recorder(), {**raw_of(IN), **fields}
    place = Place(account_id, region_id, group_id)
    calls = GroupCalls(there.enter(""), place, job, lambda: None, revoke_by="id")
    by_content = GroupCalls(there.enter(""), place, job, lambda: None, revoke_by="content")
    await calls.authorize(turn, [raw], attempt, 0)
    await calls.modify(turn, rule_id, raw, attempt, 0)
    await calls.revoke(turn, {rule_id: raw}, attempt, 0)
    await by_content.revoke(turn, {rule_id: raw}, attempt, 0)
    return turn.tokens


async def test_a_token_is_another_where_anything_about_the_call_is(there: Cloud) -> None:
    """Account, region, group, job, attempt, kind of call, rule: a token that meant two calls would drop one of them."""
    found = await tokens(there)
    assert found == await tokens(there)
    for other in (
        {"account_id": "1002"}, {"region_id": "cn-beijing"}, {"group_id": "sg-2"}, {"job": "apply:2"}, {"attempt": 1},
    ):  # fmt: skip
        found += await tokens(there, **other)
    add, modify, _, by_content = await tokens(there, PortRange="22/22")
    found += [add, modify, by_content]
    _, modify, by_id, _ = await tokens(there, rule_id="sgr-2")
    found += [modify, by_id]
    assert len(set(found)) == len(found) == 6 * 4 + 5
    assert all(isinstance(one, str) and one.isalnum() and len(one) <= 64 for one in found)


async def test_the_order_of_a_calls_rules_does_not_change_its_token(there: Cloud) -> None:
    """After a crash the same rules may be read in another order: that is the same call."""
    rules = {f"sgr-{n}": raw_of(replace(IN, priority=n)) for n in (1, 2, 3)}
    turned = dict(reversed(rules.items()))
    for revoke_by in ("id", "content"):
        place, turn = Place("1001", REGION, "sg-1"), Recorder()
        calls = GroupCalls(there.enter(""), place, "apply:1", lambda: None, revoke_by=revoke_by)
        for some in (rules, turned):
            await calls.revoke(turn, some, 0, 0)
            await calls.authorize(turn, list(some.values()), 0, 0)
        assert turn.tokens[:2] == turn.tokens[2:]


async def test_a_release_sends_the_tokens_of_the_one_before_it(there: Cloud) -> None:
    """A run that a crash cut short may be finished after an upgrade: the cloud must know its calls again."""
    assert await tokens(there) == [
        "1508a8a9ca07a9350f0879fcfe358a21beb033123ce3a754be4db6c9af5abbcd",
        "74ac7e51a1bd1884cc1be161fb968f95212bbb8eef94760ce06c5a0c4b93ae35",
        "282340e3f6a7a0810356342c8e47024e4a7a4f5ee4fde9dd50d9fa608bf783b2",
        "1609f99ebf27aee3089c3318755471dffad15c4c1d4fd0e2f9ead35a11a1b486",
    ]


async def test_a_rule_takes_the_bytes_it_has_in_the_query(there: Cloud) -> None:
    """Names, values, `=` and `&`, everything quoted, at the last place of a call: how many fit is told by it."""
    raw = raw_of(IN)
    place = Place("1001", REGION, "sg-1")
    in_full = len(urlencode(authorize_parameters(raw, 99)).replace("+", "%20")) + len("&")
    by_id = len(urlencode({"SecurityGroupRuleId.99": "sgr-1"})) + len("&")
    assert bytes_to_add(raw) == in_full
    sizes: dict[RevokeBy, int] = {"id": by_id, "content": in_full}
    for revoke_by, size in sizes.items():
        calls = GroupCalls(there.enter(""), place, "apply:1", lambda: None, revoke_by=revoke_by)
        assert calls.bytes_to_revoke("sgr-1", raw) == size


def test_a_call_takes_what_its_query_can_hold() -> None:
    """8,000 bytes and a hundred rules; one that is larger goes alone."""
    assert batches({"a": 4_000, "b": 4_000, "c": 1}) == [["a", "b"], ["c"]]
    assert batches({"a": 9_000, "b": 1}) == [["a"], ["b"]]
    assert batches({"a": 9_000}) == [["a"]]
    assert [len(one) for one in batches({str(n): 1 for n in range(101)})] == [100, 1]
    assert batches({}) == []


@pytest.mark.parametrize(
    "code",
    [
        "InvalidParam.SecurityGroupRuleId",
        "InvalidSecurityGroupRule.RuleNotExist",
        "InvalidSecurityGroupRuleId.NotFound",
        "SecurityGroupRule.NotFound",
    ],
)
def test_a_rule_that_is_gone_has_four_names(code: str) -> None:
    """Which of them is answered depends on the action (ECS error tables): each means to read again."""
    gone = NotFound(code=code, message="no", action="RevokeSecurityGroup")
    assert is_rule_gone(gone)
    assert is_open(gone)


def test_what_got_no_answer_is_open_and_a_refusal_is_not() -> None:
    """Without an answer only a look tells what was done; a refusal, and a throttled call, did nothing."""
    lost = Unavailable(code="ConnectionReset", message="gone", action="RevokeSecurityGroup")
    assert (is_open(lost), is_rule_gone(lost)) == (True, False)
    for kind in (ApiError, Throttled):
        refused = kind(code="InvalidParam.PortRange", message="no", action="RevokeSecurityGroup")
        assert (is_open(refused), is_rule_gone(refused)) == (False, False)
