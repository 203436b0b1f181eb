"""JUDGE: checks, exemptions and findings; a group in, verdicts out.

Pure: no I/O, no clock, no log; `now` is an argument. It says what is risky and why, never what is then done.
"""

from orchestrator.policy.checks import (
    DEFAULT,
    Action,
    Check,
    PolicyError,
    PortSpec,
    Severity,
    Status,
    Thresholds,
    Verdict,
    checks_for_ports,
    distinct,
    parse_check,
    parse_checks,
    parse_packs,
)
from orchestrator.policy.defaults import default_checks
from orchestrator.policy.evaluate import UNDETERMINED, WIDE, evaluate, evaluate_together, severity_of
from orchestrator.policy.exemptions import (
    Exemption,
    ExemptionNote,
    parse_exemption,
    parse_exemptions,
    review,
)
from orchestrator.policy.explain import Explanation, Step, explain
from orchestrator.policy.findings import Attachment, Exposure, Finding, Sight, Witness
from orchestrator.policy.interfaces import attach, gets_through, still_reachable_via

__all__ = [
    "DEFAULT",
    "UNDETERMINED",
    "WIDE",
    "Action",
    "Attachment",
    "Check",
    "Exemption",
    "ExemptionNote",
    "Explanation",
    "Exposure",
    "Finding",
    "PolicyError",
    "PortSpec",
    "Severity",
    "Sight",
    "Status",
    "Step",
    "Thresholds",
    "Verdict",
    "Witness",
    "attach",
    "checks_for_ports",
    "default_checks",
    "distinct",
    "evaluate",
    "evaluate_together",
    "explain",
    "gets_through",
    "parse_check",
    "parse_checks",
    "parse_exemption",
    "parse_exemptions",
    "parse_packs",
    "review",
    "severity_of",
    "still_reachable_via",
]
