"""RAM's own reading of policies, control policies and what they bound, and a cloud that is out of order."""

from __future__ import annotations

import msgspec
import pytest

from orchestrator.emulator import Quirks, World
from orchestrator.emulator.framework.throttle import Throttle
from orchestrator.emulator.world.model import ControlPolicy, Role, Statement
from tests.emulator.wire import ECS, RDM, RM, STS, Cloud, flatten, v3

RAM = "2015-05-01"
HERE = "cn-hangzhou"
READING = Statement("Allow", ("ram:ListPoliciesForRole", "ram:GetPolicy"))


def may_read_policies(cloud: Cloud) -> None:
    """Let the read role of the first member read RAM."""
    role = cloud.world.roles[cloud.member]["sgsweep-read"]
    mine = msgspec.structs.replace(role, statements=(*role.statements, READING))
    cloud.world.roles[cloud.member]["sgsweep-read"] = mine


def test_the_policies_of_a_role_say_what_it_may_do() -> None:
    """A custom policy with the role's own statements; the administrator's is a system policy."""
    cloud = Cloud()
    may_read_policies(cloud)
    reader = cloud.enter("sgsweep-read")
    listed = cloud.ok("ListPoliciesForRole", reader, RAM, RoleName="sgsweep-remediate")
    policy = listed["Policies"]["Policy"][0]
    assert (policy["PolicyName"], policy["PolicyType"]) == ("sgsweep-remediate", "Custom")
    found = cloud.ok("GetPolicy", reader, RAM, PolicyName="sgsweep-remediate", PolicyType="Custom")
    said = msgspec.json.decode(found["DefaultPolicyVersion"]["PolicyDocument"])
    assert said["Version"] == "1"
    assert "ecs:RevokeSecurityGroup" in said["Statement"][0]["Action"]
    admin = "ResourceDirectoryAccountAccessRole"
    listed = cloud.ok("ListPoliciesForRole", reader, RAM, RoleName=admin)["Policies"]["Policy"]
    assert [(one["PolicyName"], one["PolicyType"]) for one in listed] == [("AdministratorAccess", "System")]
    assert cloud.ok("GetPolicy", reader, RAM, PolicyName="AdministratorAccess", PolicyType="System")


def test_ram_refuses_who_may_not_and_what_is_not_there() -> None:
    """As shipped, no role of ours may read policies; a role and a policy that are not there have their codes."""
    cloud = Cloud()
    shut = cloud.enter("sgsweep-read")
    assert cloud.code("ListPoliciesForRole", shut, RAM, RoleName="sgsweep-read") == (403, "NoPermission")
    may_read_policies(cloud)
    reader = cloud.enter("sgsweep-read")
    assert cloud.code("ListPoliciesForRole", reader, RAM, RoleName="none")[1] == "EntityNotExist.Role"
    asked = {"PolicyName": "none", "PolicyType": "Custom"}
    assert cloud.code("GetPolicy", reader, RAM, **asked)[1] == "EntityNotExist.Policy"
    asked["PolicyType"] = "Mine"
    assert cloud.code("GetPolicy", reader, RAM, **asked)[1] == "InvalidParameter.PolicyType"


def bounded(level: str) -> Cloud:
    """A cloud in which a control policy at that level denies revoking."""
    cloud = Cloud()
    organization = cloud.world.organization
    denial = ControlPolicy("cp-1", "no-revoke", (Statement("Deny", ("ecs:RevokeSecurityGroup",)),))
    organization.control_policies["cp-1"] = denial
    folder = organization.members[cloud.member].folder_id
    targets = {"root": organization.root_folder_id, "folder": folder, "account": cloud.member}
    organization.attached_policies[targets[level]] = ("cp-1",)
    return cloud


@pytest.mark.parametrize("level", ["root", "folder", "account"])
def test_a_control_policy_binds_every_role_below_it(level: str) -> None:
    """Whatever RAM allows; what it does not deny stays allowed, and the management account is not bound."""
    cloud = bounded(level)
    group = {"RegionId": HERE, "SecurityGroupId": "sg-none", "SecurityGroupRuleId": ["sgr-none"]}
    entered = cloud.enter("ResourceDirectoryAccountAccessRole")
    assert cloud.code("RevokeSecurityGroup", entered, ECS, **group)[1] == "Forbidden.RAM"
    cloud.ok("DescribeSecurityGroups", entered, ECS, RegionId=HERE)
    assert cloud.code("RevokeSecurityGroup", cloud.hub, ECS, **group)[1] == "InvalidSecurityGroupId.NotFound"


