"""STS, roles and RAM: who may become whom, for how long, and what a session then may do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.emulator import Keys, Options, Quirks, Statement, UncertainError, World, WorldOutline
from orchestrator.emulator.world.model import Role
from orchestrator.emulator.world.organization import shut
from orchestrator.emulator.world.policies import PolicyGrammarError, allows, read_policy
from tests.emulator.wire import RM, STS, Cloud


def assume(cloud: Cloud, keys: Keys | None = None, **changed: Any) -> tuple[int, dict[str, Any]]:
    """AssumeRole into the first member."""
    asked = {
        "RoleArn": f"acs:ram::{cloud.member}:role/sgsweep-remediate",
        "RoleSessionName": "sgsweep-test",
        **changed,
    }
    return cloud.call("AssumeRole", keys, STS, **asked)


def session(cloud: Cloud, keys: Keys | None = None, **changed: Any) -> Keys:
    """The keys of an AssumeRole that must succeed."""
    status, body = assume(cloud, keys, **changed)
    assert status == 200, body
    made = body["Credentials"]
    return Keys(made["AccessKeyId"], made["AccessKeySecret"], made["SecurityToken"])


def policy(*statements: dict[str, Any]) -> str:
    """A policy document."""
    return msgspec.json.encode({"Version": "1", "Statement": statements}).decode()


def target(cloud: Cloud) -> dict[str, str]:
    """A group of the first member that can be changed, with a rule."""
    for region_id in cloud.world.region_ids:
        for group in cloud.world.estate(cloud.member, region_id).groups.values():
            if not group.service_managed and group.rules and group.rules[0].direction == "ingress":
                return {
                    "RegionId": region_id,
                    "SecurityGroupId": group.security_group_id,
                    "SecurityGroupRuleId.1": group.rules[0].security_group_rule_id,
                }
    raise LookupError("no such group")


def test_assume_role_answers_as_documented(cloud: Cloud) -> None:
    """Keys with their expiry, the session's ARN and id, and the source identity echoed."""
    status, body = assume(cloud, SourceIdentity="alice", DurationSeconds=900)
    assert status == 200
    assert body["Credentials"]["AccessKeyId"].startswith("STS.")
    assert body["Credentials"]["Expiration"] == "2027-01-15T08:15:00Z"
    assert body["AssumedRoleUser"]["Arn"] == f"acs:ram::{cloud.member}:role/sgsweep-remediate/sgsweep-test"
    assert body["AssumedRoleUser"]["AssumedRoleId"].endswith(":sgsweep-test")
    assert body["SourceIdentity"] == "alice"


def test_a_session_is_its_account(cloud: Cloud) -> None:
    """What a session reads is the member's, not the hub's."""
    keys = session(cloud)
    who = cloud.ok("GetCallerIdentity", keys, STS)
    assert (who["AccountId"], who["IdentityType"]) == (cloud.member, "AssumedRoleUser")
    assert who["Arn"] == f"acs:ram::{cloud.member}:assumed-role/sgsweep-remediate/sgsweep-test"
    for region_id in cloud.world.region_ids:
        body = cloud.ok("DescribeSecurityGroups", keys, RegionId=region_id, MaxResults=100)
        ids = [group["SecurityGroupId"] for group in body["SecurityGroups"]["SecurityGroup"]]
        assert ids == list(cloud.world.estate(cloud.member, region_id).groups)[:100]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"RoleArn": ""}, 400, "MissingParameter"),
        ({"RoleArn": "acs:ram::1:role/x"}, 400, "InvalidParameter.RoleArn"),
        ({"RoleArn": "acs:ram::1000000000000000:role/none"}, 404, "EntityNotExist.Role"),
        ({"RoleArn": "acs:ram::1000000000000000:user/none"}, 404, "EntityNotExist.Role"),
        ({"RoleSessionName": "x"}, 400, "InvalidParameter.RoleSessionName"),
        ({"RoleSessionName": "a b"}, 400, "InvalidParameter.RoleSessionName"),
        ({"RoleSessionName": "x" * 65}, 400, "InvalidParameter.RoleSessionName"),
        ({"DurationSeconds": 899}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": 3601}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": "²"}, 400, "InvalidParameter.DurationSeconds"),
        ({"ExternalId": "a b"}, 400, "InvalidParameter.ExternalId"),
        ({"Policy": "{"}, 400, "InvalidParameter.PolicyGrammar"),
        ({"Policy": "x" * 2048}, 400, "InvalidParameter.PolicySize"),
        ({"Policy": "\u00e9" * 1024}, 400, "InvalidParameter.PolicySize"),
        ({"Policy": "x" * 2047}, 400, "InvalidParameter.PolicyGrammar"),
        ({"SourceIdentity": "a"}, 400, "InvalidParameter.SourceIdentity"),
        ({"SourceIdentity": "a" * 65}, 400, "InvalidParameter.SourceIdentity"),
        ({"SourceIdentity": "alice smith"}, 400, "InvalidParameter.SourceIdentity"),
        ({"SourceIdentity": "acs:alice"}, 400, "InvalidParameter.SourceIdentity"),
        ({"SourceIdentity": "aliyun:alice"}, 400, "InvalidParameter.SourceIdentity"),
    ],
)
def test_assume_role_refuses_what_is_wrong(
    cloud: Cloud, changed: dict[str, Any], status: int, code: str
) -> None:
    """Every malformed parameter has its documented code."""
    answered, body = assume(cloud, **changed)
    assert (answered, body["Code"]) == (status, code)


