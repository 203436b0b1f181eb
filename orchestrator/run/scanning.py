"""`accounts` and `scan`: discover, sweep, and write the run folder, whatever happens in between."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from accounts import Account, Skipped, Unreachable
from accounts.credentials import read_policy
from accounts.entry import prove
from orchestrator import inventory
from orchestrator.cloud.errors import CloudError
from orchestrator.cloud.limiter import Learned
from orchestrator.config import AcceptedUnreachable, Config
from orchestrator.journal import Journal, JournalError, JournalExists, Reader, RunHeader, runs_in
from orchestrator.policy import Finding, review
from orchestrator.run.filters import Filters
from orchestrator.run.folder import Summary, count_calls, export, summarize
from orchestrator.run.hub import Hub, endpoint_identity, opened
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import RefusedError, UsageError
from orchestrator.run.sweep import Judgement, Remedy, Sweep
from orchestrator.run.telling import write_report

_CHECKED_AT_ONCE = 64


class Visit(msgspec.Struct, frozen=True):
    """An account that a sweep would visit, and, where it was tried, why it cannot be entered."""

    account: Account
    unreachable: tuple[Unreachable, ...] = ()


class AccountList(msgspec.Struct, frozen=True):
    """What `sgsweep accounts` shows."""

    visits: tuple[Visit, ...]
    skipped: tuple[Skipped, ...]


async def list_accounts(config: Config, filters: Filters, *, check: bool) -> AccountList:
    """Return the accounts a sweep would visit; with `check`, enter each by both roles.

    Raises:
        DiscoveryError, CloudError, HubCredentialsError: the accounts cannot be listed.
    """
    async with opened(config, new_run_id()) as hub:
        discovered = await hub.discover(filters)
        if not check:
            return AccountList(tuple(Visit(account) for account in discovered.accounts), discovered.skipped)
        gate = asyncio.Semaphore(_CHECKED_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            tried = [tasks.create_task(_try(hub, account, gate)) for account in discovered.accounts]
        return AccountList(tuple(task.result() for task in tried), discovered.skipped)


async def _try(hub: Hub, account: Account, gate: asyncio.Semaphore) -> Visit:
    """Enter the account by the role that reads, ask it for its regions, then by the one that changes."""
    missing = []
    async with gate:
        try:
            await inventory.regions(hub.reader(account))
        except CloudError as error:
            missing.append(_missing(error, account, hub.config.organization.role))
        try:
            # this session is to be asked who it is, and nothing else (STS GetCallerIdentity needs no right)
            await prove(hub.writer(account, read_policy()), account.account_id)
        except CloudError as error:
            missing.append(_missing(error, account, hub.config.organization.remediation_role))
    return Visit(account, tuple(missing))


def _missing(error: CloudError, account: Account, role: str) -> Unreachable:
    found = inventory.unreachable(error, account.account_id)
    return msgspec.structs.replace(found, message=f"role {role}: {found.message}")


async def scan(
    config: Config,
    filters: Filters,
    out: Path,
    progress: Progress,
    remedy: Remedy | None = None,
    incident: str = "",
    changed_since: Path | None = None,
) -> Summary:
    """Sweep the organization into a new run folder.

    With `changed_since`, a group whose listing is what that run saw is taken from it and not read. The listing
    counts rules: a rule that was modified in place, or swapped for another, does not show in it, nor does a
    changed prefix list. So this is a quick look between full sweeps, and the summary says how many it took over.

    Raises:
        JournalExists: the folder holds a run already.
        DiscoveryError, CloudError, HubCredentialsError: the sweep cannot begin.
        HubCredentialsError: the hub's credentials ended in the middle; the run can be resumed.
    """
    _refuse_existing(out)
    judgement = Judgement(
        filters.checks(config), config.exemptions, filters.wanted_regions(config), filters.exposure
    )
    started = now()
    run_id = new_run_id(started)
    async with opened(config, run_id) as hub:
        discovered = await hub.discover(filters)
        header = RunHeader(
            run_id=run_id,
            created_at=started.isoformat(),
            hub_account_id=hub.identity.account_id,
            hub_arn=hub.identity.arn,
            endpoint=endpoint_identity(config.cloud),
            settings={
                "asked": msgspec.to_builtins(filters),
                "judgement": msgspec.to_builtins(judgement),
                "remediation": msgspec.to_builtins(config.remediation),
            },
            incident=incident,
        )
        with _earlier(changed_since, judgement, header) as earlier:
            async with Journal.create(out, header) as journal:
                await journal.add_accounts(discovered.accounts, discovered.skipped)
                return await _sweep(hub, journal, judgement, progress, remedy, earlier)


@contextmanager
def _earlier(folder: Path | None, judgement: Judgement, header: RunHeader) -> Iterator[Reader | None]:
    """Open the run to take unchanged groups from.

    Raises:
        RefusedError: it is of another cloud or organization, or looked for something else.
    """
    if folder is None:
        yield None
        return
    with Reader(folder) as reader:
        theirs = reader.header
        if (theirs.endpoint, theirs.hub_account_id) != (header.endpoint, header.hub_account_id):
            raise RefusedError(f"{folder} is a run against another cloud or from another hub")
        if judgement_of(theirs).checks != judgement.checks:
            raise RefusedError(f"{folder} looked for other checks: what it found clean is not known to be")
        yield reader


async def scan_or_resume(
    config: Config, filters: Filters, out: Path, progress: Progress, remedy: Remedy, incident: str
) -> Summary:
    """Begin a run in the folder, or go on with the one that is there: an incident's command is run again as it is.

    Raises:
        UsageError: the run that is there is another incident's, or was asked for something else.
    """
    if _holds_run(out):
        with Reader(out) as reader:
            theirs = reader.header
        asked = msgspec.convert(theirs.settings.get("asked", {}), Filters)
        if (theirs.incident, asked) != (incident, filters):
            raise UsageError(
                f"{out} holds a run for incident {theirs.incident or 'none'}, ports {' '.join(asked.ports) or 'all'}: "
                "it was asked for something else. Give another --out"
            )
        return await resume(config, out, progress, remedy)
    return await scan(config, filters, out, progress, remedy, incident)


async def resume(config: Config, folder: Path, progress: Progress, remedy: Remedy | None = None) -> Summary:
    """Go on with a run where it stopped: finished accounts are not asked again.

    Raises:
        JournalError: the folder is no run, is damaged, or is in use.
        RefusedError: the run was made against another cloud or from another hub.
    """
    async with Journal.open(folder) as journal, opened(config, journal.header.run_id) as hub:
        refuse_other_cloud(journal.header, config, hub)
        return await _sweep(hub, journal, judgement_of(journal.header), progress, remedy)


def refuse_other_cloud(header: RunHeader, config: Config, hub: Hub) -> None:
    """Refuse to go on with a run against another cloud, or from another hub.

    Raises:
        RefusedError: says which differs.
    """
    endpoint = endpoint_identity(config.cloud)
    if header.endpoint != endpoint:
        raise RefusedError(f"the run was made against {header.endpoint}, the configuration says {endpoint}")
    if header.hub_account_id != hub.identity.account_id:
        raise RefusedError(
            f"the run was made from account {header.hub_account_id}, the credentials are of {hub.identity.account_id}"
        )


def judgement_of(header: RunHeader) -> Judgement:
    """Return what the run looked for."""
    return msgspec.convert(header.settings["judgement"], Judgement)


async def _sweep(
    hub: Hub,
    journal: Journal,
    judgement: Judgement,
    progress: Progress,
    remedy: Remedy | None,
    earlier: Reader | None = None,
) -> Summary:
    """Sweep, and write the run folder's files however it ends."""
    if remedy is not None:
        remedy.begin(hub, journal, sum(1 for _ in journal.accounts()))
    began = time.monotonic()
    hub.client.limiter.remember(learned_rates(journal))
    try:
        await Sweep(hub, journal, judgement, progress, now(), remedy, earlier).run()
    finally:
        await _remember(hub, journal, judgement, time.monotonic() - began)
        summary = conclude(journal, hub.config.accepted_unreachable)
        await journal.set_fact("complete", summary.complete)
    return summary


