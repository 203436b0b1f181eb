"""Which interfaces have a flow log, and what is wrong with some of the logs: the doors that nobody can vouch for.

What a log says about use is in Log Service; here is only whether there is one, of what, since when and where.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from orchestrator.emulator.world.model import FlowLog, Interface
from orchestrator.emulator.world.origin import Dice, Origin, vswitch_of

LOGSTORE: Final = "flowlog"

FLAWS: Final[dict[str, dict[str, Any]]] = {
    "young": {"age_days": 2.5},
    "inactive": {"status": "Inactive"},
    "drop-only": {"traffic_type": "Drop"},
    "one-path": {"traffic_path": ("internetGateway",)},
    "undelivered": {"deliver_status": "FAILED", "deliver_error": "ProjectNotExist"},
    "locked": {"business_status": "FinancialLocked"},
}
"""What a log may have that keeps it from vouching for a window of some days, by name."""
_WHOLE: Final[dict[str, dict[str, Any]]] = {
    "accepted": {"traffic_type": "Allow"},
    "both-families": {"ip_version": "DualStack"},
    "minutes": {"aggregation_minutes": 1},
}
"""Differences that are no flaw."""
_SHOWN: Final = ("whole", *FLAWS, "none", *_WHOLE)


def project_name(account_id: str, region_id: str) -> str:
    """The Log Service project that the flow logs of an account's region go to."""
    return f"sgsweep-flow-{account_id}-{region_id}"


def make(origin: Origin, interfaces: Iterable[Interface]) -> tuple[FlowLog, ...]:
    """The flow logs of a region: of whole VPCs, of a vSwitch, of single interfaces, or none."""
    dice = origin.dice("flow-logs")
    there = [one for one in interfaces if one.vpc_id and one.status == "InUse"]
    if origin.is_showcase:
        doors = origin.behind_doors(there)
        return _of_interfaces(origin, dice, doors, [_SHOWN[n % len(_SHOWN)] for n in range(len(doors))])
    scope = dice.rng.choices(("VPC", "VSwitch", "NetworkInterface", ""), (50, 10, 25, 15))[0]
    if scope == "NetworkInterface":
        kinds = [dice.rng.choice(("whole", "whole", "none", *FLAWS)) for _ in there]
        return _of_interfaces(origin, dice, there, kinds)
    kind = dice.rng.choice(("whole",) * 8 + tuple(FLAWS) + tuple(_WHOLE))
    vpcs = list(dict.fromkeys(one.vpc_id for one in there))
    return tuple(
        _log(origin, dice, kind, scope, one if scope == "VPC" else vswitch_of(one), one)
        for one in vpcs
        if scope
    )


def covering(logs: Iterable[FlowLog], interface: Interface) -> tuple[FlowLog, ...]:
    """The flow logs that an interface is in: its own, its vSwitch's, its VPC's."""
    ids = {interface.interface_id, vswitch_of(interface.vpc_id), interface.vpc_id}
    return tuple(one for one in logs if one.resource_id in ids)


def writes(log: FlowLog, action: str, age_seconds: float) -> bool:
    """Whether a log has written a record of an action, "-" for none, that is so old."""
    if log.status != "Active" or log.deliver_status != "SUCCESS" or log.business_status != "Normal":
        return False
    kinds = {"All": ("ACCEPT", "REJECT", "-"), "Allow": ("ACCEPT", "-"), "Drop": ("REJECT", "-")}
    return action in kinds[log.traffic_type] and age_seconds <= log.age_days * 86_400


def _of_interfaces(
    origin: Origin, dice: Dice, interfaces: Iterable[Interface], kinds: Iterable[str]
) -> tuple[FlowLog, ...]:
    return tuple(
        _log(origin, dice, kind, "NetworkInterface", one.interface_id, one.vpc_id)
        for one, kind in zip(interfaces, kinds, strict=True)
        if kind != "none"
    )


def _log(origin: Origin, dice: Dice, kind: str, resource_type: str, resource_id: str, vpc_id: str) -> FlowLog:
    made = FlowLog(
        flow_log_id=dice.new_id("fl"),
        resource_type=resource_type,
        resource_id=resource_id,
        project=project_name(origin.account_id, origin.region_id),
        logstore=LOGSTORE,
        vpc_id=vpc_id,
        name=f"flow-{kind}",
        age_days=float(dice.rng.randint(100, 900)),
    )
    return replace(made, **{**FLAWS, **_WHOLE}.get(kind, {}))