def test_a_role_name_is_case_sensitive(cloud: Cloud) -> None:
    """A role in another case does not exist."""
    assert (
        assume(cloud, RoleArn=f"acs:ram::{cloud.member}:role/SGSWEEP-read")[1]["Code"]
        == "EntityNotExist.Role"
    )


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("missing", 404, "EntityNotExist.Role"),
        ("refuses", 403, "NoPermission"),
        ("external_id", 403, "NoPermission"),
    ],
)
def test_members_can_be_unreachable_in_every_way(kind: str, status: int, code: str) -> None:
    """The role is missing, trusts somebody else, or wants another external id: no role of the account opens."""
    cloud = Cloud(World.generate(WorldOutline(1, 3, region_ids=1, unreachable={"0": kind})))
    for role in ("sgsweep-read", "sgsweep-remediate", "ResourceDirectoryAccountAccessRole"):
        answered, body = assume(cloud, RoleArn=f"acs:ram::{cloud.member}:role/{role}")
        assert (answered, body["Code"]) == (status, code)


def test_a_powerless_role_opens_and_allows_nothing() -> None:
    """The session exists, and every call of it is refused; lists of instances are silently empty."""
    cloud = Cloud(World.generate(WorldOutline(1, 3, region_ids=1, unreachable={"0": "powerless"})))
    keys = session(cloud)
    assert cloud.code("DescribeRegions", keys) == (403, "Forbidden.RAM")
    region_id = cloud.world.region_ids[0]
    assert cloud.ok("DescribeInstances", keys, RegionId=region_id)["Instances"]["Instance"] == []
    with pytest.raises(ValueError, match="unknown kind"):
        shut({}, "broken")


def test_an_external_id_must_match_where_the_role_wants_one() -> None:
    """Without it or with another one the trust policy refuses."""
    cloud = Cloud(World.generate(WorldOutline(1, 2, region_ids=1, external_id="install-7")))
    assert assume(cloud)[1]["Code"] == "NoPermission"
    assert assume(cloud, ExternalId="install-8")[1]["Code"] == "NoPermission"
    assert assume(cloud, ExternalId="install-7")[0] == 200


def test_root_may_not_assume_roles() -> None:
    """The root identity of the hub is refused with NoPermission."""
    cloud = Cloud(hub_is_root=True)
    assert cloud.ok("GetCallerIdentity", version=STS)["IdentityType"] == "Account"
    status, body = assume(cloud)
    assert (status, body["Code"]) == (403, "NoPermission")
    assert "root" in body["Message"]


def test_a_hub_limited_to_its_roles() -> None:
    """A hub that may only assume sgsweep-* can neither list accounts nor take the administrator's role."""
    statements = (Statement("Allow", ("sts:AssumeRole",), ("acs:ram::*:role/sgsweep-*",)),)
    cloud = Cloud(hub_statements=statements)
    assert assume(cloud)[0] == 200
    other = f"acs:ram::{cloud.member}:role/ResourceDirectoryAccountAccessRole"
    assert assume(cloud, RoleArn=other)[1]["Code"] == "NoPermission"
    status, body = cloud.call("ListAccounts", version=RM)
    assert (status, body["Code"]) == (403, "NoPermission")
    assert body["AccessDeniedDetail"]["AuthAction"] == "resourcemanager:ListAccounts"


def test_only_the_management_account_has_the_administrators_role() -> None:
    """A delegated administrator is not trusted by ResourceDirectoryAccountAccessRole, but by sgsweep's roles."""
    cloud = Cloud(World.generate(WorldOutline(1, 2, region_ids=1, hub="delegated")))
    member = next(key for key in cloud.world.organization.members if key != cloud.state.hub.account_id)
    administrator = f"acs:ram::{member}:role/ResourceDirectoryAccountAccessRole"
    assert assume(cloud, RoleArn=administrator)[1]["Code"] == "NoPermission"
    assert assume(cloud, RoleArn=f"acs:ram::{member}:role/sgsweep-read")[0] == 200


