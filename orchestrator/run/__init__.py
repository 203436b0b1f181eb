"""The composition root: one function for each command, made of the rooms below. The only place that fans out."""

from orchestrator.plan import describe as describe_plan
from orchestrator.remediate import Brake
from orchestrator.run.changing import Approval, Changed, apply, brake_of, rollback
from orchestrator.run.closing import Closed, close
from orchestrator.run.filters import Filters
from orchestrator.run.folder import Summary
from orchestrator.run.hub import key_and_value
from orchestrator.run.planning import Planned, explain_rule, plan
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import RefusedError, UsageError, explain_error
from orchestrator.run.scanning import AccountList, list_accounts, resume, scan
from orchestrator.run.telling import report
from orchestrator.run.verifying import Verified, sign_record, verify, verify_offline

__all__ = [
    "AccountList",
    "Approval",
    "Brake",
    "Changed",
    "Closed",
    "Filters",
    "Planned",
    "Progress",
    "RefusedError",
    "Summary",
    "UsageError",
    "Verified",
    "apply",
    "brake_of",
    "close",
    "describe_plan",
    "explain_error",
    "explain_rule",
    "key_and_value",
    "list_accounts",
    "plan",
    "report",
    "resume",
    "rollback",
    "scan",
    "sign_record",
    "verify",
    "verify_offline",
]
