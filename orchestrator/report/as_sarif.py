"""SARIF 2.1.0 (OASIS, with errata 01): rules are checks, results are findings, notifications the unreachable.

How a finding stands becomes the result's kind: what could not be judged is `open`, in the standard's own
sense ("not enough information to decide"), never a pass. By section 3.27.10 only a `fail` has a level other
than none.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from urllib.parse import quote

import msgspec

from accounts import Unreachable
from orchestrator.journal import RuleEffects
from orchestrator.policy import Finding
from orchestrator.report.as_json import encoded, write_array
from orchestrator.report.headline import NOT_COVERED
from orchestrator.report.version import version
from orchestrator.report.view import (
    SEVERITIES,
    Emit,
    Item,
    RunView,
    Standing,
    each_reference,
    fingerprint,
    listed,
    path_of,
    resource_name,
    standing,
    unseen_text,
    witness_text,
)

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
# What GitHub sorts by: above 9 critical, above 7 high, above 4 medium.
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0"}
KINDS: dict[Standing, str] = {
    "open": "fail",
    "exempt": "fail",  # and suppressed
    "managed": "fail",  # as a note: the exposure is real, but the service that owns the group has to end it
    "undetermined": "open",
    "closed": "pass",
    "shadowed": "informational",
    "wide": "review",  # people are to say whether the source is meant
}
_UNREACHABLE: Item = {
    "id": "unreachable",
    "shortDescription": {
        "text": "An account, a region or a security group that was not read, or not in full"
    },
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
    emit(f'{{"$schema":"{SCHEMA}","version":"2.1.0","runs":[{{"tool":{encoded({"driver": driver})}')
    emit(f',\n"properties":{encoded({"not_covered": NOT_COVERED})}')
    emit(f',\n"automationDetails":{encoded({"id": f"sgsweep/{view.run_id}"})}')
    emit(f',\n"invocations":[{{"executionSuccessful":{encoded(view.summary.get("complete") is True)}')
    emit(f',"startTimeUtc":"{view.began:%Y-%m-%dT%H:%M:%SZ}"')
    emit(',"toolExecutionNotifications":')
    write_array(emit, chain(map(_notification, view.unreachable()), map(_gap, view.incomplete_because)))
    emit('}],\n"results":')
    write_array(emit, _results(view, places))
    emit("}]}\n")


def _rules(view: RunView) -> list[Item]:
    """Return a reporting descriptor for each check of the run, and for each that a finding names."""
    worst = {check.id: check.severity.value for check in view.checks}
    for finding in view.findings():
        seen = worst.setdefault(finding.check_id, finding.severity.value)
        worst[finding.check_id] = min(seen, finding.severity.value, key=SEVERITIES.index)
    known = {check.id: each_reference(check.references) for check in view.checks}
    return [
        descriptor(check_id, view.check_title(check_id), worst[check_id], known.get(check_id, ()))
        for check_id in sorted(worst)
    ]


def descriptor(check_id: str, title: str, severity: str, references: Sequence[str] = ()) -> Item:
    """Return what SARIF calls a rule: a check, with what it is in a benchmark or another product."""
    return {
        "id": check_id,
        "shortDescription": {"text": title},
        "defaultConfiguration": {"level": LEVELS[severity]},
        "properties": {
            "security-severity": _SCORES[severity],
            "precision": "very-high",
            "tags": ["security", "network", "alibaba-cloud"],
            **({"references": list(references)} if references else {}),
        },
    }


def _results(view: RunView, places: dict[str, int]) -> Iterator[Item]:
    changes = RuleEffects(view.effects())
    for finding in view.findings():
        yield _result(view, finding, places, changes)


def _result(view: RunView, finding: Finding, places: dict[str, int], changes: RuleEffects) -> Item:
    stands = standing(finding, changes)
    kind = KINDS[stands]
    identity = fingerprint(finding)
    return {
        "ruleId": finding.check_id,
        "ruleIndex": places[finding.check_id],
        "kind": kind,
        "level": level_of(finding, stands) if kind == "fail" else "none",
        "message": {"text": _message(finding)},
        "locations": [_location(finding)],
        "fingerprints": {"sgsweep/v1": identity},
        # The name under which GitHub tells a known result from a new one.
        "partialFingerprints": {"primaryLocationLineHash": identity},
        # On every result, empty where there is none: absent would mean "not known" (section 3.27.23).
        "suppressions": _suppressions(finding) if stands == "exempt" else [],
        "properties": {
            **_properties(finding, stands, changes),
            "severity_reason": "; ".join(view.lowered(finding)),
        },
    }


def level_of(finding: Finding, stands: Standing) -> str:
    """Return the level of a result whose kind is `fail`."""
    return "note" if stands == "managed" else LEVELS[finding.severity]


def _suppressions(finding: Finding) -> list[Item]:
    return [{"kind": "external", "status": "accepted", "justification": finding.reason}]


def _properties(finding: Finding, stands: Standing, changes: RuleEffects) -> Item:
    keys = ("account_name", "severity", "verdict", "status", "protocol", "owner", "owner_from")
    return {
        **{key: getattr(finding, key) for key in keys},
        "witness": msgspec.to_builtins(finding.witness, order="sorted"),
        "rule": finding.rule,
        "ports": str(finding.ports),
        "sources": listed(finding.sources),
        "standing": stands,
        "outcome": changes.outcome(finding) or "",
        "resource": resource_name(finding),
    }


def _message(finding: Finding) -> str:
    witness = witness_text(finding)
    proof = f" A packet that gets through: {witness}." if witness else ""
    group = f"{finding.security_group_name} ({finding.security_group_id})"
    account = finding.account_name or finding.account_id
    where = f"Group {group} in {finding.region_id}, account {account}."
    return plain(f"{finding.reason.rstrip('.')}. {where}{proof}")


def plain(text: str) -> str:
    """Take from brackets and braces the meaning they have in a SARIF message (sections 3.11.5 and 3.11.6)."""
    return re.sub(r"([{}])", r"\1\1", re.sub(r"([\\\[\]])", r"\\\1", text))


def _location(one: Finding | Unreachable) -> Item:
    parts = path_of(one)
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


def _gap(reason: str) -> Item:
    return {
        "descriptor": {"id": _UNREACHABLE["id"]},
        "level": "error",
        "message": {"text": plain(f"Incomplete: {reason}")},
    }


def _notification(unseen: Unreachable) -> Item:
    request = f" (request {unseen.request_id})" if unseen.request_id else ""
    return {
        "descriptor": {"id": _UNREACHABLE["id"]},
        "level": "error",
        "message": {"text": plain(f"{unseen_text(unseen)}: {unseen.code}: {unseen.message}{request}")},
        "locations": [_location(unseen)],
    }
