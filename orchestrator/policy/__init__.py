"""JUDGE: checks, exemptions and findings; a group in, verdicts out.

Pure: no I/O, no clock, no log; `now` is an argument. It says what is risky and why, never what is then done.
"""

from orchestrator.policy.checks import (
    Action,
    Check,
    PolicyError,
    Severity,
    Status,
    Thresholds,
    Verdict,
    checks_for_ports,
    distinct,
    parse_check,
    parse_checks,
    parse_packs,
    parse_port,
)
from orchestrator.policy.defaults import default_checks
from orchestrator.policy.evaluate import evaluate, evaluate_together, may_matter
from orchestrator.policy.exemptions import (
    RESOURCE,
    SOON,
    Exemption,
    ExemptionNote,
    parse_exemption,
    parse_exemptions,
    refuse_unknown_checks,
    review,
)
from orchestrator.policy.explain import Explanation, Step, explain
from orchestrator.policy.findings import UNDETERMINED, WIDE, Attachment, Exposure, Finding, Sight, Witness
from orchestrator.policy.interfaces import (
    SharedInterfaces,
    Weighing,
    attach,
    gets_through,
    may_guard,
    still_reachable_via,
)
from orchestrator.policy.owners import BY_ID, BY_NAME, Owner, OwnerEntry, Owners, owner_of, parse_owners

__all__ = [
    "BY_ID",
    "BY_NAME",
    "RESOURCE",
    "SOON",
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
    "Owner",
    "OwnerEntry",
    "Owners",
    "PolicyError",
    "Severity",
    "SharedInterfaces",
    "Sight",
    "Status",
    "Step",
    "Thresholds",
    "Verdict",
    "Weighing",
    "Witness",
    "attach",
    "checks_for_ports",
    "default_checks",
    "distinct",
    "evaluate",
    "evaluate_together",
    "explain",
    "gets_through",
    "may_guard",
    "may_matter",
    "owner_of",
    "parse_check",
    "parse_checks",
    "parse_exemption",
    "parse_exemptions",
    "parse_owners",
    "parse_packs",
    "parse_port",
    "refuse_unknown_checks",
    "review",
    "still_reachable_via",
]
