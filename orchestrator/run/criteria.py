"""What a run looks for: kept in its header, so that whoever comes after it judges as it did."""

from __future__ import annotations

import msgspec

from orchestrator.journal import RunHeader
from orchestrator.policy import Check, Exemption, Owners


class Criteria(msgspec.Struct, frozen=True):
    """What is looked for in this run: kept in its header, so that plan and explain judge as the scan did."""

    checks: tuple[Check, ...]
    exemptions: tuple[Exemption, ...] = ()
    regions: tuple[str, ...] = ()
    exposure: bool = True
    balancers: bool = False
    """Ask for load balancers everywhere, not only where a group fails."""
    owners: Owners = Owners()
    """Where owners are looked for."""


def criteria_of(header: RunHeader) -> Criteria:
    """Return what the run looked for."""
    return msgspec.convert(header.settings["judgement"], Criteria)