async def _remember(hub: Hub, journal: Journal, judgement: Judgement, seconds: float) -> None:
    """Keep what the run knows beside what it found."""
    earlier = journal.fact("scan") or {}
    api = count_calls(hub.client.stats, earlier.get("api"))
    await journal.set_fact("scan", {"api": api, "seconds": earlier.get("seconds", 0.0) + seconds})
    await journal.set_fact("learned", hub.client.limiter.learned())
    used = {finding.exemption for finding in journal.findings(Finding) if finding.exemption}
    notes = [note.text for note in review(judgement.exemptions, used, now())]
    await journal.set_fact("exemption_notes", notes)
    await journal.set_fact("accepted_unreachable", hub.config.accepted_unreachable)


def conclude(reader: Reader, accepted: tuple[AcceptedUnreachable, ...]) -> Summary:
    """Count, and write findings, unreachable things, summary and report."""
    scan = reader.fact("scan")
    summary = summarize(reader, accepted, now().date(), scan["api"], scan["seconds"])
    export(reader, summary)
    write_report(reader.folder)
    return summary


def learned_rates(reader: Reader) -> tuple[Learned, ...]:
    """Return the quotas this run found out, or else those of the newest run beside it."""
    own, folder = reader.fact("learned"), reader.folder.resolve()
    if own is None:
        beside = (run for run in runs_in(folder.parent) if run != folder)
        own = next((fact for run in beside if (fact := _learned_of(run))), [])
    return msgspec.convert(own, tuple[Learned, ...])


def _learned_of(run: Path) -> list[dict[str, object]]:
    try:
        with Reader(run) as reader:
            return reader.fact("learned") or []
    except JournalError:  # a damaged neighbour is not this run's business
        return []


def _refuse_existing(out: Path) -> None:
    """Refuse before the cloud is asked, not after."""
    if _holds_run(out):
        raise JournalExists(
            f"{out} holds a run already: give another folder, or go on with `sgsweep scan --resume {out}`"
        )


def _holds_run(folder: Path) -> bool:
    """Tell whether there is a run; a journal whose making was interrupted is none, and is made anew."""
    try:
        with Reader(folder):
            return True
    except JournalError:
        return False


def new_run_id(at: datetime | None = None) -> str:
    """Return a name for a run: its time and six random characters, short enough for a RoleSessionName."""
    return f"{(at or now()):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)
