"""What happens to an installation in its life: each yields what is not as it should be.

As generators, so that a careless edit of the modules can be shown to make one of them complain, and the first
complaint is enough.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.terraform.cloud import ACCOUNT, GLOBAL, ROOT_FOLDER, Setting
from tests.terraform.conftest import SETTINGS, Said, Terraform
from tests.terraform.order import order
from tests.terraform.permissions import complaints

Scenario = Callable[[Terraform], Iterator[str]]
RECORDS = "module.remediation.module.records"
KEPT = {
    "alicloud_log_project",
    "alicloud_log_store",
    "alicloud_log_store_index",
    "alicloud_oss_bucket",
    "alicloud_oss_bucket_acl",
    "alicloud_oss_bucket_public_access_block",
    "alicloud_oss_bucket_server_side_encryption",
    "alicloud_oss_bucket_worm",
}
_ALL = {"mode": "apply", "invoke_type": "AUTO_EXECUTION", "event_path": "true"}
_FIRST, _SECOND, _THIRD = Setting().members


def _works(said: Said, what: str) -> Iterator[str]:
    if not said.works:
        yield f"{what} fails: {said.errors[:600]}"


def _fails(said: Said, what: str, *texts: str) -> Iterator[str]:
    """Yield a complaint unless it failed, and its errors hold each of the texts."""
    if said.works:
        yield f"{what} works"
    yield from (
        f"{what} does not say {text!r}: {said.errors[:600]}" for text in texts if text not in said.errors
    )


def _trust(terraform: Terraform, account: str) -> str:
    """The trust policies of a member's roles, as text; "" if it has none."""
    return " ".join(terraform.found()["roles"].get(account, {}).values())


def _external_ids(terraform: Terraform) -> set[str]:
    """The external ids that the functions present."""
    functions = terraform.found()["things"].get("alicloud_fcv3_function", {}).values()
    return {one["environment_variables"]["SGSWEEP_EXTERNAL_ID"] for one in functions}


def from_nothing_to_nothing(terraform: Terraform, example: str) -> Iterator[str]:
    """Applied, changed, and ended: everything goes but the records, which destroy refuses to touch."""
    terraform.set(SETTINGS[example])
    for variables in ({}, {**_ALL, "ports": "22,3389,6379"}, _ALL):
        yield from _works(terraform.do("apply", example, **variables), f"apply {variables}")
        again = terraform.do("plan", example, **variables)
        if "No changes." not in again.text:
            yield f"a second plan of {variables} has changes: {again.text[-600:]}{again.errors}"
    before = terraform.found()["things"]
    yield from _fails(terraform.do("destroy", example, **_ALL), "destroy", "prevent_destroy")
    if terraform.found()["things"] != before:
        yield "a destroy that is refused destroys something"
    terraform.state(example, "rm", RECORDS)
    yield from _works(terraform.do("destroy", example, **_ALL), "destroy of the rest")
    left = {kind for kind, things in terraform.found()["things"].items() if things}
    kept = KEPT - ({"alicloud_oss_bucket_worm"} if example == "single-account" else set())
    if left != kept:
        yield f"other things than the records are left, or not all of them: {left ^ kept}"
    yield from (f"the roles in {account} are left" for account in terraform.found()["roles"])


def a_member_fails(terraform: Terraform) -> Iterator[str]:
    """One member fails: all others have the roles, the next apply goes on and names it, until it is put right."""
    terraform.set(Setting(failing=[_SECOND]))
    yield from _fails(terraform.do("apply", "organization"), "the first apply", _SECOND)
    if set(terraform.found()["roles"]) != {_FIRST, _THIRD}:
        yield f"not every other member has the roles: {terraform.found()['roles'].keys()}"
    yield from _works(second := terraform.do("apply", "organization"), "the second apply")
    if f"cannot rely on its roles in {_SECOND}:" not in second.text:
        yield f"the member that failed is not named: {second.text[-600:]}"
    terraform.set(Setting())
    yield from _works(
        healed := terraform.do("apply", "organization", attempt="2"), "the apply once it is healed"
    )
    if not _trust(terraform, _SECOND) or "cannot rely" in healed.text:
        yield "the healed member has no roles, or is still named"


