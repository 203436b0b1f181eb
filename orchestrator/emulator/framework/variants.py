"""Every other answer to an open question, one at a time: a right client does the same under all of them."""

from __future__ import annotations

from typing import Any, Final

from orchestrator.emulator.framework.quirks import GoneRule, Quirks, RuleCount, UncertainError

_THROTTLED: Final = "Request was denied due to user flow control."
_OTHER_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "gone-rule-not-exist": {"gone_rule": GoneRule.NOT_EXIST},
    "gone-rule-404": {"gone_rule": GoneRule.NOT_FOUND, "gone_rule_egress": GoneRule.NOT_FOUND},
    "gone-rule-success": {"gone_rule": GoneRule.SUCCESS, "gone_rule_egress": GoneRule.SUCCESS},
    "gone-rule-egress-parameter": {"gone_rule_egress": GoneRule.PARAMETER},
    "gone-permission-refused": {"gone_permission": GoneRule.NOT_EXIST},
    "batch-not-atomic": {"atomic_batch": False},
    "other-direction-revokes": {"other_direction_revokes": True},
    "authorization-limit-400": {"authorization_limit": UncertainError(400, "AuthorizationLimitExceed")},
    "enterprise-without-policy": {"enterprise_policy_allowed": False},
    "group-not-found-400": {"group_not_found": UncertainError(400, "InvalidSecurityGroupId.NotFound")},
    "owner-digits-accepted": {"digits_as_login": True},
    "modify-keeps": {"modify_resets": False},
    "modify-takes-nic-type": {"modify_takes_nic_type": True},
    "reads-lag": {"read_lag_seconds": 0.2},
    "protocol-numbers-echoed": {"numeric_protocols_echoed": True},
    "port-list-shows-all": {"port_list_shows": "-1/-1"},
    "port-list-shows-entries": {"port_list_shows": "entries"},
    "priority-as-text": {"priority_as_text": True},
    "lower-case-words": {"lower_case_words": True},
    "absent-when-empty": {"absent_when_empty": True},
    "last-token-absent": {"last_token_absent": True},
    "short-pages": {"short_pages": True},
    **{f"rule-count-{kind}": {"rule_count": kind} for kind in RuleCount if kind is not RuleCount.NUMBER},
    "interface-shows-every-address": {"fixed_address_on_interface": True},
    "management-in-list-accounts": {"management_in_list_accounts": True},
    "skewed-date-expired": {"skewed_date": UncertainError(400, "InvalidTimeStamp.Expired")},
    "expired-token-other-name": {"expired_token": UncertainError(403, "SecurityTokenExpired")},
    "expired-token-unknown-key": {"expired_token": UncertainError(404, "InvalidAccessKeyId.NotFound")},
    "unknown-key-400": {"unknown_key_status": 400},
    "denied-unauthorized": {"denied": UncertainError(403, "Forbidden.Unauthorized")},
    "denied-no-permission": {"denied": UncertainError(403, "NoPermission")},
    "instances-refused": {"silent_instances": False},
    "errors-as-200": {"errors_as_200": True},
    "lower-case-error-keys": {"lower_case_error_keys": True},
    "xml-errors": {"xml_errors": True},
    "throttling-plain": {"throttled": UncertainError(400, "Throttling", _THROTTLED)},
    "throttling-429": {"throttled": UncertainError(429, "Throttling.Api", _THROTTLED)},
    "throttling-403": {"throttled": UncertainError(403, "Throttling.API", _THROTTLED)},
    "throttling-rejected": {"throttled": UncertainError(503, "Rejected.Throttling", _THROTTLED)},
    "chained-sessions-short": {"chained_session_seconds": 3600},
    "trail-span-30-days": {"trail_span_days": 30},
    "trail-takes-one-time": {"trail_takes_one_time": True},
    "sts-by-region": {"sts_by_region": True},
    "looks-before-ram": {"looks_before_ram": True},
    "log-throttled-other-name": {
        "log_throttled": UncertainError(403, "ExceedQuota", "Read quota is exceeded.")
    },
    "log-too-many-queries-400": {
        "log_too_many_queries": UncertainError(400, "ParameterInvalid", "Too many queued queries.")
    },
    "log-expired-token-other-name": {"log_expired_token": UncertainError(401, "SecurityTokenExpired")},
    "log-incomplete-first": {"log_incomplete_times": 1},
    "log-incomplete-over-two-days": {"log_longest_seconds": 172_800.0},
}
VARIANTS: Final[dict[str, Quirks]] = {name: Quirks(**answer) for name, answer in _OTHER_ANSWERS.items()}
"""By name. Not among them: regions that are closed or of industry clouds, which change what there is to see; and what
is no open question, but a machine or a cloud out of order: clocks apart, session policies that are not heeded."""
