"""DescribeFlowLogs: what is logged of the traffic of VPCs, vSwitches and interfaces, and where the logs go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import by_number
from orchestrator.emulator.world.model import FlowLog

VERSION: Final = "2016-04-28"
_DAY_SECONDS: Final = 86_400


@operation("vpc", VERSION, "DescribeFlowLogs", listing=("FlowLogs", "FlowLog"), regional=True)
def describe_flow_logs(context: Context) -> Answer:
    """The flow logs of a region, by number (20 a page, up to 50)."""
    ask = context.parameters.text
    found = [
        one
        for one in context.state.world.flow_logs(context.account_id, context.region_id)
        if ask("FlowLogId", one.flow_log_id) == one.flow_log_id
        and ask("FlowLogName", one.name) == one.name
        and ask("ResourceType", one.resource_type) == one.resource_type
        and ask("ResourceId", one.resource_id) == one.resource_id
        and ask("VpcId", one.vpc_id) == one.vpc_id
        and ask("TrafficType", one.traffic_type) == one.traffic_type
        and ask("ProjectName", one.project) == one.project
        and ask("LogStoreName", one.logstore) == one.logstore
        and ask("Status", one.status) == one.status
    ]
    page, numbers = by_number(context, found, 50, 20)
    # PageNumber, PageSize, TotalCount and Success are text in the page's table of the answer.
    shown = {key: str(value) for key, value in numbers.items()}
    return {"FlowLogs": {"FlowLog": [_row(context, one) for one in page]}, **shown, "Success": "true"}


def _row(context: Context, one: FlowLog) -> dict[str, object]:
    created = context.state.epoch - one.age_days * _DAY_SECONDS
    row: dict[str, object] = {
        "FlowLogId": one.flow_log_id,
        "FlowLogName": one.name,
        "Description": "",
        "RegionId": context.region_id,
        "ResourceType": one.resource_type,
        "ResourceId": one.resource_id,
        "ResourceGroupId": "",
        "ProjectName": one.project,
        "LogStoreName": one.logstore,
        "TrafficType": one.traffic_type,
        "TrafficPath": {"TrafficPathList": list(one.traffic_path)},
        "IpVersion": one.ip_version,
        "AggregationInterval": one.aggregation_minutes,
        "Status": one.status,
        "BusinessStatus": one.business_status,
        "FlowLogDeliverStatus": one.deliver_status,
        "FlowLogDeliverErrorMessage": one.deliver_error,
        "CreationTime": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ServiceType": "",
        "Tags": {"Tag": []},
    }
    return row
