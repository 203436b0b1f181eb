"""What one command narrows: the options that stand in place of the configuration's own lists."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from accounts.settings import OrganizationSettings
from orchestrator.config import Config
from orchestrator.policy import Check, Severity, checks_for_ports, parse_port
from orchestrator.run.refusals import UsageError


class Filters(msgspec.Struct, frozen=True):
    """The options `--account --exclude --folder --tag --region --port …` of a scan. Empty means: as configured."""

    accounts: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    exposure: bool = True
    balancers: bool = False
    severities: tuple[str, ...] = ()

    def narrow(self, organization: OrganizationSettings) -> OrganizationSettings:
        """Return the organization with these options in place of the configured ones; exclusions are added."""
        return msgspec.structs.replace(
            organization,
            include=self.accounts or organization.include,
            exclude=(*organization.exclude, *self.exclude),
            folders=self.folders or organization.folders,
            tags=self.tags or organization.tags,
        )

    def wanted_regions(self, config: Config) -> tuple[str, ...]:
        """Return the regions to read; empty means every one."""
        return self.regions or config.cloud.regions

    def checks(self, config: Config) -> tuple[Check, ...]:
        """Return the configured checks, narrowed to the ports asked for; a port that no check has gets its own.

        Raises:
            PolicyError: a port is not one.
        """
        checks = self._of_severity(config.checks)
        if not self.ports:
            return checks
        narrowed: list[Check] = []
        for text in self.ports:
            wanted = parse_port(text)
            having = [check for check in checks if any(port.covers(wanted) for port in check.ports)]
            narrowed += [msgspec.structs.replace(check, ports=(wanted,)) for check in having]
            if not having:
                narrowed += checks_for_ports([text])
        return _joined(narrowed)

    def _of_severity(self, checks: tuple[Check, ...]) -> tuple[Check, ...]:
        """Return the checks of the severities asked for: their own; a finding may be of a lower one.

        Raises:
            UsageError: there is none; to look for nothing would pass everything.
        """
        kept = tuple(one for one in checks if not self.severities or one.severity.value in self.severities)
        if not kept:
            raise UsageError(
                f"no configured check is {' or '.join(self.severities)}; `sgsweep checks` lists them"
            )
        return kept


def of_severities(filters: Filters, severities: Sequence[str]) -> Filters:
    """Return the filters of a scan that looks for checks of these severities only.

    Raises:
        UsageError: there is no such severity.
    """
    refuse_no_severity(severities)
    return msgspec.structs.replace(filters, severities=tuple(severities))


def refuse_no_severity(words: Sequence[str]) -> None:
    """Refuse a severity that there is not.

    Raises:
        UsageError: names it.
    """
    known = [one.value for one in Severity]
    for word in words:
        if word not in known:
            raise UsageError(f"--severity {word!r}: it is one of {', '.join(known)}")


def _joined(checks: list[Check]) -> tuple[Check, ...]:
    """Join what is left of the same check: `--port 1433 --port 3306` may both come from one."""
    by_id: dict[str, Check] = {}
    for check in checks:
        known = by_id.get(check.id)
        ports = dict.fromkeys((*known.ports, *check.ports)) if known else dict.fromkeys(check.ports)
        by_id[check.id] = msgspec.structs.replace(check, ports=tuple(ports))
    return tuple(by_id.values())
