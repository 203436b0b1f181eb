"""OCSF: a Remediation Activity (class 7001) for each change of a run, made or not, and for each that was taken back.

To close a door is what MITRE D3FEND, whose words the class takes, calls to isolate: it filters the network's traffic.
"""

from __future__ import annotations

import hashlib

from orchestrator.journal import Effect, OutcomeKind, rule_key
from orchestrator.report.ocsf_event import cloud, metadata
from orchestrator.report.view import Item, RunView

_ISOLATE, _RESTORE = (1, "Isolate"), (3, "Restore")
_STATUSES: dict[OutcomeKind | None, tuple[int, str]] = {
    OutcomeKind.already_absent: (3, "Does Not Exist"),
    OutcomeKind.failed: (2, "Failure"),
    OutcomeKind.drifted: (99, "Drifted"),
    OutcomeKind.skipped: (99, "Skipped"),
    None: (0, "Unknown"),
}
"""Of what was not done; of what was, it is Success. Unknown: no answer says whether it was."""

_UNKNOWN = "It is not known whether the change was made: the next apply asks the cloud"
_FAILED = (3, "Medium")
_INFORMATIONAL = (1, "Informational")


def activity(view: RunView, time: int, effect: Effect, account_name: str) -> Item:
    """Return the event of a change.

    Args:
        view: its run.
        time: when the run began, in milliseconds: of the single change no report knows it.
        effect: the change.
        account_name: of its account, "" where it is not known.
    """
    kind = effect.outcome.outcome if effect.outcome else None
    activity_id, name = _RESTORE if effect.undoes else _ISOLATE
    status_id, status = _STATUSES.get(kind, (1, "Success"))
    severity_id, severity = _FAILED if kind in {OutcomeKind.failed, None} else _INFORMATIONAL
    return {
        "activity_id": activity_id,
        "activity_name": name,
        "category_name": "Remediation",
        "category_uid": 7,
        "class_name": "Remediation Activity",
        "class_uid": 7001,
        "type_name": f"Remediation Activity: {name}",
        "type_uid": 700100 + activity_id,
        "command_uid": "/".join((effect.job, *rule_key(effect)[:3], effect.key)),
        "time": time,
        "severity": severity,
        "severity_id": severity_id,
        "status": status,
        "status_id": status_id,
        "status_code": kind.value if kind else "unknown",
        "cloud": cloud(effect.account_id, account_name, effect.region_id),
        "metadata": metadata(view),
        **_what(effect, "Restore Access" if effect.undoes else _filtering(effect)),
    }


def _what(effect: Effect, technique: str) -> Item:
    """Return what was changed, and how it ended."""
    outcome, action = effect.outcome, effect.action
    reason = (outcome.reason if outcome else _UNKNOWN) or (outcome.outcome.value if outcome else "")
    planned = action.action if action else outcome.action if outcome else ""
    group = f"acs:ecs:{effect.region_id}:{effect.account_id}:securitygroup/{effect.security_group_id}"
    place = f"rule {effect.rule_id} of {effect.security_group_id} in {effect.region_id}"
    told = f"{'Take back' if effect.undoes else 'Close'} {place}: {reason}"
    return {
        "message": told,
        "status_detail": reason,
        "remediation": {"desc": f"{planned or 'change'} {place}"},
        "countermeasures": [{"d3f_technique": {"name": technique}}],
        "observables": [
            {"name": "security_group", "type": "Resource UID", "type_id": 10, "value": group},
            {"name": "rule", "type": "Resource UID", "type_id": 10, "value": effect.rule_id},
        ],
        "unmapped": {
            "action": planned,
            "outcome": outcome.outcome.value if outcome else "",
            "request_id": outcome.request_id if outcome else "",
            "effective_after": outcome.effective_after if outcome else "",
            "check_ids": list(action.check_ids) if action else [],
            "finding_uids": [_finding_uid(effect, one) for one in (action.check_ids if action else ())],
        },
    }


def _filtering(effect: Effect) -> str:
    """Return what D3FEND calls the change."""
    action = effect.action
    is_egress = action is not None and str(action.before.get("Direction", "")).casefold() == "egress"
    return "Outbound Traffic Filtering" if is_egress else "Inbound Traffic Filtering"


def _finding_uid(effect: Effect, check_id: str) -> str:
    """Return the uid of the finding that the change is about, as the findings' own lines have it."""
    return hashlib.sha256(
        "\n".join((*rule_key(effect), check_id)).encode("utf-8", "surrogatepass")
    ).hexdigest()
