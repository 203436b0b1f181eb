"""OCSF: a Compliance Finding (class 2003) per line, for a SIEM or a security lake.

Every attribute used here is in the schema from 1.5.0 on and not deprecated in 1.9.0 (August 2026). The line
names 1.5.0, so that a consumer needs no newer schema than it takes. What could not be read is a line too,
with the compliance status Warning ("did not yield a result due to missing information"): an account that
nobody could enter must not look clean.
"""

import hashlib
from collections.abc import Iterator

from orchestrator.report.as_json import encoded
from orchestrator.report.version import version
from orchestrator.report.view import (
    Emit,
    Item,
    RunView,
    changes_of,
    fingerprint,
    listed,
    resource_name,
    witness_text,
)

SCHEMA_VERSION = "1.5.0"

_SEVERITIES = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}
_ACTIVITIES = {"closed": (3, "Close")}
_COMPLIANCE = {"closed": (1, "Pass"), "undetermined": (2, "Warning")}
# OCSF knows no word for the last two, and 99 says so: the label is ours.
_STATUSES = {
    "closed": (4, "Resolved"),
    "exempt": (3, "Suppressed"),
    "managed": (99, "Managed"),
    "shadowed": (99, "Shadowed"),
}


def render(view: RunView, emit: Emit) -> None:
    """Write a line for each finding, then one for each thing that could not be read."""
    for event in _events(view):
        emit(encoded(event) + "\n")


def _events(view: RunView) -> Iterator[Item]:
    time, changes = int(view.began.timestamp() * 1000), changes_of(view)
    for finding in view.findings():
        yield _event(view, time, finding, changes.standing(finding), _of_finding(view, finding))
    for item in view.unreachable():
        yield _event(view, time, item, "undetermined", _of_unreachable(item))


def _event(view: RunView, time: int, item: Item, standing: str, own: Item) -> Item:
    """Return what every event of the class has, and what this one has of its own."""
    activity_id, activity = _ACTIVITIES.get(standing, (1, "Create"))
    severity_id, severity = _SEVERITIES.get(str(item.get("severity")), (0, "Unknown"))
    status_id, status = _STATUSES.get(standing, (1, "New"))
    return {
        "activity_id": activity_id,
        "activity_name": activity,
        "category_name": "Findings",
        "category_uid": 2,
        "class_name": "Compliance Finding",
        "class_uid": 2003,
        "type_name": f"Compliance Finding: {activity}",
        "type_uid": 200300 + activity_id,
        "time": time,
        "severity": severity,
        "severity_id": severity_id,
        "status": status,
        "status_id": status_id,
        "cloud": _cloud(item),
        "metadata": _metadata(view),
        **own,
        "compliance": _compliance(item, standing),
    }


def _metadata(view: RunView) -> Item:
    return {
        "version": SCHEMA_VERSION,
        "profiles": ["cloud"],
        "correlation_uid": view.run_id,
        "product": {"name": "sgsweep", "vendor_name": "sgsweep", "uid": "sgsweep", "version": version()},
    }


def _cloud(item: Item) -> Item:
    account = {
        "uid": item["account_id"],
        "name": item.get("account_name") or item["account_id"],
        "type": "Alibaba Cloud Account",
        "type_id": 99,
    }
    region = {"region": item["region_id"]} if item.get("region_id") else {}
    return {"provider": "Alibaba Cloud", "account": account, **region}


def _compliance(item: Item, standing: str) -> Item:
    status_id, status = _COMPLIANCE.get(standing, (3, "Fail"))
    reason = item.get("reason") or f"{item.get('code')}: {item.get('message')}"
    return {
        "control": item.get("check_id", "coverage"),
        "standards": ["sgsweep"],
        "status": status,
        "status_id": status_id,
        "status_code": item.get("status", "unreachable"),
        "status_details": [reason],
    }


def _of_finding(view: RunView, finding: Item) -> Item:
    group = {
        "uid": resource_name(finding),
        "name": finding["security_group_name"] or finding["security_group_id"],
        "type": "ALIYUN::ECS::SecurityGroup",
        "region": finding["region_id"],
    }
    rule = {
        "uid": finding["rule_id"],
        "name": finding["rule_id"],
        "type": f"ALIYUN::ECS::SecurityGroup{str(finding['direction']).capitalize()}",
        "region": finding["region_id"],
        "data": finding.get("rule") or {},
    }
    info = {
        "uid": fingerprint(finding),
        "title": view.check_title(finding["check_id"]),
        "desc": finding["reason"],
        "types": ["Network exposure"],
    }
    return {
        "finding_info": info,
        "message": finding["reason"],
        "resources": [group, rule],
        "remediation": {
            "desc": "sgsweep plan shows the smallest change that ends this; sgsweep apply makes it."
        },
        "unmapped": {
            "witness": witness_text(finding),
            "protocol": finding["protocol"],
            "ports": listed(finding["ports"]),
            "sources": listed(finding["sources"]),
        },
    }


def _of_unreachable(item: Item) -> Item:
    keys = ("account_id", "region_id", "security_group_id")
    place = "/".join(str(item[key]) for key in keys if item.get(key))
    uid = hashlib.sha256(
        f"unreachable\n{place}\n{item.get('code')}".encode("utf-8", "surrogatepass")
    ).hexdigest()
    text = f"{place} could not be read, so nothing is known of it"
    return {
        "finding_info": {"uid": uid, "title": "Could not be read", "desc": text, "types": ["Coverage"]},
        "message": text,
        "resources": [{"uid": resource_name(item), "name": place, "type": "ALIYUN::ECS::SecurityGroup"}],
        "unmapped": {"request_id": item.get("request_id", "")},
    }