def a_role_is_there_already(terraform: Terraform) -> Iterator[str]:
    """A member has a role of that name: it fails, the others do not; once it is known, it is no longer named."""
    terraform.set(Setting(roles_there={_SECOND: ["sgsweep-read"]}))
    yield from _fails(terraform.do("apply", "organization"), "the first apply", _SECOND)
    said = terraform.do("apply", "organization", left_out_account_ids=f'["{_SECOND}"]')
    yield from _works(said, "the apply without it")
    if "cannot rely" in said.text:
        yield "a member that was left out is warned of"


def other_folders(terraform: Terraform) -> Iterator[str]:
    """A folder more gives its members the roles and replaces nothing; a folder less takes them away there only."""
    terraform.set(Setting())
    shop, both, bank = '["fd-shop"]', '["fd-shop","fd-bank"]', '["fd-bank"]'
    yield from _works(terraform.do("apply", "organization", folder_ids=shop), "apply")
    yield from _works(wider := terraform.do("apply", "organization", folder_ids=both), "a folder more")
    if " 0 destroyed" not in wider.text:
        yield f"a folder more destroys something: {wider.text[-400:]}"
    if set(terraform.found()["roles"]) != {_FIRST, _SECOND, _THIRD}:
        yield "a folder more gives no roles to its members"
    yield from _works(terraform.do("apply", "organization", folder_ids=bank), "a folder less")
    if set(terraform.found()["roles"]) != {_THIRD}:
        yield "a folder less takes the wrong roles away"
    groups = terraform.found()["things"].get("alicloud_config_aggregator", {}).values()
    evaluated = [(group["aggregator_type"], group["folder_id"]) for group in groups]
    if evaluated != [("FOLDER", "fd-bank")]:
        yield f"Cloud Config evaluates {evaluated}"


def a_narrowing_leaves_something(terraform: Terraform) -> Iterator[str]:
    """A member whose stack cannot be removed is still named by the output `members`."""
    terraform.set(Setting())
    both, bank = '["fd-shop","fd-bank"]', '["fd-bank"]'
    yield from _works(terraform.do("apply", "organization", folder_ids=both), "apply")
    terraform.set(Setting(failing=[_FIRST]))
    terraform.do("apply", "organization", folder_ids=bank)
    members = json.loads(terraform.run("examples/organization", "output", "-json", "members").stdout)
    if set(members) != {_FIRST, _THIRD}:
        yield f"what is left is not said: {members}"


def another_external_id(terraform: Terraform) -> Iterator[str]:
    """Changed in three steps: never an id presented that some member does not accept, and none rolled out twice."""
    old, new = "an-external-id", "another-external-id"
    terraform.set(Setting())
    yield from _works(terraform.do("apply", "organization"), "apply")
    yield from _fails(
        terraform.do("plan", "organization", external_id=new), "the switch at once", "other_external_ids"
    )
    said = terraform.do("apply", "organization", other_external_ids=f'["{new}"]')
    yield from _works(said, "accepting both")
    for account in Setting().members:
        if not (old in _trust(terraform, account) and new in _trust(terraform, account)):
            yield f"{account} does not accept both"
    if _external_ids(terraform) != {old}:
        yield "the new id is presented before it is asked for"
    switched = terraform.do("apply", "organization", external_id=new, other_external_ids=f'["{old}"]')
    yield from _works(switched, "the switch")
    if _external_ids(terraform) != {new}:
        yield "the new id is not presented after the switch"
    if "module.members" in switched.text.partition("perform the following")[2].partition("Plan:")[0]:
        yield "the switch rolls the roles out again"
    yield from _works(terraform.do("apply", "organization", external_id=new), "the end")
    for account in Setting().members:
        if old in _trust(terraform, account):
            yield f"{account} still accepts the old id"


