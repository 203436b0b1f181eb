"""The composition root: one function for each command, made of the rooms below. The only place that fans out."""

from orchestrator.inventory import RoleRight
from orchestrator.plan import describe as describe_plan
from orchestrator.plan import describe_identity as describe_plan_identity
from orchestrator.plan import summarize as summarize_plan
from orchestrator.remediate import Brake
from orchestrator.run.agreement import Agreement
from orchestrator.run.changing import Approval, Changed, apply, brake_of, rollback
from orchestrator.run.checking import CodeChecked, check
from orchestrator.run.closing import Closed, close
from orchestrator.run.comparing import compare
from orchestrator.run.connection import Connection
from orchestrator.run.cross_check import SecondWitness
from orchestrator.run.diffing import differing
from orchestrator.run.doctor import AccountList, Examined, Visit, list_accounts
from orchestrator.run.eventpath import EventTried, try_events
from orchestrator.run.evidencing import EvidenceGathered, EvidenceWanted, gather
from orchestrator.run.filters import Filters, of_severities
from orchestrator.run.folder import Summary
from orchestrator.run.narrowing import ReportPart
from orchestrator.run.notifying import (
    apply_notice,
    close_notice,
    failed_notice,
    is_notified,
    scan_notice,
    send_notices,
    send_test,
)
from orchestrator.run.offline import account_names, headline_in, open_by_account, report, summary_of, view
from orchestrator.run.owning import CodePatched, patch
from orchestrator.run.planning import Planned, changing_protected, explain_rule, plan
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import RefusedError, UsageError
from orchestrator.run.reviewing import Reviewed, review, review_json
from orchestrator.run.scanning import (
    dated_folder,
    holds_run,
    new_run_id,
    resume,
    scan,
)
from orchestrator.run.signing import SigningResult, read_private_key, sign_plan, sign_record
from orchestrator.run.splitting import split_by_owner
from orchestrator.run.trying import ConnectionCheck, try_cloud
from orchestrator.run.verifying import Verified, verify, verify_offline
from orchestrator.run.watching import QuotaSeen

__all__ = [
    "AccountList",
    "Agreement",
    "Approval",
    "Brake",
    "Changed",
    "Closed",
    "CodeChecked",
    "CodePatched",
    "Connection",
    "ConnectionCheck",
    "EventTried",
    "EvidenceGathered",
    "EvidenceWanted",
    "Examined",
    "Filters",
    "Planned",
    "Progress",
    "QuotaSeen",
    "RefusedError",
    "ReportPart",
    "Reviewed",
    "RoleRight",
    "SecondWitness",
    "SigningResult",
    "Summary",
    "UsageError",
    "Verified",
    "Visit",
    "account_names",
    "apply",
    "apply_notice",
    "brake_of",
    "changing_protected",
    "check",
    "close",
    "close_notice",
    "compare",
    "dated_folder",
    "describe_plan",
    "describe_plan_identity",
    "differing",
    "explain_rule",
    "failed_notice",
    "gather",
    "headline_in",
    "holds_run",
    "is_notified",
    "list_accounts",
    "new_run_id",
    "of_severities",
    "open_by_account",
    "patch",
    "plan",
    "read_private_key",
    "report",
    "resume",
    "review",
    "review_json",
    "rollback",
    "scan",
    "scan_notice",
    "send_notices",
    "send_test",
    "sign_plan",
    "sign_record",
    "split_by_owner",
    "summarize_plan",
    "summary_of",
    "try_cloud",
    "try_events",
    "verify",
    "verify_offline",
    "view",
]
