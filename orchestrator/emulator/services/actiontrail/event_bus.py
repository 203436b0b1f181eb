"""EventBridge: an event, in its envelope, for each call that was to change a security group."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Final

from orchestrator.emulator.framework.call_log import LoggedCall

WATCHED: Final = (
    "AuthorizeSecurityGroup",
    "ModifySecurityGroupPolicy",
    "ModifySecurityGroupRule",
    "RevokeSecurityGroup",
)


def is_watched(call: LoggedCall) -> bool:
    """Whether the remediation module's event rule lets a call through: one that failed as well, with its errorCode."""
    return call.action in WATCHED and bool(call.changes or call.code)


def event(call: LoggedCall) -> dict[str, object]:
    """The event of one call, as a target of EventBridge gets it (CloudEvents 1.0 with Alibaba Cloud's attributes)."""
    parameters = call.parameters
    group_id = parameters.get("SecurityGroupId", "")
    moment = datetime.fromtimestamp(call.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": str(uuid.uuid4()),
        "source": "acs.ecs",
        "specversion": "1.0",
        "subject": f"acs:ecs:{call.region_id}:{call.account_id}:securitygroup/{group_id}",
        "type": "ecs:ActionTrail:ApiCall",
        "datacontenttype": "application/json;charset=utf-8",
        "time": moment,
        "aliyunaccountid": call.account_id,
        "aliyunregionid": call.region_id,
        "aliyuneventbusname": "default",
        "data": {
            "eventId": call.request_id,
            "eventVersion": 1,
            "eventName": call.action,
            "eventRW": "Write",
            "eventType": "ApiCall",
            "eventTime": moment,
            "serviceName": "Ecs",
            "acsRegion": call.region_id,
            "requestId": call.request_id,
            "userIdentity": {
                "type": "ram-user",
                "accountId": call.account_id,
                "principalId": call.caller_arn,
            },
            "requestParameters": parameters,
            "referencedResources": {"ACS::ECS::SecurityGroup": [group_id]},
            "recipientAccountId": call.account_id,
            **({"errorCode": call.code} if call.code else {}),
        },
    }