def test_tokens_expire_and_foreign_ones_are_refused(cloud: Cloud) -> None:
    """Expired, missing, malformed and another session's token each have their code."""
    keys, other = session(cloud, DurationSeconds=900), session(cloud)
    key_id, secret = keys.access_key_id, keys.access_key_secret
    for token, code in (
        ("", "MissingSecurityToken"),
        ("nonsense", "InvalidSecurityToken.Malformed"),
        (other.security_token, "InvalidSecurityToken.MismatchWithAccessKey"),
    ):
        assert cloud.code("GetCallerIdentity", Keys(key_id, secret, token), STS) == (400, code)
    cloud.clock.now += 899
    cloud.ok("GetCallerIdentity", keys, STS)
    cloud.clock.now += 1
    assert cloud.code("GetCallerIdentity", keys, STS) == (400, "InvalidSecurityToken.Expired")
    cloud.ok("GetCallerIdentity", other, STS)


def test_the_code_of_an_expired_token_is_a_quirk() -> None:
    """Some services say SecurityTokenExpired, or that the key is not found."""
    cloud = Cloud(quirks=Quirks(expired_token=UncertainError(404, "InvalidAccessKeyId.NotFound")))
    keys = session(cloud)
    assert cloud.state.identities.expire_sessions(cloud.member) == 1
    assert cloud.code("GetCallerIdentity", keys, STS) == (404, "InvalidAccessKeyId.NotFound")


def test_an_old_session_lives_on_when_a_new_one_is_made(cloud: Cloud) -> None:
    """Issuing a session does not end the earlier one."""
    first, second = session(cloud), session(cloud)
    assert first.access_key_id != second.access_key_id
    cloud.ok("GetCallerIdentity", first, STS)
    cloud.ok("GetCallerIdentity", second, STS)


def test_a_session_may_chain_into_another_role_within_the_cap() -> None:
    """A session assumes a role that trusts it; how long at most is a quirk."""
    cloud = Cloud(quirks=Quirks(chained_session_seconds=1800))
    arn = f"acs:ram::{cloud.member}:role/sgsweep-read"
    inner = Role("inner", (arn,), (Statement("Allow", ("*",)),), max_session_seconds=43_200)
    cloud.world.roles[cloud.member] = {**cloud.world.roles[cloud.member], "inner": inner}
    may = Role(
        "sgsweep-read", (f"acs:ram::{cloud.state.hub.account_id}:root",), (Statement("Allow", ("sts:*",)),)
    )
    cloud.world.roles[cloud.member]["sgsweep-read"] = may
    outer = session(cloud, RoleArn=arn)
    chained = f"acs:ram::{cloud.member}:role/inner"
    assert (
        assume(cloud, outer, RoleArn=chained, DurationSeconds=1801)[1]["Code"]
        == "InvalidParameter.DurationSeconds"
    )
    assert assume(cloud, outer, RoleArn=chained, DurationSeconds=1800)[0] == 200
    assert assume(cloud, RoleArn=chained)[1]["Code"] == "NoPermission"


# --- what a session may do


def test_the_read_role_reads_and_changes_nothing(cloud: Cloud) -> None:
    """sgsweep-read may describe; Revoke, Authorize and Modify are refused and change nothing."""
    keys, where = cloud.enter("sgsweep-read"), target(cloud)
    before = cloud.world.snapshot()
    cloud.ok("DescribeSecurityGroupAttribute", keys, **where)
    for action in ("RevokeSecurityGroup", "AuthorizeSecurityGroup", "ModifySecurityGroupRule"):
        assert cloud.code(action, keys, **where) == (403, "Forbidden.RAM")
    assert cloud.world.snapshot() == before


def test_a_session_policy_narrows_revoke_to_named_groups(cloud: Cloud) -> None:
    """Resource-level authorization holds for Revoke: this group, no other."""
    where = target(cloud)
    arn = f"acs:ecs:*:{cloud.member}:securitygroup/{where['SecurityGroupId']}"
    keys = session(cloud, Policy=policy({"Effect": "Allow", "Action": "ecs:Revoke*", "Resource": [arn]}))
    assert cloud.code("DescribeSecurityGroupAttribute", keys, **where) == (403, "Forbidden.RAM")
    other = {**where, "SecurityGroupId": "sg-another"}
    assert cloud.code("RevokeSecurityGroup", keys, **other) == (403, "Forbidden.RAM")
    cloud.ok("RevokeSecurityGroup", keys, **where)