def a_change_fails_in_a_member(terraform: Terraform) -> Iterator[str]:
    """A changed trust that a member did not get is not forgotten: no apply succeeds, and no function switches."""
    old, new = "an-external-id", "another-external-id"
    terraform.set(Setting())
    yield from _works(terraform.do("apply", "organization"), "apply")
    terraform.set(Setting(failing=[_SECOND]))
    asked = {"other_external_ids": f'["{new}"]'}
    yield from _fails(terraform.do("apply", "organization", **asked), "accepting both", _SECOND)
    yield from _fails(terraform.do("apply", "organization", **asked), "the next apply", _SECOND)
    switch = {"external_id": new, "other_external_ids": f'["{old}"]'}
    yield from _fails(terraform.do("apply", "organization", **switch), "the switch", _SECOND)
    if _external_ids(terraform) != {old}:
        yield "the function presents an id that a member does not accept"
    without = terraform.do("apply", "organization", **switch, left_out_account_ids=f'["{_SECOND}"]')
    yield from _works(without, "the switch without it")
    terraform.set(Setting())
    yield from _works(terraform.do("apply", "organization", **switch, attempt="2"), "once it is healed")
    if new not in _trust(terraform, _SECOND):
        yield "the healed member does not accept the new id"


def a_changed_trust_fails_in_a_member(terraform: Terraform) -> Iterator[str]:
    """Who may enter changes twice, and a member misses the second: no apply succeeds, though all is as at first."""
    terraform.set(Setting())
    yield from _works(terraform.do("apply", "organization"), "apply")
    yield from _works(terraform.do("apply", "organization", operator_arns="[]"), "no operators")
    terraform.set(Setting(failing=[_SECOND]))
    yield from _fails(terraform.do("apply", "organization"), "operators again", _SECOND)
    said = terraform.do("apply", "organization")
    yield from _fails(said, "the next apply", _SECOND, "may still have the old")
    if "sgsweep-command" in _trust(terraform, _SECOND):
        yield "the member that failed has the new trust"
    left_out = terraform.do("apply", "organization", left_out_account_ids=f'["{_SECOND}"]')
    yield from _works(left_out, "the apply without it")
    terraform.set(Setting())
    yield from _works(terraform.do("apply", "organization", attempt="2"), "the apply once it is healed")
    if "sgsweep-command" not in _trust(terraform, _SECOND):
        yield "the healed member has the old trust"


def ros_updates_one_by_one(terraform: Terraform) -> Iterator[str]:
    """Whatever ROS does with the members when the group changes: after the apply all of them have the new trust."""
    terraform.set(Setting(group_update="all"))
    yield from _works(terraform.do("apply", "organization"), "apply")
    said = terraform.do("apply", "organization", other_external_ids='["another-external-id"]')
    yield from _works(said, "the change")
    for account in Setting().members:
        if "another-external-id" not in _trust(terraform, account):
            yield f"{account} has the old trust"


def an_existing_landing_zone(terraform: Terraform) -> Iterator[str]:
    """What must be there and is not, or is there already, is said before it stops an apply half-way."""
    start = SETTINGS["existing"]
    terraform.set(start)
    folder = f'["{ROOT_FOLDER}"]'
    whole = terraform.do("plan", "existing", aggregator_id="null", folder_ids=folder)
    yield from _fails(whole, "a second global group", GLOBAL, "aggregator_id")
    terraform.set(replace(start, delegated=[]))
    yield from _fails(terraform.do("plan", "existing"), "no delegation", ACCOUNT, "delegated administrator")
    terraform.set(replace(start, config_on=False))
    yield from _fails(terraform.do("plan", "existing"), "Cloud Config off", "not switched on")
    terraform.set(Setting(members={str(10**15 + number): [ROOT_FOLDER] for number in range(201)}))
    yield from _fails(terraform.do("plan", "organization"), "201 members", "202 accounts", "folder_ids")


def linked_roles_are_there(terraform: Terraform) -> Iterator[str]:
    """A service-linked role that the account has already is left out, and the rule is made."""
    there = "AliyunServiceRoleForEventBridgeSendToFC"
    terraform.set(Setting(service_linked_roles=[there]))
    yield from _fails(terraform.do("apply", "single-account", **_ALL), "making it again", there)
    others = '["AliyunServiceRoleForEventBridgeSourceActionTrail","AliyunServiceRoleForEventBridgeSendToMNS"]'
    yield from _works(
        terraform.do("apply", "single-account", **_ALL, service_linked_roles=others), "leaving it out"
    )


