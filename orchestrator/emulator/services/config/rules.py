"""Cloud Config 2020-09-07: making rules and remediations, evaluating, answering, and what came of it."""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.paging import add_token, by_token
from orchestrator.emulator.services.config.recorder import (
    COMPLIANCE,
    GROUP,
    VERSION,
    ConfigRule,
    Key,
    both,
    config_of,
    evaluate,
    keys_of,
    known_aggregator,
    recorded,
    remediate,
    rule_of,
    settle,
)

_RISK: Final = 1


@operation("config", VERSION, "CreateAggregator")
def create_aggregator(context: Context) -> Answer:
    """An account group of the whole directory."""
    context.parameters.required("AggregatorName")
    aggregator_id = f"ca-{secrets.token_hex(8)}"
    config_of(context.state).aggregators[aggregator_id] = context.account_id
    return {"AggregatorId": aggregator_id}


@both("CreateConfigRule")
def create_config_rule(context: Context) -> Answer:
    """A managed (ALIYUN) or custom (CUSTOM_FC) rule about security groups."""
    ask = context.parameters
    owner, identifier = ask.required("SourceOwner"), ask.required("SourceIdentifier")
    if owner not in {"ALIYUN", "CUSTOM_FC"} or (owner == "ALIYUN" and identifier != "sg-risky-ports-check"):
        raise ApiError(
            400, "Invalid.SourceIdentifier.Value", "The specified SourceIdentifier is not supported."
        )
    rule = ConfigRule(
        rule_id=f"cr-{secrets.token_hex(8)}",
        name=ask.required("ConfigRuleName"),
        owner=owner,
        identifier=identifier,
        account_id=context.account_id,
        aggregator_id=known_aggregator(context),
        parameters={key: str(value) for key, value in _json(ask.text("InputParameters", "{}"), dict).items()},
        excluded=frozenset(one for one in ask.text("ExcludeResourceIdsScope").split(",") if one),
    )
    config_of(context.state).add_rule(rule)
    return {"ConfigRuleId": rule.rule_id}


@both("CreateRemediation")
def create_remediation(context: Context) -> Answer:
    """What to call about non-compliant groups, by hand or by itself."""
    rule = rule_of(context)
    if context.parameters.required("RemediationType") != "FC":
        raise ApiError(400, "Invalid.RemediationType.Value", "Only functions are emulated.")
    rule.function_arn = context.parameters.required("RemediationTemplateId")
    rule.automatic = context.parameters.required("InvokeType") == "AUTO_EXECUTION"
    return {"RemediationId": f"crr-{rule.rule_id[3:]}"}


@both("StartConfigRuleEvaluation")
def start_config_rule_evaluation(context: Context) -> Answer:
    """Look again at every group that the rule knows."""
    known_aggregator(context)
    rule, state = rule_of(context), context.state
    for key in sorted({*rule.results, *(key for key in config_of(state).recorded if rule.covers(key))}):
        evaluate(state, rule, key)
    context.changed("evaluation", rule_id=rule.rule_id)
    return {"Result": True}


@both("StartRemediation")
def start_remediation(context: Context) -> Answer:
    """Call the remediation's function about one group, or about every non-compliant one."""
    known_aggregator(context)
    rule, ask = rule_of(context), context.parameters
    if not rule.function_arn:
        raise ApiError(400, "RemediationConfigNotExist", "The specified rule has no remediation.")
    only = ask.text("ResourceId")
    for key, result in sorted(rule.results.items()):
        if only in {"", key.group_id} and result.compliance == "NON_COMPLIANT":
            remediate(context.state, rule, key)
    return {"Result": True}


