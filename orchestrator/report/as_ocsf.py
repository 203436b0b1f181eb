"""OCSF: a Compliance Finding (class 2003) per line, for a SIEM or a security lake.

Every attribute used here is in the schema from 1.5.0 on and not deprecated in 1.9.0 (August 2026). The line
names 1.5.0, so that a consumer needs no newer schema than it takes. What could not be read is a line too,
with the compliance status Warning ("did not yield a result due to missing information"), and so is each other
reason why the run is incomplete: an account that nobody could enter must not look clean.
"""

import hashlib
from collections.abc import Iterator

from accounts import Unreachable
from orchestrator.journal import Changes
from orchestrator.policy import Finding
from orchestrator.report.as_json import encoded
from orchestrator.report.version import version
from orchestrator.report.view import (
    Emit,
    Item,
    RunView,
    Standing,
    fingerprint,
    listed,
    path_of,
    resource_name,
    standing,
    unseen_text,
    witness_text,
)

SCHEMA_VERSION = "1.5.0"

_SEVERITIES = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}
_ACTIVITIES = {"closed": (3, "Close")}
# OCSF knows no word for what is wide, managed or shadowed, and 99 says so: the label is ours.
_COMPLIANCE = {"closed": (1, "Pass"), "undetermined": (2, "Warning"), "wide": (99, "Wide")}
_STATUSES = {
    "closed": (4, "Resolved"),
    "exempt": (3, "Suppressed"),
    "managed": (99, "Managed"),
    "shadowed": (99, "Shadowed"),
}


def render(view: RunView, emit: Emit) -> None:
    """Write a line for each finding, for each thing that could not be read, and for what else was not seen."""
    for event in _events(view):
        emit(encoded(event) + "\n")


def _events(view: RunView) -> Iterator[Item]:
    time, changes = int(view.began.timestamp() * 1000), Changes(view.effects())
    for finding in view.findings():
        yield _event(view, time, finding, standing(finding, changes), _of_finding(view, finding))
    for unseen in view.unreachable():
        yield _event(view, time, unseen, "undetermined", _of_unreachable(unseen))
    for reason in view.incomplete_because:
        gap = Unreachable(view.hub_account_id, None, None, "Incomplete", reason, "")
        yield _event(view, time, gap, "undetermined", _of_gap(view, reason))


def _event(view: RunView, time: int, one: Finding | Unreachable, stands: Standing, own: Item) -> Item:
    """Return what every event of the class has, and what this one has of its own."""
    activity_id, activity = _ACTIVITIES.get(stands, (1, "Create"))
    severity_id, severity = _SEVERITIES[one.severity] if isinstance(one, Finding) else (0, "Unknown")
    status_id, status = _STATUSES.get(stands, (1, "New"))
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
        "cloud": _cloud(one),
        "metadata": _metadata(view),
        **own,
        "compliance": _compliance(one, stands),
    }


def _metadata(view: RunView) -> Item:
    return {
        "version": SCHEMA_VERSION,
        "profiles": ["cloud"],
        "correlation_uid": view.run_id,
        "product": {"name": "sgsweep", "vendor_name": "sgsweep", "uid": "sgsweep", "version": version()},
    }


def _cloud(one: Finding | Unreachable) -> Item:
    account = {
        "uid": one.account_id,
        "name": (isinstance(one, Finding) and one.account_name) or one.account_id,
        "type": "Alibaba Cloud Account",
        "type_id": 99,
    }
    region = {"region": one.region_id} if one.region_id else {}
    return {"provider": "Alibaba Cloud", "account": account, **region}


def _compliance(one: Finding | Unreachable, stands: Standing) -> Item:
    status_id, status = _COMPLIANCE.get(stands, (3, "Fail"))
    if isinstance(one, Finding):
        control, code, reason = one.check_id, one.status.value, one.reason
    else:
        control, code, reason = "coverage", "unreachable", f"{one.code}: {one.message}"
    return {
        "control": control,
        "standards": ["sgsweep"],
        "status": status,
        "status_id": status_id,
        "status_code": code,
        "status_details": [reason],
    }


def _of_finding(view: RunView, finding: Finding) -> Item:
    group = {
        "uid": resource_name(finding),
        "name": finding.security_group_name or finding.security_group_id,
        "type": "ALIYUN::ECS::SecurityGroup",
        "region": finding.region_id,
        **({"owner": {"name": finding.owner}} if finding.owner else {}),
    }
    rule = {
        "uid": finding.rule_id,
        "name": finding.rule_id,
        "type": f"ALIYUN::ECS::SecurityGroup{finding.direction.capitalize()}",
        "region": finding.region_id,
        "data": finding.rule,
    }
    info = {
        "uid": fingerprint(finding),
        "title": view.check_title(finding.check_id),
        "desc": finding.reason,
        "types": ["Network exposure"],
    }
    return {
        "finding_info": info,
        "message": finding.reason,
        "resources": [group, rule],
        "remediation": {
            "desc": "sgsweep plan shows the smallest change that ends this; sgsweep apply makes it."
        },
        "unmapped": {
            "witness": witness_text(finding),
            "protocol": finding.protocol,
            "ports": str(finding.ports),
            "sources": listed(finding.sources),
            "severity_reason": "; ".join(view.lowered(finding)),
            "owner_from": finding.owner_from,
        },
    }


def _of_unreachable(unseen: Unreachable) -> Item:
    place = "/".join(path_of(unseen))
    uid = hashlib.sha256(f"unreachable\n{place}\n{unseen.code}".encode("utf-8", "surrogatepass")).hexdigest()
    title = unseen_text(unseen)
    text = f"{title}: {place}. What was not read there is not known"
    return {
        "finding_info": {"uid": uid, "title": title, "desc": text, "types": ["Coverage"]},
        "message": text,
        "resources": [{"uid": resource_name(unseen), "name": place, "type": "ALIYUN::ECS::SecurityGroup"}],
        "unmapped": {"request_id": unseen.request_id},
    }


def _of_gap(view: RunView, reason: str) -> Item:
    """Return what is told of a reason that is about the run as a whole, and about no place in particular."""
    uid = hashlib.sha256(f"incomplete\n{reason}".encode("utf-8", "surrogatepass")).hexdigest()
    title, text = "The run is incomplete", f"The run is incomplete: {reason}"
    return {
        "finding_info": {"uid": uid, "title": title, "desc": text, "types": ["Coverage"]},
        "message": text,
        "resources": [{"uid": view.run_id, "name": view.run_id, "type": "sgsweep run"}],
        "unmapped": {"request_id": ""},
    }