@pytest.mark.parametrize("version", [RM, RDM])
def test_control_policies_are_listed_where_they_are_attached(version: str) -> None:
    """Everybody's own beside each; not those that are inherited; and what one says."""
    cloud = bounded("account")
    path = ("ControlPolicyAttachments", "ControlPolicyAttachment")
    here = cloud.ok("ListControlPolicyAttachmentsForTarget", version=version, TargetId=cloud.member)
    assert [one["PolicyName"] for one in here[path[0]][path[1]]] == ["FullAliyunAccess", "no-revoke"]
    root = cloud.world.organization.root_folder_id
    above = cloud.ok("ListControlPolicyAttachmentsForTarget", version=version, TargetId=root)
    assert [one["PolicyName"] for one in above[path[0]][path[1]]] == ["FullAliyunAccess"]
    said = cloud.ok("GetControlPolicy", version=version, PolicyId="cp-1")["ControlPolicy"]["PolicyDocument"]
    assert msgspec.json.decode(said)["Statement"][0]["Effect"] == "Deny"
    refused = cloud.code("ListControlPolicyAttachmentsForTarget", version=version, TargetId="fd-none")
    assert refused[1] == "EntityNotExists.Target"
    assert cloud.code("GetControlPolicy", version=version, PolicyId="cp-9")[0] == 404
    member = cloud.enter("ResourceDirectoryAccountAccessRole")
    assert cloud.code("GetControlPolicy", member, version, PolicyId="cp-1")[1] == "NoPermission"


def test_a_cloud_may_look_for_the_group_before_it_asks_who_may() -> None:
    """Then who has no right is told that there is no such group."""
    for looks, code in ((False, "Forbidden.RAM"), (True, "InvalidSecurityGroupId.NotFound")):
        cloud = Cloud(quirks=Quirks(looks_before_ram=looks))
        group = {"RegionId": HERE, "SecurityGroupId": "sg-none", "SecurityGroupRuleId": ["sgr-none"]}
        assert cloud.code("RevokeSecurityGroup", cloud.enter("sgsweep-read"), ECS, **group)[1] == code


def test_a_cloud_may_pass_over_session_policies() -> None:
    """The session then may what its role may."""
    narrow = msgspec.json.encode(
        {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "ecs:DescribeRegions", "Resource": "*"}]}
    ).decode()
    for ignored, status in ((False, 403), (True, 200)):
        cloud = Cloud(quirks=Quirks(session_policies_ignored=ignored))
        role = f"acs:ram::{cloud.member}:role/sgsweep-read"
        opened = cloud.ok("AssumeRole", version=STS, RoleArn=role, RoleSessionName="test", Policy=narrow)[
            "Credentials"
        ]
        keys = cloud.state.identities.find(opened["AccessKeyId"]).keys
        assert cloud.call("DescribeSecurityGroups", keys, RegionId=HERE)[0] == status


@pytest.mark.parametrize("kind", ["window", "bucket"])
def test_every_answer_may_tell_how_much_of_a_limit_is_left(kind: str) -> None:
    """Not only the one that is refused; where there is no limit nothing is told."""
    cloud = Cloud(throttle=Throttle(limit=3, window_seconds=60, kind=kind, hint="always"))  # type: ignore[arg-type]  # both are kinds
    asked = flatten({"RegionId": HERE})
    told = [
        cloud.reply(v3(cloud.hub, ECS, "DescribeSecurityGroups", asked, cloud.clock())).headers[
            "x-ratelimit-user-api"
        ]
        for _ in range(4)
    ]
    assert [one.split(",")[:2] for one in told] == [["Limit:3", f"Remain:{left}"] for left in (2, 1, 0, 0)]
    free = cloud.reply(v3(cloud.hub, STS, "GetCallerIdentity", {}, cloud.clock()))
    assert "x-ratelimit-user-api" not in free.headers


def test_a_world_with_control_policies_is_saved_and_loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """So that an emulator can be given one by file."""
    path = tmp_path_factory.mktemp("world") / "world.json"
    cloud = bounded("root")
    cloud.world.roles[cloud.member]["own"] = Role("own", (), (READING,))
    cloud.world.save(path)
    loaded = World.load(path)
    assert loaded.organization == cloud.world.organization
    assert loaded.roles == cloud.world.roles
