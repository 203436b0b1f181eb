"""What the documentation leaves open, as switches: each names the question and the answers it can take.

A client that is right must be right under every variant; tests run it under all of them.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import Final

from msgspec import Struct

from orchestrator.emulator.framework.errors import ApiError


class UncertainError(Struct, frozen=True):
    """An error whose status or code is not certain."""

    status: int
    code: str
    message: str = ""

    def error(self, message: str = "") -> ApiError:
        """The error to raise."""
        return ApiError(self.status, self.code, message or self.message or "The request was refused.")


RULE_MISSING: Final = "The specified security group rule does not exist."


class GoneRule(StrEnum):
    """What Revoke answers for a rule that is not there (API reference 1.4)."""

    PARAMETER = "InvalidParam.SecurityGroupRuleId"
    NOT_EXIST = "InvalidSecurityGroupRule.RuleNotExist"
    NOT_FOUND = "InvalidSecurityGroupRuleId.NotFound"
    SUCCESS = "success"

    def refusal(self) -> UncertainError | None:
        """The error, or None where the call succeeds and changes nothing."""
        if self is GoneRule.SUCCESS:
            return None
        return UncertainError(404 if self is GoneRule.NOT_FOUND else 400, self.value, RULE_MISSING)


class RuleCount(StrEnum):
    """How DescribeSecurityGroups counts a group's rules: whether it is what the rules' own listing gives is open."""

    NUMBER = "number"
    TEXT = "text"
    ABSENT = "absent"
    FEWER = "fewer"
    """One less than there are, as where a kind of rule is not counted."""
    MORE = "more"
    """One more."""
    INGRESS = "ingress"
    """Ingress rules only."""


class Quirks(Struct, frozen=True, kw_only=True):
    """One answer to every open question. The defaults are what the API reference holds most likely."""

    # --- revoke and authorize
    gone_rule: GoneRule = GoneRule.PARAMETER
    """RevokeSecurityGroup by id of a rule that is gone."""
    gone_rule_egress: GoneRule = GoneRule.NOT_EXIST
    """The same for RevokeSecurityGroupEgress."""
    gone_permission: GoneRule = GoneRule.SUCCESS
    """Revoke by Permissions of a rule that is not there: documented as success, seen as RuleNotExist."""
    atomic_batch: bool = True
    """One bad id among many: nothing is deleted (True), or the good ones are and the call fails (False)."""
    other_direction_revokes: bool = False
    """An egress rule's id given to the ingress action: treated as gone (False), or deleted (True)."""
    authorization_limit: UncertainError = UncertainError(
        403, "AuthorizationLimitExceed", "The limit of rules is reached."
    )
    """Status of AuthorizationLimitExceed: 403 or 400."""
    rules_per_group: int = 200
    """How many rules Authorize lets a group have; a soft quota: a world's groups may have more already."""
    group_rules_per_group: int = 20
    """How many rules with a group as source or target a group may have (AuthorizedGroupRule.LimitExceed)."""
    digits_as_login: bool = False
    """Digits in a request's SourceGroupOwnerAccount, which is a login: taken for an account id, or unknown."""
    modify_resets: bool = True
    """What Modify is not sent is kept (False), or reset to its default: Policy, Priority, Description, ports and
    block of the own side. The request's page gives the defaults and does not say which."""
    modify_takes_nic_type: bool = False
    """NicType in Modify, though it says what the rule has: refused (False), or passed over."""
    enterprise_policy_allowed: bool = True
    """Whether enterprise groups take Drop rules (False: InvalidGroupParameter.OperationDenied)."""
    group_not_found: UncertainError = UncertainError(
        404, "InvalidSecurityGroupId.NotFound", "The specified SecurityGroupId does not exist."
    )
    """404 in most tables, 400 in Revoke's."""
    client_token_seconds: float = 86_400.0
    """How long a ClientToken is remembered."""
    read_lag_seconds: float = 0.0
    """How long after a change reads still show the state before it."""

    # --- what reads look like
    numeric_protocols_echoed: bool = False
    """A rule written with an IANA number is read back with the number (True) or the name (False)."""
    port_list_shows: str = ""
    """PortRange of a rule with a port list: "" (nothing), "-1/-1", or "entries" (the first entry)."""
    priority_as_text: bool = False
    """Priority is "1" instead of 1."""
    lower_case_words: bool = False
    """Policy and IpProtocol are answered in lower case."""
    absent_when_empty: bool = False
    """Keys without a value are left out instead of ""."""
    last_token_absent: bool = False
    """The last page has no NextToken key instead of an empty one."""
    short_pages: bool = False
    """Pages hold fewer items than MaxResults though there are more."""
    rule_count: RuleCount = RuleCount.NUMBER
    """RuleCount in DescribeSecurityGroups."""
    fixed_address_on_interface: bool = False
    """An interface's AssociatedPublicIp also shows an address that came with the instance (an old page), or only
    an EIP (the present one)."""
    management_in_list_accounts: bool = False
    """Whether ListAccounts names the management account too."""
    industry_regions: bool = False
    """DescribeRegions also names finance and government regions."""
    closed_regions: tuple[str, ...] = ()
    """Regions that are listed but refuse every call."""
    closed_region: UncertainError = UncertainError(
        403, "Forbidden.RegionNotActivated", "The region is not activated for this account."
    )
    """How they refuse."""

    # --- identity and errors
    skew_seconds: float = 900.0
    """How far a request's date may be off."""
    skewed_date: UncertainError = UncertainError(
        400, "IllegalTimestamp", "The input parameter Timestamp is not valid or has expired."
    )
    """IllegalTimestamp or InvalidTimeStamp.Expired."""
    expired_token: UncertainError = UncertainError(
        400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."
    )
    """InvalidSecurityToken.Expired, SecurityTokenExpired or InvalidAccessKeyId.NotFound."""
    unknown_key_status: int = 404
    """InvalidAccessKeyId.NotFound: 404, 400 in ECS' table."""
    denied: UncertainError = UncertainError(
        403,
        "Forbidden.RAM",
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
    )
    """ECS without permission: Forbidden.RAM, Forbidden.Unauthorized, NoPermission."""
    silent_instances: bool = True
    """DescribeInstances, DescribeNetworkInterfaces without permission: an empty list (True) or a refusal."""
    errors_as_200: bool = False
    """Errors arrive with HTTP 200 and a Code in the body."""
    lower_case_error_keys: bool = False
    """Error bodies have code, message, requestId instead of Code, Message, RequestId."""
    xml_errors: bool = False
    """Errors arrive as text/xml."""
    throttled: UncertainError = UncertainError(
        400, "Throttling.User", "Request was denied due to user flow control."
    )
    """400, 403 or 429; Throttling, Throttling.User, Throttling.Api, Throttling.API, Rejected.Throttling."""
    chained_session_seconds: int = 43_200
    """The longest session a role's session may open (AWS has 3600)."""
    looks_before_ram: bool = False
    """A change of a group that is not there, by who has no right to it: refused as not found (True), or as denied."""
    session_policies_ignored: bool = False
    """AssumeRole takes a session policy and does not heed it, as no real STS does: what the doctor must notice."""
    trail_span_days: int = 0
    """The longest span LookupEvents takes: 30 days on an older page, nothing (0: any) on the newer ones."""
    trail_takes_one_time: bool = False
    """LookupEvents with one of StartTime and EndTime: refused, as the newest page has it, or the other's default."""
    clock_ahead_seconds: float = 0.0
    """How far the cloud's clock is ahead of this machine's."""
    sts_by_region: bool = False
    """Whether the limit of STS is counted for each region apart."""

    # --- Log Service
    log_throttled: UncertainError = UncertainError(403, "ReadQuotaExceed", "Read quota is exceeded.")
    """Too many reads: ReadQuotaExceed, ShardReadQuotaExceed or ExceedQuota."""
    log_too_many_queries: UncertainError = UncertainError(403, "ExceedQuota", "Too many queued queries.")
    """More queries at once than a project may have: the page on errors tells the message, not the code."""
    log_expired_token: UncertainError = UncertainError(
        401, "Unauthorized", "The security token you provided has expired."
    )
    """Unauthorized in the table of errors; the official client also knows SecurityTokenExpired."""
    log_queries_at_once: int = 15
    """How many SQL queries of a project may run at once; with dedicated SQL it is 150."""
    log_query_seconds: float = 0.0
    """How long a SQL query takes, and so holds one of these places."""
    log_bytes_per_query: int = 0
    """How many bytes standard SQL reads before its answer is Incomplete (page on limits: 400 MB a shard); 0: all."""
    log_longest_seconds: float = inf
    """A slice of time longer than this is answered Incomplete, however often it is asked; 0: every slice is."""
    log_incomplete_times: int = 0
    """How many times the same query is answered Incomplete before it is Complete."""


DEFAULT: Final = Quirks()
