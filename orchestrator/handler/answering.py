"""Cloud Config: the answers to a custom rule's questions, and the wish to have rules evaluated again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

import msgspec

from accounts import Unreachable, is_group_gone
from orchestrator.cloud.client import AccountSession, Client, Request
from orchestrator.cloud.settings import VERSIONS
from orchestrator.handler.events import GROUP, EvaluationRequest
from orchestrator.policy import Finding
from orchestrator.securitygroup import SecurityGroup

_AT_ONCE = 100  # evaluations in one PutEvaluations
_ANNOTATION_LIMIT = 1000  # characters


class Judged(msgspec.Struct, frozen=True):
    """What is answered about one group.

    Attributes:
        region_id: where.
        security_group_id: which.
        name: as Cloud Config shows it.
        compliance: COMPLIANT, NON_COMPLIANT, NOT_APPLICABLE or INSUFFICIENT_DATA.
        annotation: why.
    """

    region_id: str
    security_group_id: str
    name: str
    compliance: str
    annotation: str


def judged(group: SecurityGroup, findings: Sequence[Finding]) -> Judged:
    """Return the answer about a group that was read in full.

    What could not be judged is INSUFFICIENT_DATA, never COMPLIANT. What fails and is only reported, as are many
    blocks that reach the Internet together, fails all the same; so does a wide source to SSH, RDP or a database, and
    one to other ports does not.
    """
    failing = [one for one in findings if not one.is_undetermined and not one.is_apart]
    unsure = [one for one in findings if one.is_undetermined]
    still_open = [one for one in failing if one.is_open]
    if group.service_managed:
        answer, why = "NOT_APPLICABLE", ["the group belongs to a cloud service, which alone can change it"]
    elif still_open:
        answer, why = "NON_COMPLIANT", [f"{one.rule_id}: {one.reason}" for one in still_open]
    elif unsure:
        answer, why = "INSUFFICIENT_DATA", [f"{one.rule_id}: {one.reason}" for one in unsure]
    else:
        left = [f"{one.rule_id} ({one.status.value}): {one.reason}" for one in failing]
        answer, why = "COMPLIANT", left or ["no risky port is open to the Internet"]
    return Judged(group.region_id, group.security_group_id, group.name, answer, _annotation(why))


def unseen(found: Unreachable, name: str) -> Judged | None:
    """Return the answer about a group that is gone; None if it could not be read, which is no answer."""
    if not is_group_gone(found.code):
        return None
    return Judged(
        found.region_id or "", found.security_group_id or "", name, "NOT_APPLICABLE", "the group is gone"
    )


def _annotation(sentences: Iterable[str]) -> str:
    text = "; ".join(sentences)
    return text if len(text) <= _ANNOTATION_LIMIT else text[: _ANNOTATION_LIMIT - 1] + "…"


async def put_evaluations(
    client: Client, own: AccountSession, asked: EvaluationRequest, answers: Sequence[Judged]
) -> None:
    """Answer (Config PutEvaluations), at most 100 groups in a call. The same answer twice does no harm.

    Raises:
        CloudError: Cloud Config did not take it.
    """
    ordering = asked.ordering_timestamp or int(datetime.now(timezone.utc).timestamp() * 1000)
    for start in range(0, len(answers), _AT_ONCE):
        evaluations = [
            {
                "accountId": asked.account_id,
                "complianceRegionId": one.region_id,
                "complianceResourceId": one.security_group_id,
                "complianceResourceName": one.name,
                "complianceResourceType": GROUP,
                "complianceType": one.compliance,
                "annotation": one.annotation,
                "orderingTimestamp": ordering,
            }
            for one in answers[start : start + _AT_ONCE]
        ]
        body = {"ResultToken": asked.result_token, "Evaluations": msgspec.json.encode(evaluations).decode()}
        await client.fetch(
            Request("config", VERSIONS["config"], "PutEvaluations", None, own.account_id, {}, body=body),
            own.source,
        )


async def evaluate_again(own: AccountSession, rule_id: str, aggregator_id: str) -> None:
    """Have a rule evaluated anew (Config StartConfigRuleEvaluation, or its twin of an account group).

    Raises:
        CloudError: Cloud Config did not take it.
    """
    if aggregator_id:
        parameters = {"AggregatorId": aggregator_id, "ConfigRuleId": rule_id}
        await own.call("StartAggregateConfigRuleEvaluation", None, parameters, product="config")
    else:
        await own.call("StartConfigRuleEvaluation", None, {"ConfigRuleId": rule_id}, product="config")
