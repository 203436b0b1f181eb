"""SARIF 2.1.0 (OASIS, with errata 01): rules are checks, results are findings, notifications the unreachable.

How a finding stands becomes the result's kind: what could not be judged is `open`, in the standard's own
sense ("not enough information to decide"), never a pass. By section 3.27.10 only a `fail` has a level other
than none.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

from orchestrator.report.as_json import encoded, write_array
from orchestrator.report.version import version
from orchestrator.report.view import (
    SEVERITIES,
    Changes,
    Emit,
    Item,
    RunView,
    changes_of,
    fingerprint,
    listed,
    resource_name,
    witness_text,
)

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
# What GitHub sorts by: above 9 critical, above 7 high, above 4 medium.
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0"}
_KINDS = {
    "open": "fail",
    "exempt": "fail",  # and suppressed
    "managed": "fail",  # as a note: the exposure is real, but the service that owns the group has to end it
    "undetermined": "open",
    "closed": "pass",
    "shadowed": "informational",
}
_UNREACHABLE: Item = {
    "id": "unreachable",
    "shortDescription": {"text": "An account, a region or a security group that could not be read"},
}


def render(view: RunView, emit: Emit) -> None:
    """Write one log with one run. Goes over the findings twice: once for the checks, once for the results."""
    rules = _rules(view)
    places = {rule["id"]: index for index, rule in enumerate(rules)}
    driver = {
        "name": "sgsweep",
        "semanticVersion": version(),
        "rules": rules,
        "notifications": [_UNREACHABLE],
    }
    emit(f'{{"$schema":"{_SCHEMA}","version":"2.1.0","runs":[{{"tool":{encoded({"driver": driver})}')
    emit(f',\n"automationDetails":{encoded({"id": f"sgsweep/{view.run_id}"})}')
    emit(f',\n"invocations":[{{"executionSuccessful":{encoded(view.summary.get("complete") is True)}')
    emit(f',"startTimeUtc":"{view.began:%Y-%m-%dT%H:%M:%SZ}"')
    emit(',"toolExecutionNotifications":')
    write_array(emit, (_notification(item) for item in view.unreachable()))
    emit('}],\n"results":')
    write_array(emit, _results(view, places))
    emit("}]}\n")


def _rules(view: RunView) -> list[Item]:
    """Return a reporting descriptor for each check of the run, and for each that a finding names."""
    worst = {str(check["id"]): str(check.get("severity", "low")) for check in view.checks}
    for finding in view.findings():
        seen = worst.setdefault(finding["check_id"], finding["severity"])
        worst[finding["check_id"]] = min(seen, finding["severity"], key=SEVERITIES.index)
    return [_rule(check_id, view.check_title(check_id), worst[check_id]) for check_id in sorted(worst)]


def _rule(check_id: str, title: str, severity: str) -> Item:
    return {
        "id": check_id,
        "shortDescription": {"text": title},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {
            "security-severity": _SCORES[severity],
            "precision": "very-high",
            "tags": ["security", "network", "alibaba-cloud"],
        },
    }


def _results(view: RunView, places: dict[str, int]) -> Iterator[Item]:
    changes = changes_of(view)
    for finding in view.findings():
        yield _result(finding, places, changes)


def _result(finding: Item, places: dict[str, int], changes: Changes) -> Item:
    standing = changes.standing(finding)
    kind = _KINDS[standing]
    identity = fingerprint(finding)
    return {
        "ruleId": finding["check_id"],
        "ruleIndex": places[finding["check_id"]],
        "kind": kind,
        "level": _level(finding, standing) if kind == "fail" else "none",
        "message": {"text": _message(finding)},
        "locations": [_location(finding)],
        "fingerprints": {"sgsweep/v1": identity},
        # The name under which GitHub tells a known result from a new one.
        "partialFingerprints": {"primaryLocationLineHash": identity},
        # On every result, empty where there is none: absent would mean "not known" (section 3.27.23).
        "suppressions": _suppressions(finding) if standing == "exempt" else [],
        "properties": _properties(finding, standing, changes),
    }


def _level(finding: Item, standing: str) -> str:
    return "note" if standing == "managed" else _LEVELS[finding["severity"]]


def _suppressions(finding: Item) -> list[Item]:
    return [{"kind": "external", "status": "accepted", "justification": finding["reason"]}]


def _properties(finding: Item, standing: str, changes: Changes) -> Item:
    keys = ("account_name", "severity", "verdict", "status", "protocol", "witness", "rule")
    return {
        **{key: finding.get(key) for key in keys},
        "ports": listed(finding.get("ports")),
        "sources": listed(finding.get("sources")),
        "standing": standing,
        "outcome": changes.outcome(finding),
        "resource": resource_name(finding),
    }


def _message(finding: Item) -> str:
    witness = witness_text(finding)
    proof = f" A packet that gets through: {witness}." if witness else ""
    group = f"{finding['security_group_name']} ({finding['security_group_id']})"
    account = finding["account_name"] or finding["account_id"]
    where = f"Group {group} in {finding['region_id']}, account {account}."
    return _plain(f"{finding['reason'].rstrip('.')}. {where}{proof}")


def _plain(text: str) -> str:
    """Take from brackets and braces the meaning they have in a SARIF message (sections 3.11.5 and 3.11.6)."""
    return re.sub(r"([{}])", r"\1\1", re.sub(r"([\\\[\]])", r"\\\1", text))


def _location(item: Item) -> Item:
    keys = ("account_id", "region_id", "security_group_id", "rule_id")
    parts = [str(item[key]) for key in keys if item.get(key)]
    kinds = ("account", "region", "security group", "rule")
    logical = {
        "name": parts[-1],
        "fullyQualifiedName": "/".join(parts),
        "kind": kinds[len(parts) - 1],
    }
    # Code scanning services show no result without a physical location. A rule has no file: its group
    # stands in.
    path = "/".join(quote(part, safe="") for part in parts[:3])
    return {
        "logicalLocations": [logical],
        "physicalLocation": {"artifactLocation": {"uri": path}, "region": {"startLine": 1}},
    }


def _notification(item: Item) -> Item:
    request = f" (request {item['request_id']})" if item.get("request_id") else ""
    return {
        "descriptor": {"id": _UNREACHABLE["id"]},
        "level": "error",
        "message": {"text": _plain(f"Could not be read: {item['code']}: {item['message']}{request}")},
        "locations": [_location(item)],
    }
