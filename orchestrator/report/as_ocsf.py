"""OCSF for a SIEM or a security lake: a line for each finding (Compliance Finding, class 2003) and each change.

Every attribute used here is in the schema from 1.5.0 on and not deprecated in 1.9.0 (August 2026). The line
names 1.5.0, so that a consumer needs no newer schema than it takes. What could not be read is a line too,
with the compliance status Warning ("did not yield a result due to missing information"), and so is each other
reason why the run is incomplete: an account that nobody could enter must not look clean. The first line is
informational: it says what no line is about. Changes are of class 7001, see `ocsf_activity`.
"""

import hashlib
from collections.abc import Iterator

from accounts import Unreachable
from orchestrator.journal import RuleEffects
from orchestrator.policy import Finding
from orchestrator.report.as_json import encoded
from orchestrator.report.headline import NOT_COVERED
from orchestrator.report.ocsf_activity import activity
from orchestrator.report.ocsf_event import cloud, metadata
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
    """Write a line of what is not covered, one for each finding, each thing that was not seen, and each change."""
    for event in _events(view):
        emit(encoded(event) + "\n")


def _events(view: RunView) -> Iterator[Item]:
    time, changes = int(view.began.timestamp() * 1000), RuleEffects(view.effects())
    yield _head(view, time)
    for finding in view.findings():
        yield _event(view, time, finding, standing(finding, changes), _of_finding(view, finding))
    for unseen in view.unreachable():
        yield _event(view, time, unseen, "undetermined", _of_unreachable(unseen))
    for reason in view.incomplete_because:
        gap = Unreachable(view.hub_account_id, None, None, "Incomplete", reason, "")
        yield _event(view, time, gap, "undetermined", _of_gap(view, reason))
    names = {one.account.account_id: one.account.name for one in view.accounts()}
    for effect in view.effects():
        yield activity(view, time, effect, names.get(effect.account_id, ""))


def _head(view: RunView, time: int) -> Item:
    """Return the first line: what no line is about, so that silence is not taken for safety there."""
    nobody = Unreachable(view.hub_account_id, None, None, "NotCovered", NOT_COVERED, "")
    event = _event(view, time, nobody, "undetermined", _of_head(view))
    compliance = {**event["compliance"], "status_id": 0, "status": "Unknown", "status_code": "not_covered"}
    informational = {"severity": "Informational", "severity_id": 1, "status": "Not covered", "status_id": 99}
    return {**event, **informational, "compliance": {**compliance, "status_details": [NOT_COVERED]}}


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
        "metadata": metadata(view),
        **own,
        "compliance": _compliance(view, one, stands),
    }


def _cloud(one: Finding | Unreachable) -> Item:
    return cloud(one.account_id, one.account_name if isinstance(one, Finding) else "", one.region_id)


def _compliance(view: RunView, one: Finding | Unreachable, stands: Standing) -> Item:
    status_id, status = _COMPLIANCE.get(stands, (3, "Fail"))
    references: tuple[str, ...] = ()
    if isinstance(one, Finding):
        references = view.references(one)
        control, code, reason = one.check_id, one.status.value, one.reason
    else:
        control, code, reason = "coverage", "unreachable", f"{one.code}: {one.message}"
    return {
        "control": control,
        "standards": ["sgsweep", *dict.fromkeys(each.partition(": ")[0] for each in references)],
        **({"requirements": list(references)} if references else {}),
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


def _of_head(view: RunView) -> Item:
    title = "What this report is not about"
    uid = hashlib.sha256(f"not covered\n{view.run_id}".encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "finding_info": {"uid": uid, "title": title, "desc": NOT_COVERED, "types": ["Coverage"]},
        "message": NOT_COVERED,
        "resources": [{"uid": view.run_id, "name": view.run_id, "type": "sgsweep run"}],
        "unmapped": {"not_covered": NOT_COVERED},
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