def test_authorize_and_modify_match_only_the_resource_star(cloud: Cloud) -> None:
    """A policy limited to a group's ARN does not allow Authorize or Modify; Resource * does."""
    where = target(cloud)
    arn = f"acs:ecs:*:{cloud.member}:securitygroup/*"
    adds = {
        "Permissions.1.IpProtocol": "TCP",
        "Permissions.1.PortRange": "8/8",
        "Permissions.1.SourceCidrIp": "10.0.0.0/8",
    }
    add = {"RegionId": where["RegionId"], "SecurityGroupId": where["SecurityGroupId"], **adds}
    limited = session(cloud, Policy=policy({"Effect": "Allow", "Action": "ecs:*", "Resource": arn}))
    assert cloud.code("AuthorizeSecurityGroup", limited, **add) == (403, "Forbidden.RAM")
    assert cloud.code("DescribeRegions", limited) == (403, "Forbidden.RAM")
    cloud.ok("DescribeSecurityGroups", limited, RegionId=where["RegionId"])
    free = session(cloud, Policy=policy({"Effect": "Allow", "Action": "ecs:Authorize*", "Resource": "*"}))
    cloud.ok("AuthorizeSecurityGroup", free, **add)


def test_a_session_policy_cannot_widen_the_role(cloud: Cloud) -> None:
    """Everything allowed by the session's policy is still limited by the read role."""
    arn = f"acs:ram::{cloud.member}:role/sgsweep-read"
    keys = session(cloud, RoleArn=arn, Policy=policy({"Effect": "Allow", "Action": "*", "Resource": "*"}))
    assert cloud.code("RevokeSecurityGroup", keys, **target(cloud)) == (403, "Forbidden.RAM")


def test_deny_wins(cloud: Cloud) -> None:
    """An explicit Deny beats any Allow, in any order."""
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": ["ecs:revoke*"], "Resource": "*"}
    for statements in ((allow, deny), (deny, allow)):
        keys = session(cloud, Policy=policy(*statements))
        assert cloud.code("RevokeSecurityGroup", keys, **target(cloud)) == (403, "Forbidden.RAM")
        cloud.ok("DescribeRegions", keys)


@pytest.mark.parametrize(
    ("document", "action", "resource", "expected"),
    [
        ({"Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"}, "ecs:DescribeRegions", "*", True),
        (
            {"Effect": "Allow", "Action": "ecs:describe?egions", "Resource": "*"},
            "ecs:DescribeRegions",
            "*",
            True,
        ),
        ({"Effect": "Allow", "Action": "ecs:Describe", "Resource": "*"}, "ecs:DescribeRegions", "*", False),
        ({"Effect": "Allow", "Action": "*", "Resource": "acs:ecs:*:1:*"}, "ecs:X", "*", False),
        (
            {"Effect": "Allow", "Action": "*", "Resource": "acs:ecs:*:1:*"},
            "ecs:X",
            "acs:ecs:cn:1:securitygroup/a",
            True,
        ),
        (
            {"Effect": "Allow", "Action": "*", "Resource": "acs:ecs:*:1:*"},
            "ecs:X",
            "acs:ecs:cn:2:securitygroup/a",
            False,
        ),
        ({"Effect": "Allow", "NotAction": "ecs:*", "Resource": "*"}, "ecs:X", "*", False),
        ({"Effect": "Allow", "NotAction": "ecs:*", "Resource": "*"}, "sts:X", "*", True),
        ({"Effect": "Allow", "Action": "*", "NotResource": "b"}, "ecs:X", "a", True),
        ({"Effect": "Allow", "Action": "*", "NotResource": "a"}, "ecs:X", "a", False),
        ({"Effect": "Allow", "Action": "ecs:X.Y", "Resource": "a+b"}, "ecs:XzY", "a+b", False),
    ],
)
def test_policy_evaluation(document: dict[str, Any], action: str, resource: str, expected: bool) -> None:  # noqa: FBT001
    """Wildcards, exclusions, case and literal characters, one by one."""
    assert allows(read_policy(policy(document)), action, resource) is expected


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"Version":"2","Statement":[]}',
        policy(),
        policy({"Effect": "Perhaps", "Action": "*", "Resource": "*"}),
        policy({"Effect": "Allow", "Resource": "*"}),
        policy({"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}),
        policy({"Effect": "Allow", "Action": [], "Resource": "*"}),
        policy({"Effect": "Allow", "Action": [1], "Resource": "*"}),
        policy({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}),
        '{"Version":"1","Statement":["x"]}',
    ],
)
def test_a_policy_with_bad_grammar_is_refused(text: str) -> None:
    """What RAM would not accept, and conditions that are not evaluated here, are refused, never allowed."""
    with pytest.raises(PolicyGrammarError):
        read_policy(text)


def test_secrets_stay_out_of_the_repr(cloud: Cloud) -> None:
    """Neither keys nor callers show a secret or a token."""
    caller = cloud.session()
    for secret in (caller.keys.access_key_secret, caller.keys.security_token):
        assert secret not in repr(caller)
    assert isinstance(cloud.state.options, Options)
