"""What one command narrows: the options that stand in place of the configuration's own lists."""

from __future__ import annotations

import msgspec

from accounts.discovery import Organization
from orchestrator.config import Config
from orchestrator.policy import Check, PortSpec, checks_for_ports


class Filters(msgspec.Struct, frozen=True):
    """The options `--account --exclude --folder --tag --region --port --exposure`. Empty means: as configured."""

    accounts: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    regions: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    exposure: bool = True

    def narrow(self, organization: Organization) -> Organization:
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
        if not self.ports:
            return config.checks
        narrowed: list[Check] = []
        for text in self.ports:
            wanted = PortSpec.parse(text)
            having = [check for check in config.checks if any(_covers(port, wanted) for port in check.ports)]
            narrowed += [msgspec.structs.replace(check, ports=(wanted,)) for check in having]
            if not having:
                narrowed += checks_for_ports([text])
        return _joined(narrowed)


def _covers(port: PortSpec, wanted: PortSpec) -> bool:
    return port.protocol == wanted.protocol and port.first <= wanted.first and wanted.last <= port.last


def _joined(checks: list[Check]) -> tuple[Check, ...]:
    """Join what is left of the same check: `--port 1433 --port 3306` may both come from one."""
    by_id: dict[str, Check] = {}
    for check in checks:
        known = by_id.get(check.id)
        ports = dict.fromkeys((*known.ports, *check.ports)) if known else dict.fromkeys(check.ports)
        by_id[check.id] = msgspec.structs.replace(check, ports=tuple(ports))
    return tuple(by_id.values())