@operation("config", VERSION, "PutEvaluations")
def put_evaluations(context: Context) -> Answer:
    """Take the answers of a custom rule's function, at most 100."""
    config = config_of(context.state)
    token = context.parameters.required("ResultToken")
    if token not in config.tokens:
        raise ApiError(400, "Invalid.ResultToken.Value", "The specified ResultToken is invalid.")
    rule = config.rules[config.tokens[token][0]]
    answers = _json(context.parameters.text("Evaluations", "[]"), list)
    if len(answers) > 100:
        raise ApiError(400, "ExceedMaxEvaluations", "There are more than 100 evaluations.")
    for answer in answers:
        if not isinstance(answer, dict) or answer.get("complianceType") not in COMPLIANCE:
            raise ApiError(400, "Invalid.Evaluations.Value", "The specified Evaluations are invalid.")
        names = ("accountId", "complianceRegionId", "complianceResourceId")
        key = Key(*(str(answer.get(name) or "") for name in names))
        if answer.get("complianceResourceType") == GROUP and rule.covers(key):
            settle(context.state, rule, key, answer["complianceType"], str(answer.get("annotation") or ""))
    context.changed("evaluations", rule_id=rule.rule_id, count=len(answers))
    return {"Result": True}


@both("ListConfigRuleEvaluationResults", listing=("EvaluationResults", "EvaluationResultList"))
def list_results(context: Context) -> Answer:
    """What a rule says of each group, by token."""
    known_aggregator(context)
    rule, wanted = rule_of(context), context.parameters.text("ComplianceType")
    keys = [key for key in keys_of(rule.results, context) if wanted in {"", rule.results[key].compliance}]
    page, token = by_token(context, keys, "/".join, context.parameters.integer("MaxResults", 10, 1, 100))
    rows = [_result_row(context, rule, key) for key in page]
    found: dict[str, object] = {"EvaluationResultList": rows}
    add_token(context, found, token)
    return {"EvaluationResults": found}


def _result_row(context: Context, rule: ConfigRule, key: Key) -> dict[str, object]:
    result = rule.results[key]
    group = recorded(context.state, key)
    at = int(result.at * 1000)
    return {
        "ComplianceType": result.compliance,
        "Annotation": result.annotation,
        "RiskLevel": _RISK,
        "InvokingEventMessageType": "ConfigurationItemChangeNotification",
        "ConfigRuleInvokedTimestamp": at,
        "ResultRecordedTimestamp": at,
        "RemediationEnabled": bool(rule.function_arn),
        "EvaluationResultIdentifier": {
            "OrderingTimestamp": at,
            "EvaluationResultQualifier": {
                "ConfigRuleId": rule.rule_id,
                "ConfigRuleName": rule.name,
                "RegionId": key.region_id,
                "ResourceId": key.group_id,
                "ResourceName": group.group.name if group else "",
                "ResourceType": GROUP,
                "ResourceOwnerId": int(key.account_id),
            },
        },
    }


@both("ListRemediationExecutions", listing=("RemediationExecutionData", "RemediationExecutions"))
def list_executions(context: Context) -> Answer:
    """What became of the rule's remediations; without ResourceAccountId those of the rule's own account."""
    aggregate = bool(known_aggregator(context))
    rule, ask = rule_of(context), context.parameters
    account_id = ask.text("ResourceAccountId", rule.account_id) if aggregate else context.account_id
    found = [
        one
        for one in config_of(context.state).executions
        if one.rule_id == rule.rule_id
        and one.key.account_id == account_id
        and ask.text("ExecutionStatus", one.status) == one.status
    ]
    page, token = by_token(
        context, found, lambda one: one.execution_id, ask.integer("MaxResults", 10, 1, 100)
    )
    rows = [
        {
            "ExecutionInvocationId": one.execution_id,
            "ExecutionCreateDate": int(one.at * 1000),
            "ExecutionResourceIds": one.key.group_id,
            "ExecutionResourceType": GROUP,
            "ExecutionStatus": one.status,
            "ExecutionStatusMessage": one.message,
        }
        for one in page
    ]
    data: dict[str, object] = {"RemediationExecutions": rows}
    add_token(context, data, token)
    return {"RemediationExecutionData": data}


def _json(text: str, kind: type[Any]) -> Any:  # noqa: ANN401 - what a client sent
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        raise ApiError(400, "InvalidParameter", "A parameter that should hold JSON does not.") from None
