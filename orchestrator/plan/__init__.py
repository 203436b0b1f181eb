"""DECIDE: what is to be done about the findings, exactly, and what undoes it.

Pure: no I/O, no clock, no log. A plan is a value with one spelling in bytes and a digest. Every change in it was
tried on the group as it would be then, by the judgement that found the risk; what did not pass is skipped, with
the reason. Nothing is carried out here.
"""

from orchestrator.plan.codec import (
    check_age,
    check_digest,
    check_identity,
    decode,
    digest,
    encode,
    sealed,
    signed_of_old,
    subject,
    with_signature,
)
from orchestrator.plan.describe import Line, PlanNames, describe, describe_identity, describe_rule, summarize
from orchestrator.plan.guardrails import (
    CODE_MARKS,
    LIMITS,
    CodeMark,
    Settings,
    Totals,
    check_limits,
    managed_as_code,
    protection,
)
from orchestrator.plan.pieces import is_old_default
from orchestrator.plan.planner import Decision, Judged, PlanHead, Unread, decide, make_plan
from orchestrator.plan.proof import ProofRefusal, Proved, opens_too_much, prove
from orchestrator.plan.simulation import Judge
from orchestrator.plan.values import (
    BALANCERS_UNKNOWN,
    Action,
    DigestMismatch,
    Fields,
    Inverse,
    Kind,
    Place,
    Plan,
    PlanError,
    PlanOrigin,
    Skipped,
    UnsafePlan,
    return_key,
)

__all__ = [
    "BALANCERS_UNKNOWN",
    "CODE_MARKS",
    "LIMITS",
    "Action",
    "CodeMark",
    "Decision",
    "DigestMismatch",
    "Fields",
    "Inverse",
    "Judge",
    "Judged",
    "Kind",
    "Line",
    "Place",
    "Plan",
    "PlanError",
    "PlanHead",
    "PlanNames",
    "PlanOrigin",
    "ProofRefusal",
    "Proved",
    "Settings",
    "Skipped",
    "Totals",
    "Unread",
    "UnsafePlan",
    "check_age",
    "check_digest",
    "check_identity",
    "check_limits",
    "decide",
    "decode",
    "describe",
    "describe_identity",
    "describe_rule",
    "digest",
    "encode",
    "is_old_default",
    "make_plan",
    "managed_as_code",
    "opens_too_much",
    "protection",
    "prove",
    "return_key",
    "sealed",
    "signed_of_old",
    "subject",
    "summarize",
    "with_signature",
]
