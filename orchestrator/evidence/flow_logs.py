"""Which flow logs there are (VPC DescribeFlowLogs), and whether a window was logged throughout.

Quiet may be said only of such a window. What speaks against it is told in words; what the API does not say is held
against the log, but for two fields whose absence the documentation explains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from accounts.paging import Answer, counted
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.sls import LogPlace
from orchestrator.inventory import Interface, PagedList, ProductSession

_PER_PAGE = 50  # DescribeFlowLogs, the API's maximum
_DAY_SECONDS = 86_400
_FOREVER_DAYS = 3650  # GetLogStore: a ttl of 3650 means that logs are kept for ever
_LONGEST_MOMENT = 12  # digits
_RANK = {"NetworkInterface": 0, "VSwitch": 1, "VPC": 2}
_FAMILIES = {"ipv4": {4}, "ipv6": {6}, "dualstack": {4, 6}, "all": {4, 6}}

TEXT_FIELDS = ("eni-id", "srcaddr", "direction", "action", "log-status")
"""What queries need of a record, as texts."""
NUMBER_FIELDS = ("dstport", "protocol", "packets", "bytes", "end", "tcp-flags")
"""The same as numbers: a port that is indexed as text cannot be compared with one."""


class Window(msgspec.Struct, frozen=True):
    """From when till when is asked for: `begin` included, `end` not, Unix seconds."""

    begin: int
    end: int

    @property
    def days(self) -> float:
        """How long it is."""
        return (self.end - self.begin) / _DAY_SECONDS


class FlowLog(msgspec.Struct, frozen=True):
    """A flow log, with the API's own words; "" for what it does not say.

    Attributes:
        flow_log_id: its id.
        resource_type: VPC, VSwitch or NetworkInterface.
        resource_id: of what is logged.
        project, logstore: where the logs go.
        status: Active or Inactive.
        business_status: Normal, or FinancialLocked.
        deliver_status: SUCCESS or FAILED; `deliver_message` says why.
        traffic_type: All, Allow or Drop.
        traffic_paths: `all`, or which paths alone are sampled; without any it is all (the default).
        ip_version: IPv4 or DualStack; without any it is IPv4.
        created: Unix seconds; None if it could not be read.
    """

    flow_log_id: str
    resource_type: str
    resource_id: str
    project: str
    logstore: str
    status: str = ""
    business_status: str = ""
    deliver_status: str = ""
    deliver_message: str = ""
    traffic_type: str = ""
    traffic_paths: tuple[str, ...] = ()
    ip_version: str = ""
    created: float | None = None

    def blindness(self, family: int) -> str:
        """Return why it holds no accepted traffic of an address family (4 or 6) at all; "" if it may."""
        if self.status != "Active":
            return f"flow log {self.flow_log_id} is {self.status or 'of unknown status'}, not Active"
        if self.traffic_type not in {"All", "Allow"}:
            return (
                f"flow log {self.flow_log_id} is of {self.traffic_type or 'unknown'} traffic, not of accepted"
            )
        if family not in _FAMILIES.get(self.ip_version.lower() or "ipv4", set()):
            return f"flow log {self.flow_log_id} is of {self.ip_version or 'IPv4'}, and the rule lets in IPv{family}"
        return ""

    def place(self, region_id: str) -> LogPlace:
        """Return where its logs lie: in a project of its own region."""
        return LogPlace(region_id, self.project, self.logstore)


async def read_flow_logs(session: AccountSession, region_id: str) -> tuple[FlowLog, ...]:
    """Return all flow logs of a region (DescribeFlowLogs, VPC 2016-04-28).

    Raises:
        CountMismatch: the API counts more than it gave.
        CloudError: they could not be read in full.
    """
    path = ("FlowLogs", "FlowLog")
    listing = PagedList(ProductSession(session, "vpc"), "DescribeFlowLogs", region_id, path)
    asked: Answer = {"RegionId": region_id, "PageSize": _PER_PAGE}
    return tuple(
        [_flow_log(one) async for page in listing.numbered(asked, named="FlowLogId") for one in page]
    )


def _flow_log(answer: Answer) -> FlowLog:
    def text(name: str) -> str:
        return str(answer.get(name) or "")

    inner = answer.get("TrafficPath")
    paths = inner.get("TrafficPathList") if isinstance(inner, dict) else None
    return FlowLog(
        flow_log_id=text("FlowLogId"),
        resource_type=text("ResourceType"),
        resource_id=text("ResourceId"),
        project=text("ProjectName"),
        logstore=text("LogStoreName"),
        status=text("Status"),
        business_status=text("BusinessStatus"),
        deliver_status=text("FlowLogDeliverStatus"),
        deliver_message=text("FlowLogDeliverErrorMessage"),
        traffic_type=text("TrafficType"),
        traffic_paths=tuple(map(str, paths)) if isinstance(paths, list) else (),
        ip_version=text("IpVersion"),
        created=_moment(text("CreationTime")),
    )


def _moment(text: str) -> float | None:
    """Return Unix seconds of what the API writes as 2026-01-31T08:00:00Z or 2026-01-31T08:00Z."""
    whole = text if text.count(":") > 1 else text.replace("Z", ":00Z")
    try:
        return datetime.strptime(whole, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


def covering(logs: Iterable[FlowLog], interface: Interface) -> list[FlowLog]:
    """Return the flow logs that an interface is in: its own first, then its vSwitch's, then its VPC's."""
    ids = {
        "NetworkInterface": interface.interface_id,
        "VSwitch": interface.vswitch_id,
        "VPC": interface.vpc_id,
    }
    found = [one for one in logs if one.resource_id and ids.get(one.resource_type) == one.resource_id]
    return sorted(found, key=lambda one: _RANK[one.resource_type])


# --- whether it was logged throughout


def coverage(
    log: FlowLog, logstore: Mapping[str, Any], index: Mapping[str, Any], window: Window, family: int
) -> str:
    """Return what keeps a log from vouching for a window; "" if nothing does.

    Args:
        log: the flow log.
        logstore: of its records, as GetLogStore gives it.
        index: of that, as GetIndex gives it.
        window: what it would vouch for.
        family: 4 or 6, of the traffic.
    """
    return (
        log.blindness(family)
        or _of_log(log, window)
        or _of_logstore(log, logstore, window)
        or _of_index(log, index, window)
    )


def _of_log(log: FlowLog, window: Window) -> str:
    name = f"flow log {log.flow_log_id}"
    if log.deliver_status.upper() != "SUCCESS":
        why = f": {log.deliver_message}" if log.deliver_message else ""
        return f"{name} is not delivered ({log.deliver_status or 'its status is not told'}{why})"
    if log.business_status != "Normal":
        return f"{name} has the business status {log.business_status or 'unknown'}, not Normal"
    if set(log.traffic_paths) - {"all"}:
        return f"{name} is of {', '.join(log.traffic_paths)} alone, not of all paths"
    if log.created is None or log.created > window.begin:
        return (
            f"{name} was created within the window"
            if log.created
            else f"{name} does not say since when it is"
        )
    return ""


def _of_logstore(log: FlowLog, logstore: Mapping[str, Any], window: Window) -> str:
    name = f"the logstore of flow log {log.flow_log_id}"
    ttl = counted(logstore, "ttl")
    if ttl is None or (ttl < window.days and ttl != _FOREVER_DAYS):
        return f"{name} keeps logs for {'unknown' if ttl is None else ttl} days, not for {window.days:g}"
    created = _seconds(logstore, "createTime")
    if created is not None and created > window.begin:
        return f"{name} was made within the window"
    return ""


def _seconds(answer: Mapping[str, Any], key: str) -> int | None:
    """Return a moment in Unix seconds, as a number or in digits; None if there is none."""
    text = str(answer.get(key))
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_MOMENT else None


def _of_index(log: FlowLog, index: Mapping[str, Any], window: Window) -> str:
    name = f"the logstore of flow log {log.flow_log_id}"
    missing = unindexed(index)
    if missing:
        return f"{name} has no index for analysis of {', '.join(missing)}"
    changed = _seconds(index, "lastModifyTime")
    if changed is not None and changed > window.begin:
        return f"{name} was indexed anew within the window: what came before it may not be found"
    return ""


def unindexed(index: Mapping[str, Any]) -> Sequence[str]:
    """Return the fields that queries need and that SQL does not see, or not as what they are."""
    keys = index.get("keys")
    keys = keys if isinstance(keys, Mapping) else {}
    kinds = [*((name, "text") for name in TEXT_FIELDS), *((name, "long") for name in NUMBER_FIELDS)]
    return [name for name, kind in kinds if not _is_seen(keys.get(name), kind)]


def _is_seen(key: object, kind: str) -> bool:
    return isinstance(key, Mapping) and key.get("doc_value") is True and key.get("type") == kind


def has_answers(index: Mapping[str, Any]) -> bool:
    """Tell whether SQL sees what is needed to tell what went out."""
    keys = index.get("keys")
    keys = keys if isinstance(keys, Mapping) else {}
    return _is_seen(keys.get("dstaddr"), "text") and _is_seen(keys.get("srcport"), "long")