def limits(terraform: Terraform) -> Iterator[str]:
    """What is too long or too much is refused by the plan, with the sum; many exemptions go into an object."""
    terraform.set(Setting())
    name = f"sgsweep-{'x' * 20}"
    for what, variables, texts in (
        ("4 KB of ports", {"ports": ",".join(str(10_000 + x) for x in range(700))}, ("4096", "bytes")),
        ("67 characters", {"prefix": name, "region_id": "cn-shenzhen-finance-1"}, ("67 characters", "63")),
        ("a prefix of 29", {"prefix": f"{name}y"}, ("28",)),
        ("the built-in action policy", {"action_policy_id": "sls.builtin.dynamic"}, ("action_policy_id",)),
        ("nobody told", {"alarm_contact_groups": "[]"}, ("alarm_contact_groups",)),
    ):
        yield from _fails(terraform.do("plan", "single-account", **variables), what, *texts)
    exemptions = [{"id": f"e{x}", "owner": "a@example.com", "reason": "a partner"} for x in range(60)]
    said = terraform.do("apply", "single-account", exemptions=json.dumps(exemptions))
    yield from _works(said, "60 exemptions")
    objects = terraform.found()["things"].get("alicloud_oss_bucket_object", {})
    if [json.loads(one["content"]) for one in objects.values()] != [exemptions]:
        yield "60 exemptions are not in the ledger's bucket"
    functions = terraform.found()["things"].get("alicloud_fcv3_function", {}).values()
    told = {one["environment_variables"].get("SGSWEEP_EXEMPTIONS", "") for one in functions}
    if {text.partition("-shanghai/")[2] for text in told} != set(objects):
        yield f"the functions do not know where the exemptions are: {told}"


def a_new_customer_of_oss(terraform: Terraform) -> Iterator[str]:
    """An account whose buckets take nothing from outside can be installed all the same, and gets newer code."""
    terraform.set(Setting(oss_from_outside=False))
    yield from _works(terraform.do("apply", "single-account"), "apply")
    before = _code(terraform)
    (terraform.tree / "function.zip").write_bytes(b"a newer zip")
    yield from _works(terraform.do("apply", "single-account"), "newer code")
    if not before or _code(terraform) == before:
        yield "newer code is not deployed"


def _code(terraform: Terraform) -> list[str]:
    functions = terraform.found()["things"].get("alicloud_fcv3_function", {}).values()
    return [str(one["code"]) for one in functions]


def side_by_side(terraform: Terraform) -> Iterator[str]:
    """Two installations in one account have no name in common."""
    terraform.set(Setting())
    yield from _works(terraform.do("apply", "single-account", **_ALL), "the first")
    for state in (terraform.tree / "examples" / "single-account").glob("terraform.tfstate*"):
        state.unlink()
    second = terraform.do("apply", "single-account", **_ALL, prefix="sgsweep-b", service_linked_roles="[]")
    yield from _works(second, "the second")


SCENARIOS: dict[str, Scenario] = {
    "operator": lambda terraform: complaints(terraform.tree),
    "order of single-account": lambda terraform: order(terraform, "single-account"),
    "order of organization": lambda terraform: order(terraform, "organization"),
    "single-account": lambda terraform: from_nothing_to_nothing(terraform, "single-account"),
    "organization": lambda terraform: from_nothing_to_nothing(terraform, "organization"),
    "existing": lambda terraform: from_nothing_to_nothing(terraform, "existing"),
    **{
        one.__name__: one
        for one in (
            a_member_fails,
            a_role_is_there_already,
            other_folders,
            a_narrowing_leaves_something,
            another_external_id,
            a_change_fails_in_a_member,
            a_changed_trust_fails_in_a_member,
            ros_updates_one_by_one,
            an_existing_landing_zone,
            linked_roles_are_there,
            limits,
            a_new_customer_of_oss,
            side_by_side,
        )
    },
}
