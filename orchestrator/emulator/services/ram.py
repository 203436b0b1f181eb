"""RAM 2015-05-01, reading: which policies are attached to a role, and what each of them says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.world.model import Role, Statement
from orchestrator.emulator.world.policies import ADMINISTRATOR, document

VERSION: Final = "2015-05-01"
_ADMINISTRATOR_ACCESS: Final = "AdministratorAccess"
_WRITTEN: Final = "2024-03-01T08:00:00Z"


def _role_arn(context: Context) -> Iterable[str]:
    return (f"acs:ram:*:{context.account_id}:role/{context.parameters.text('RoleName')}",)


def _policy_arn(context: Context) -> Iterable[str]:
    is_system = context.parameters.text("PolicyType") == "System"
    owner = "system" if is_system else context.account_id
    return (f"acs:ram:*:{owner}:policy/{context.parameters.text('PolicyName')}",)


def _attached(role: Role) -> tuple[str, str] | None:
    """Name and type of the policy that gives a role its rights; None where it has none."""
    if role.statements == ADMINISTRATOR:
        return _ADMINISTRATOR_ACCESS, "System"
    return (role.name, "Custom") if role.statements else None


@operation("ram", VERSION, "ListPoliciesForRole", resources=_role_arn, listing=("Policies", "Policy"))
def list_policies_for_role(context: Context) -> Answer:
    """The policies that are attached to a role; not paged."""
    name = context.parameters.required("RoleName")
    role = context.state.world.role(context.account_id, name)
    if role is None:
        raise ApiError(404, "EntityNotExist.Role", f"The role does not exist: {name[:64]}.")
    found = _attached(role)
    policies = [] if found is None else [found]
    return {
        "Policies": {
            "Policy": [
                {
                    "PolicyName": policy,
                    "PolicyType": kind,
                    "Description": "",
                    "DefaultVersion": "v1",
                    "AttachDate": _WRITTEN,
                }
                for policy, kind in policies
            ]
        }
    }


@operation("ram", VERSION, "GetPolicy", resources=_policy_arn)
def get_policy(context: Context) -> Answer:
    """A policy with the document of its default version."""
    name, kind = context.parameters.required("PolicyName"), context.parameters.required("PolicyType")
    if kind not in {"System", "Custom"}:
        raise ApiError(400, "InvalidParameter.PolicyType", "The policy type is invalid.")
    statements = _statements(context, name, kind)
    if statements is None:
        raise ApiError(404, "EntityNotExist.Policy", f"The policy does not exist: {name[:64]}.")
    written = {"CreateDate": _WRITTEN, "PolicyDocument": document(statements)}
    return {
        "Policy": {
            "PolicyName": name,
            "PolicyType": kind,
            "DefaultVersion": "v1",
            "AttachmentCount": 1,
            "UpdateDate": _WRITTEN,
            **written,
        },
        "DefaultPolicyVersion": {"VersionId": "v1", "IsDefaultVersion": True, **written},
    }


def _statements(context: Context, name: str, kind: str) -> tuple[Statement, ...] | None:
    roles = context.state.world.roles.get(context.account_id, {}).values()
    return next((role.statements for role in roles if _attached(role) == (name, kind)), None)
