"""What the tests of "opened by" are made of: findings, events as ActionTrail has them, and an ActionTrail to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.cloud.errors import ApiError, CloudError
from orchestrator.evidence.trail_events import TrailEvent, moment, parse_event, stamp
from orchestrator.exposure import NO_PORTS
from orchestrator.policy import Finding
from orchestrator.policy.checks import Severity, Status, Verdict

NOW = datetime(2026, 5, 20, 12, 0, 0, tzinfo=UTC)
ACCOUNT, REGION, GROUP_ID, RULE_ID = "1000000000000001", "cn-hangzhou", "sg-1", "sgr-1"
SSH: dict[str, object] = {
    "SecurityGroupRuleId": RULE_ID, "Direction": "ingress", "Policy": "Accept", "Priority": "1", "IpProtocol": "TCP",
    "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0", "NicType": "intranet", "SourceGroupId": "",
    "Ipv6SourceCidrIp": "", "SourcePrefixListId": "", "DestCidrIp": "", "PortRangeListId": "",
    "SourcePortRange": "-1/-1", "Description": "",
}  # fmt: skip
ASKED = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"}


def ago(days: float) -> datetime:
    """So many days before now."""
    return NOW - timedelta(days=days)


def finding(
    *, group_id: str = GROUP_ID, balancer_id: str = "", created: datetime | None = None, **fields: Any
) -> Finding:
    """A finding of a rule for SSH with other fields; `created` is its CreateTime."""
    rule = {**SSH, **fields, **({"CreateTime": stamp(created)} if created else {})}
    rule = {"LoadBalancerId": balancer_id} if balancer_id else rule
    return Finding(
        account_id=ACCOUNT,
        account_name="one",
        region_id=REGION,
        security_group_id=group_id,
        security_group_name="web",
        service_managed=False,
        rule_id=balancer_id or str(rule["SecurityGroupRuleId"]),
        direction=str(rule.get("Direction", "ingress")),
        check_id="ssh",
        severity=Severity.critical,
        verdict=Verdict.fail,
        status=Status.open,
        protocol="tcp",
        ports=NO_PORTS,
        sources=("0.0.0.0/0",),
        reason="",
        witness=None,
        rule=rule,
        balancer_id=balancer_id,
    )


def raw_event(
    name: str,
    asked: Mapping[str, Any] | str | None = None,
    *,
    days: float = 1,
    event_id: str = "",
    group_id: str = GROUP_ID,
    **more: Any,
) -> dict[str, Any]:
    """An event as LookupEvents answers it: a user in the console, so many days ago."""
    parameters = asked if isinstance(asked, str) else {"SecurityGroupId": group_id, **(asked or {})}
    return {
        "eventName": name,
        "eventTime": stamp(ago(days)),
        "eventId": event_id or f"{name}-{days}-{group_id}",
        "requestId": f"R-{days}",
        "eventType": "ApiCall",
        "serviceName": "Ecs",
        "acsRegion": REGION,
        "userIdentity": {
            "type": "ram-user",
            "userName": "li.wei",
            "principalId": "2001",
            "accountId": ACCOUNT,
        },
        "sourceIpAddress": "203.0.113.9",
        "userAgent": "ecs.console.aliyun.com",
        "requestParameters": parameters,
        "referencedResources": {"ACS::ECS::SecurityGroup": [group_id]},
        **more,
    }


def event(name: str, asked: Mapping[str, Any] | str | None = None, **more: Any) -> TrailEvent:
    """The same, parsed."""
    found = parse_event(raw_event(name, asked, **more))
    assert found is not None
    return found


def numbered(*permissions: Mapping[str, Any]) -> dict[str, Any]:
    """Permissions as the API is sent them."""
    return {
        f"Permissions.{number}.{key}": value
        for number, one in enumerate(permissions, 1)
        for key, value in one.items()
    }


class ActionTrail:
    """A session that answers LookupEvents as its page says, and notes who asked when.

    Attributes:
        asked: group, region, StartTime and EndTime of each call, and the loop's time at which it came.
    """

    account_id = ACCOUNT

    def __init__(
        self,
        events: Sequence[Mapping[str, Any]] = (),
        *,
        fails: Callable[[str, str, int], Exception | None] | None = None,
        latency_seconds: float = 0.0,
    ) -> None:
        """Keep the events.

        Args:
            events: raw ones.
            fails: the error for a group, a region and the number of the call, from 0.
            latency_seconds: of each answer.
        """
        self.events = sorted(events, key=lambda one: str(one["eventTime"]), reverse=True)
        self.asked: list[tuple[str, str, datetime, datetime, float]] = []
        self._fails = fails
        self._latency_seconds = latency_seconds
        self._tokens: dict[str, tuple[str, int]] = {}

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, Any], *, product: str
    ) -> dict[str, Any]:
        """Answer one page."""
        assert (action, product) == ("LookupEvents", "actiontrail")
        (attribute,) = parameters["LookupAttribute"]
        assert attribute["Key"] == "ResourceName"
        begin, end = moment(parameters["StartTime"]), moment(parameters["EndTime"])
        assert begin is not None
        assert end is not None
        assert timedelta(0) < end - begin <= timedelta(days=30)
        assert begin > ago(90), "the cloud's clock may be ahead"
        number = len(self.asked)
        here = str(region_id)
        self.asked.append((attribute["Value"], here, begin, end, asyncio.get_running_loop().time()))
        await asyncio.sleep(self._latency_seconds)
        error = self._fails(attribute["Value"], here, number) if self._fails else None
        if error is not None:
            raise error
        return self._page(attribute["Value"], (stamp(begin), stamp(end)), parameters)

    def _page(self, group_id: str, span: tuple[str, str], parameters: Mapping[str, Any]) -> dict[str, Any]:
        found = [
            one
            for one in self.events
            if span[0] <= one["eventTime"] <= span[1]
            and group_id in one["referencedResources"]["ACS::ECS::SecurityGroup"]
        ]
        same = str(sorted((key, str(one)) for key, one in parameters.items() if key != "NextToken"))
        start = 0
        if token := parameters.get("NextToken"):
            bound, start = self._tokens[token]
            assert bound == same, "a token came with other parameters than the page that gave it"
        assert parameters["MaxResults"] <= 50
        stop = start + parameters["MaxResults"]
        answer = {"RequestId": f"L-{len(self.asked)}", "Events": found[start:stop]}
        if stop < len(found):
            answer["NextToken"] = f"t{len(self._tokens)}"
            self._tokens[f"t{len(self._tokens)}"] = (same, stop)
        return answer


def failing(kind: type[CloudError], code: str, *, status: int = 403) -> CloudError:
    """An error of LookupEvents."""
    return kind(
        code=code,
        message="it says so",
        request_id="R-9" if status else "",
        status=status,
        action="LookupEvents",
    )


WRONG = failing(ApiError, "InvalidQueryParameter", status=400)
