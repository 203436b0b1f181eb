"""Who acts, and against which cloud: told before anything is done, and kept with what was done."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from orchestrator.audit import AuditRecord, Phase
from orchestrator.journal import Journal, Reader
from orchestrator.plan import PlanOrigin

_FACT, _NOTED = "connection", "noted connection"
_HOSTS = re.compile(r"(?://|=)(\[[^]]*\]|[^\s,:]+)")  # of an endpoint's identity


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, against which cloud, and by which way.

    Attributes:
        endpoint: the identity of the cloud, as the plan has it.
        hub_account_id: the account whose credentials run it.
        hub_arn: ARN of that caller (STS GetCallerIdentity).
        proxy: the proxy that calls go by, without user and password; empty for none.
        ca_sha256: SHA-256, hex, of each certificate of `ca_file` that answers are believed by, with spaces between
            them; empty where only the system's own authorities are.
    """

    endpoint: str
    hub_account_id: str
    hub_arn: str
    proxy: str = ""
    ca_sha256: str = ""

    @property
    def origin(self) -> PlanOrigin:
        """What a plan says of it beside hub and endpoint."""
        return PlanOrigin(hub_arn=self.hub_arn, proxy=self.proxy, ca_sha256=self.ca_sha256)

    @property
    def is_alibaba_cloud(self) -> bool:
        """Whether every call goes to a host of Alibaba Cloud, by its name."""
        return all(host.endswith(".aliyuncs.com") for host in _HOSTS.findall(self.endpoint))

    def told(self) -> Iterator[str]:
        """Yield it as sentences; loud where it is not Alibaba Cloud's own, or could be somebody in between."""
        cloud = self.endpoint.replace("alibaba-cloud:", "Alibaba Cloud, site ")
        by = f", by the proxy {self.proxy}" if self.proxy else ""
        yield f"as {self.hub_arn} of account {self.hub_account_id}, against {cloud}{by}"
        if not self.is_alibaba_cloud:
            yield f"NOT ALIBABA CLOUD'S OWN ENDPOINT: calls and session tokens go to {cloud}"
        if self.ca_sha256:
            yield f"NOT THE SYSTEM'S AUTHORITIES ALONE: ca_file is trusted, too, SHA-256 {self.ca_sha256}"


async def keep(journal: Journal, connection: Connection) -> None:
    """Keep by what connection the run was read last."""
    await journal.set_fact(_FACT, connection)


def connection_of(reader: Reader) -> Connection:
    """Return by what connection the run was read last; a run of old knows neither proxy nor authority."""
    kept = reader.fact(_FACT)
    if kept is not None:
        return msgspec.convert(kept, Connection)
    header = reader.header
    return Connection(endpoint=header.endpoint, hub_account_id=header.hub_account_id, hub_arn=header.hub_arn)


async def note(journal: Journal, connection: Connection, at: str) -> None:
    """Write into the audit trail by what connection changes are made from here on, unless it says so already.

    Args:
        journal: of the run.
        connection: who acts now.
        at: the time, ISO 8601, UTC.
    """
    noted = journal.fact(_NOTED)
    if noted is not None and msgspec.convert(noted, Connection) == connection:
        return
    record = AuditRecord(
        at=at,
        phase=Phase.note,
        who=connection.hub_arn,
        account_id=connection.hub_account_id,
        region_id="",
        security_group_id="",
        rule_id="",
        action="connect",
        reason="; ".join(connection.told()),
        incident=journal.header.incident,
    )
    await journal.note(record)
    await journal.set_fact(_NOTED, connection)
