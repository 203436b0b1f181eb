"""Control policies of the Resource Directory: what the members' roles may not do, whatever RAM allows them.

A policy is attached to the root, to a folder or to an account. On the way from the root to the account each level must
allow a call, and nothing may deny it; the management account is not bound by any.
"""

from __future__ import annotations

from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context
from orchestrator.emulator.services.resource_directory.directory import (
    administrators_only,
    directory_operation,
)
from orchestrator.emulator.world.model import ControlPolicy
from orchestrator.emulator.world.policies import FULL_ACCESS, attached_to, document

_WRITTEN: Final = "2024-03-01T08:00:00+08:00"


@directory_operation(
    "ListControlPolicyAttachmentsForTarget", "ControlPolicyAttachments", "ControlPolicyAttachment"
)
def list_attachments(context: Context) -> Answer:
    """The control policies of one folder or account, not those that it inherits."""
    administrators_only(context)
    organization = context.state.world.organization
    target_id = context.parameters.required("TargetId")
    if target_id not in organization.folders and context.state.world.account(target_id) is None:
        raise ApiError(404, "EntityNotExists.Target", f"The target {target_id[:40]} does not exist.")
    attachments = [{**_named(one), "AttachDate": _WRITTEN} for one in attached_to(organization, target_id)]
    return {"ControlPolicyAttachments": {"ControlPolicyAttachment": attachments}}


@directory_operation("GetControlPolicy")
def get_control_policy(context: Context) -> Answer:
    """A control policy with its document."""
    administrators_only(context)
    policy_id = context.parameters.required("PolicyId")
    known = {FULL_ACCESS.policy_id: FULL_ACCESS, **context.state.world.organization.control_policies}
    policy = known.get(policy_id)
    if policy is None:
        raise ApiError(404, "EntityNotExists.ControlPolicy", f"The policy {policy_id[:40]} does not exist.")
    return {
        "ControlPolicy": {
            **_named(policy),
            "PolicyDocument": document(policy.statements),
            "CreateDate": _WRITTEN,
            "UpdateDate": _WRITTEN,
        }
    }


def _named(policy: ControlPolicy) -> dict[str, object]:
    return {
        "PolicyId": policy.policy_id,
        "PolicyName": policy.name,
        "PolicyType": policy.kind,
        "EffectScope": "RAM",
        "Description": "",
    }
