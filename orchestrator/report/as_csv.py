"""CSV: one row per finding, safe to open in a spreadsheet.

Names of groups and descriptions of rules are whatever a tenant typed, and a spreadsheet runs a cell that
begins like a formula. Such a cell gets an apostrophe in front, which spreadsheets take as "this is text"
(OWASP, CSV Injection). It concerns `-1/-1`, the API's "all ports", too: a spreadsheet would show 1.

Where a cell begins is for the spreadsheet to say: in half of Europe it splits at semicolons and heeds no quotes that a
comma stands before, and an import dialog takes any character. So whatever stands behind what could be a separator, any
character but a letter, a digit or an underscore, gets its apostrophe too; but for a number, and a sign between spaces.
"""

import csv
import re
from enum import Enum

from orchestrator.journal import RuleEffects
from orchestrator.policy import Finding
from orchestrator.report.view import Emit, RunView, fingerprint, listed, standing

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
    "standing": "how it stands now: undetermined, closed by a change, wide (told apart), or else the status",
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
    "protection": "why its group is not changed; it is open and counted all the same",
    "severity_reason": "why the severity is below the check's own; empty where it is not",
    "owner": "who owns the group",
    "owner_from": "from where that is known: a tag of the group, its instances or its account, the mapping, its name",
    "references": "what the check is in a benchmark or another product: CIS Alibaba Cloud 2.0: 4.3",
}
"""The columns in their order, and what each says. New ones are added at the end."""

_SIGN = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
# The last four are the full-width forms, which spreadsheets in East Asian locales take for the plain ones.
_FORMULA = re.compile(
    rf"^(?={_SIGN}| *[\t\r\n])"  # the cell begins so, or with what is cut off before it is looked at
    r"|(?<=[^\w'=+\-@\uff1d\uff0b\uff0d\uff20])"  # or behind a separator,
    rf"(?!(?<=\w ){_SIGN}(?: |$)|[+-]\d+(?:[ ,;)]|$))(?={_SIGN})"  # but for a sign alone, and a plain number
)


def render(view: RunView, emit: Emit) -> None:
    """Write the header and a row for each finding, with the line ends of RFC 4180."""
    changes = RuleEffects(view.effects())
    rows = csv.writer(_Sink(emit))
    rows.writerow(COLUMNS)
    for finding in view.findings():
        added = {
            **_added(finding, changes),
            "severity_reason": "; ".join(view.lowered(finding)),
            "references": "; ".join(view.references(finding)),
        }
        rows.writerow(
            _cell(added[column] if column in added else getattr(finding, column)) for column in COLUMNS
        )


def _added(finding: Finding, changes: RuleEffects) -> dict[str, object]:
    """Return what a row has beside the finding's own keys."""
    witness = finding.witness
    return {
        "standing": standing(finding, changes),
        "outcome": changes.outcome(finding),
        "witness_protocol": witness and witness.protocol,
        "witness_port": witness and witness.port,
        "witness_source": witness and witness.source,
        "description": finding.rule.get("Description"),
        "finding_id": fingerprint(finding),
    }


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        value = value.value
    text = listed(value) if isinstance(value, tuple) else "" if value is None else str(value)
    return _FORMULA.sub("'", text)


class _Sink:
    """What the csv module wants to write to."""

    def __init__(self, emit: Emit) -> None:
        self.write = emit
