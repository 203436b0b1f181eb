"""CSV: one row per finding, safe to open in a spreadsheet.

Names of groups and descriptions of rules are whatever a tenant typed, and a spreadsheet runs a cell that
begins like a formula. Such a cell gets an apostrophe in front, which spreadsheets take as "this is text"
(OWASP, CSV Injection). It concerns `-1/-1`, the API's "all ports", too: a spreadsheet would show 1.
"""

import csv

from orchestrator.report.view import Changes, Emit, Item, RunView, changes_of, fingerprint, listed

COLUMNS = {
    "account_id": "the account that owns the group",
    "account_name": "its display name",
    "region_id": "the region",
    "security_group_id": "the security group",
    "security_group_name": "its name",
    "service_managed": "true where a cloud service owns the group: reported, never changed",
    "rule_id": "the rule",
    "direction": "ingress or egress",
    "check_id": "the check that it fails",
    "severity": "critical, high, medium or low",
    "verdict": "fail, or undetermined where it could not be judged",
    "status": "open, exempt, shadowed or managed, as found by the scan",
    "standing": "how it stands now: undetermined, closed by a change, or else the status",
    "outcome": "what the last change of this rule came to; empty where there was none",
    "protocol": "the rule's protocol",
    "ports": "the rule's ports",
    "sources": "the rule's sources",
    "reason": "why",
    "witness_protocol": "a packet that gets in: its protocol,",
    "witness_port": "its port,",
    "witness_source": "and where it comes from",
    "description": "the rule's own description",
    "finding_id": "the same in every run",
}
"""The columns in their order, and what each says. New ones are added at the end."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# The last four are the full-width forms, which spreadsheets in East Asian locales take for the plain ones.


def render(view: RunView, emit: Emit) -> None:
    """Write the header and a row for each finding, with the line ends of RFC 4180."""
    changes = changes_of(view)
    rows = csv.writer(_Sink(emit))
    rows.writerow(COLUMNS)
    for finding in view.findings():
        values = _values(finding, changes)
        rows.writerow(_cell(values[column]) for column in COLUMNS)


def _values(finding: Item, changes: Changes) -> Item:
    witness = finding.get("witness") or {}
    return {
        **dict.fromkeys(COLUMNS, ""),
        **finding,
        "standing": changes.standing(finding),
        "outcome": changes.outcome(finding),
        "witness_protocol": witness.get("protocol"),
        "witness_port": witness.get("port"),
        "witness_source": witness.get("source"),
        "description": (finding.get("rule") or {}).get("Description"),
        "finding_id": fingerprint(finding),
    }


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = listed(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


class _Sink:
    """What the csv module wants to write to."""

    def __init__(self, emit: Emit) -> None:
        self.write = emit
