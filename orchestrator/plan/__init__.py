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
    signatures,
    signing_input,
    with_signature,
)
from orchestrator.plan.describe import describe, describe_rule
from orchestrator.plan.make import Decision, Judged, Unseen, decide, make_plan
from orchestrator.plan.rails import (
    DEFAULT_CODE_MARKS,
    CodeMark,
    Settings,
    Totals,
    check_limits,
    managed_as_code,
    protection,
)
from orchestrator.plan.simulation import Judge
from orchestrator.plan.values import (
    Action,
    DigestMismatch,
    Fields,
    Inverse,
    Kind,
    Place,
    Plan,
    PlanError,
    Skipped,
    UnsafePlan,
    return_key,
)

__all__ = [
    "DEFAULT_CODE_MARKS",
    "Action",
    "CodeMark",
    "Decision",
    "DigestMismatch",
    "Fields",
    "Inverse",
    "Judge",
    "Judged",
    "Kind",
    "Place",
    "Plan",
    "PlanError",
    "Settings",
    "Skipped",
    "Totals",
    "UnsafePlan",
    "Unseen",
    "check_age",
    "check_digest",
    "check_identity",
    "check_limits",
    "decide",
    "decode",
    "describe",
    "describe_rule",
    "digest",
    "encode",
    "make_plan",
    "managed_as_code",
    "protection",
    "return_key",
    "sealed",
    "signatures",
    "signing_input",
    "with_signature",
]
