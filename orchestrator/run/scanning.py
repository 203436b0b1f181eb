"""`scan`: discover, sweep, and write the run folder, whatever happens in between."""

from __future__ import annotations

import difflib
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from accounts import AcceptedUnreachable, Account
from orchestrator import inventory
from orchestrator.cloud.errors import CloudError
from orchestrator.cloud.limiter import Learned
from orchestrator.config import Config
from orchestrator.journal import (
    JobState,
    Journal,
    JournalError,
    JournalExists,
    Reader,
    RunHeader,
    SqliteJournal,
    SqliteReader,
    Untrusted,
    check_trust,
    runs_in,
)
from orchestrator.policy import Finding, review
from orchestrator.run.connection import keep
from orchestrator.run.criteria import Criteria, criteria_of
from orchestrator.run.filters import Filters
from orchestrator.run.folder import Summary, count_calls, export, summarize
from orchestrator.run.hub import Hub, opened
from orchestrator.run.offline import write_report
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import RefusedError, UsageError
from orchestrator.run.speaking import speak
from orchestrator.run.sweep import AccountTurn, Sweep
from orchestrator.run.unseen import acceptance, review_accepted


class OpenRun(NamedTuple):
    """A run that is being made.

    Attributes:
        hub: who asks the cloud.
        journal: where it is written down.
        criteria: what is looked for.
        earlier: a run that unchanged groups are taken from.
    """

    hub: Hub
    journal: Journal
    criteria: Criteria
    earlier: Reader | None = None


async def scan(
    config: Config,
    filters: Filters,
    out: Path,
    progress: Progress,
    changed_since: Path | None = None,
    run_id: str = "",
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
    async with _new_run(config, filters, out, progress, changed_since=changed_since, run_id=run_id) as run:
        return await sweep(run, progress)


async def resume(config: Config, folder: Path, progress: Progress) -> Summary:
    """Go on with a run where it stopped: finished accounts are not asked again.

    Raises:
        JournalError: the folder is no run, is damaged, or is in use.
        RefusedError: the run was made against another cloud or from another hub.
    """
    async with _run_there(config, folder, progress) as run:
        return await sweep(run, progress)


@asynccontextmanager
async def incident_run(
    config: Config, filters: Filters, out: Path, progress: Progress, incident: str
) -> AsyncIterator[OpenRun]:
    """Open the incident's run in the folder, with the accounts that are new; begin it where there is none.

    An incident's command is run again as it is: what was closed may have come back.

    Raises:
        UsageError: the run that is there is another incident's, or was asked for something else.
    """
    if not holds_run(out):
        async with _new_run(config, filters, out, progress, incident=incident) as run:
            yield run
        return
    with SqliteReader(out) as reader:
        theirs = reader.header
    asked = msgspec.convert(theirs.settings.get("asked", {}), Filters)
    if (theirs.incident, asked) != (incident, filters):
        raise UsageError(
            f"{out} holds a run for incident {theirs.incident or 'none'}, ports {' '.join(asked.ports) or 'all'}: "
            "it was asked for something else. Give another --out"
        )
    async with _run_there(config, out, progress) as run:
        discovered = await run.hub.discover(filters)
        await run.journal.add_accounts(discovered.accounts, discovered.skipped)
        yield run


@asynccontextmanager
async def _new_run(
    config: Config,
    filters: Filters,
    out: Path,
    progress: Progress,
    *,
    incident: str = "",
    changed_since: Path | None = None,
    run_id: str = "",
) -> AsyncIterator[OpenRun]:
    """Begin a run in a new folder."""
    _refuse_existing(out)
    criteria = Criteria(
        filters.checks(config),
        config.exemptions,
        filters.wanted_regions(config),
        filters.exposure,
        filters.balancers or config.cloud.balancers == "required",
        config.owners,
    )
    started = now()
    run_id = run_id or new_run_id(started)
    async with opened(config, run_id, progress) as hub:
        discovered = await hub.discover(filters)
        await _refuse_unknown_regions(hub, criteria.regions, discovered.accounts)
        header = RunHeader(
            run_id=run_id,
            created_at=started.isoformat(),
            hub_account_id=hub.identity.account_id,
            hub_arn=hub.identity.arn,
            endpoint=config.cloud.identity,
            settings={
                "asked": msgspec.to_builtins(filters),
                "judgement": msgspec.to_builtins(criteria),
                "remediation": msgspec.to_builtins(config.remediation),
            },
            incident=incident,
        )
        with _earlier(changed_since, criteria, header) as earlier:
            async with SqliteJournal.create(out, header) as journal:
                await journal.add_accounts(discovered.accounts, discovered.skipped)
                yield OpenRun(hub, journal, criteria, earlier)


@asynccontextmanager
async def _run_there(config: Config, folder: Path, progress: Progress) -> AsyncIterator[OpenRun]:
    """Open a run to go on with it."""
    async with (
        SqliteJournal.open(folder) as journal,
        opened(config, journal.header.run_id, progress) as hub,
    ):
        refuse_other_cloud(journal.header, config, hub)
        yield OpenRun(hub, journal, criteria_of(journal.header))


async def _refuse_unknown_regions(hub: Hub, wanted: Sequence[str], accounts: Sequence[Account]) -> None:
    """Refuse a region that neither the hub's own account has nor the first of the others: it is misspelled.

    Where neither may be asked nothing is refused: then each account tells which regions it lacks.

    Raises:
        UsageError: names it and the nearest one there is.
    """
    known: set[str] = set()
    for session in (hub.own, *(hub.reader(account) for account in accounts[:1])):
        if set(wanted) <= known:
            return
        with suppress(CloudError):
            known.update(await inventory.regions(session))
    for region_id in wanted if known else ():
        if region_id not in known:
            near = difflib.get_close_matches(region_id, sorted(known), n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"there is no region {region_id}.{hint} There are {', '.join(sorted(known))}")


@contextmanager
def _earlier(folder: Path | None, criteria: Criteria, header: RunHeader) -> Iterator[Reader | None]:
    """Open the run to take unchanged groups from.

    Raises:
        RefusedError: it is of another cloud or organization, or looked for something else.
    """
    if folder is None:
        yield None
        return
    with SqliteReader(folder) as reader:
        theirs = reader.header
        if (theirs.endpoint, theirs.hub_account_id) != (header.endpoint, header.hub_account_id):
            raise RefusedError(f"{folder} is a run against another cloud or from another hub")
        if criteria_of(theirs).checks != criteria.checks:
            raise RefusedError(f"{folder} looked for other checks: what it found clean is not known to be")
        yield reader


def refuse_other_cloud(header: RunHeader, config: Config, hub: Hub) -> None:
    """Refuse to go on with a run against another cloud, or from another hub.

    Raises:
        RefusedError: says which differs.
    """
    endpoint = config.cloud.identity
    if header.endpoint != endpoint:
        raise RefusedError(f"the run was made against {header.endpoint}, the configuration says {endpoint}")
    if header.hub_account_id != hub.identity.account_id:
        raise RefusedError(
            f"the run was made from account {header.hub_account_id}, the credentials are of {hub.identity.account_id}"
        )


async def sweep(
    run: OpenRun,
    progress: Progress,
    each: Callable[[AccountTurn], Awaitable[None]] = AccountTurn.read,
    first: Collection[str] = (),
) -> Summary:
    """Sweep, and write the run folder's files however it ends.

    Args:
        run: what is swept, and into what.
        progress: what is shown.
        each: what is done with an account, see `Sweep.run`.
        first: the accounts that come first.
    """
    hub, journal, criteria, earlier = run
    await keep(journal, hub.connection)
    await speak(journal, hub.config.report.language)
    began = time.monotonic()
    hub.client.limiter.remember(learned_rates(journal))
    try:
        await Sweep(hub, journal, criteria, progress, now(), earlier).run(each, first)
    finally:
        await _remember(hub, journal, criteria, time.monotonic() - began)
        with suppress(JournalError):  # it is sealed when it is closed, too, which tells what is wrong
            await journal.seal()
        summary = conclude(journal, hub.config.accepted_unreachable)
        await journal.set_fact("complete", summary.complete)
    return summary


async def next_pass(journal: Journal) -> frozenset[str]:
    """Begin a new pass over all accounts; return those that the last one did not read to their end."""
    number = journal.fact("pass") or 0
    unfinished = [one.account.account_id for one in journal.accounts() if one.state is not JobState.done]
    await journal.begin_pass(number + 1)
    return frozenset(unfinished)


async def _remember(hub: Hub, journal: Journal, criteria: Criteria, seconds: float) -> None:
    """Keep what the run knows beside what it found."""
    earlier = journal.fact("scan") or {}
    api = count_calls(hub.client.stats, earlier.get("api"))
    await journal.set_fact("scan", {"api": api, "seconds": earlier.get("seconds", 0.0) + seconds})
    await journal.set_fact("learned", hub.client.limiter.learned())
    used = Counter(finding.exemption for finding in journal.findings(Finding) if finding.exemption)
    accepted = hub.config.accepted_unreachable
    notes = [note.text for note in review(criteria.exemptions, used, now())]
    notes += review_accepted(journal, accepted, now().date())
    await journal.set_fact("exemption_notes", notes)
    await journal.set_fact("accepted_unreachable", accepted)


def conclude(reader: Reader, accepted: tuple[AcceptedUnreachable, ...]) -> Summary:
    """Count, and write findings, unreachable things, summary and report."""
    scan = reader.fact("scan")
    by = acceptance(accepted, now().date())
    summary = summarize(reader, by, scan["api"], scan["seconds"])
    export(reader, summary, by)
    write_report(reader.folder, summary=summary)
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
        with SqliteReader(run) as reader:
            return reader.fact("learned") or []
    except JournalError:  # a damaged neighbour is not this run's business
        return []


def _refuse_existing(out: Path) -> None:
    """Refuse before the cloud is asked, not after."""
    with suppress(FileNotFoundError):
        check_trust(out)
    if holds_run(out):
        raise JournalExists(out)


def holds_run(folder: Path) -> bool:
    """Tell whether there is a run; a journal whose making was interrupted is none, and is made anew.

    Raises:
        Untrusted: others may have written what is there.
    """
    try:
        with SqliteReader(folder):
            return True
    except Untrusted:
        raise
    except JournalError:
        return False


def new_run_id(at: datetime | None = None) -> str:
    """Return a name for a run: its time and six random characters, short enough for a RoleSessionName."""
    return f"{(at or now()):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def dated_folder(run_id: str) -> Path:
    """Return where a run of this name goes whose folder nobody has named: runs/DATE-ID, beside the earlier ones."""
    at, _, rest = run_id.partition("T")
    return Path("runs") / f"{at[:4]}-{at[4:6]}-{at[6:]}-{rest.rpartition('-')[2]}"


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)
