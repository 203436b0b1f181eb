"""`verify`: is the record whole, and is the cloud as it says? It reads, and repairs nothing."""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from accounts import Account, Unreachable
from orchestrator import inventory
from orchestrator.audit import Problem, sign, unsigned_by
from orchestrator.cloud.errors import CloudError
from orchestrator.config import Config
from orchestrator.inventory import Observation, RegionReader
from orchestrator.journal import Observed, Reader, check_folder
from orchestrator.plan import Place
from orchestrator.policy import Finding, Status, Verdict
from orchestrator.remediate import Difference, Target, differences, expectations
from orchestrator.run.folder import replaced
from orchestrator.run.hub import Hub, opened, placement
from orchestrator.run.planning import is_complete, judge_of, read_key
from orchestrator.run.progress import Progress
from orchestrator.run.scanning import judgement_of, now, refuse_other_cloud

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
_SIGNED = b"sgsweep manifest\n"  # so that it is a signature of nothing else


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What verification came to.

    Attributes:
        problems: of the audit trail.
        records: how many audit records there are.
        differences: rules that are not as the run left them.
        open: findings that are open now, among the groups that had any.
        unreachable: what could not be read again.
        complete: the scan behind the run saw everything.
    """

    problems: tuple[Problem, ...] = ()
    records: int = 0
    differences: tuple[Difference, ...] = ()
    open: tuple[Finding, ...] = ()
    unreachable: tuple[Unreachable, ...] = ()
    complete: bool = True

    @property
    def exit_code(self) -> int:
        """Return 4 for a broken trail, else 5 if the cloud differs, 3 if not all was seen, 1 if something is open."""
        for code, holds in (
            (4, self.problems),
            (5, self.differences),
            (3, self.unreachable or not self.complete),
            (1, any(one.verdict is Verdict.fail for one in self.open)),
        ):
            if holds:
                return code
        return 0


def sign_record(folder: Path, key: Path) -> None:
    """Sign the run's manifest, which seals every record, with an Ed25519 private key (PEM): `manifest.sig`.

    Raises:
        UsageError: the key or the manifest cannot be read.
        AuditError: the key is none.
    """
    signature = sign(_SIGNED + read_key(folder / MANIFEST), read_key(key))
    with replaced(folder / SIGNATURE) as file:
        file.write(b64encode(signature) + b"\n")


def _unsigned(folder: Path, keys: Sequence[Path]) -> Iterator[Problem]:
    """Yield a problem for each key that has not signed the manifest as it is."""
    if not keys:
        return
    try:
        signature = b64decode((folder / SIGNATURE).read_bytes().strip(), validate=True)
        missing = unsigned_by(
            _SIGNED + (folder / MANIFEST).read_bytes(), [signature], [read_key(key) for key in keys]
        )
    except (OSError, binascii.Error):
        missing = list(range(len(keys)))
    for place in missing:
        yield Problem("unsigned", 0, "", 0, f"{MANIFEST} is not signed by {keys[place]}")


def verify_offline(folder: Path, keys: Sequence[Path] = ()) -> Verified:
    """Check the audit trail from the folder alone.

    Args:
        folder: the run folder.
        keys: files of Ed25519 public keys (PEM), one of which must have signed the manifest.

    Raises:
        JournalError: it cannot be read.
        AuditError: a key is none.
    """
    problems = (*check_folder(folder), *_unsigned(folder, keys))
    audit = folder / "audit.jsonl"
    if not audit.exists():
        return Verified(problems=problems)
    with audit.open("rb") as lines:
        return Verified(problems=problems, records=sum(1 for _ in lines))


async def verify(folder: Path, config: Config, progress: Progress, keys: Sequence[Path] = ()) -> Verified:
    """Check the audit trail, then read every group that had findings again, and compare and judge.

    Raises:
        JournalError: the folder cannot be read.
        RefusedError: the configuration is for another cloud or hub.
    """
    offline = verify_offline(folder, keys)
    if offline.problems:
        return offline
    with Reader(folder) as reader:
        async with opened(config, reader.header.run_id) as hub:
            refuse_other_cloud(reader.header, config, hub)
            return await _Verification(hub, reader, progress).run(offline)


class _Verification:
    """One look at the cloud."""

    def __init__(self, hub: Hub, reader: Reader, progress: Progress) -> None:
        self._hub = hub
        self._reader = reader
        self._progress = progress
        self._judge = judge_of(judgement_of(reader.header), now())
        self._places = asyncio.Semaphore(2 * hub.config.limits.max_in_flight)
        self._differences: list[Difference] = []
        self._open: list[Finding] = []
        self._unreachable: list[Unreachable] = []
        progress.stage = "verify"
        progress.watch(hub.count_calls, hub.quota_seconds)

    async def run(self, offline: Verified) -> Verified:
        accounts = {state.account.account_id: state.account for state in self._reader.accounts()}
        expected = dict(expectations(self._reader.all_effects()))
        self._progress.accounts = len(accounts)
        async with asyncio.TaskGroup() as tasks:
            for account in accounts.values():
                tasks.create_task(self._account(account, expected))
        return msgspec.structs.replace(
            offline,
            differences=tuple(sorted(self._differences, key=msgspec.structs.astuple)),
            open=tuple(self._open),
            unreachable=tuple(self._unreachable),
            complete=is_complete(self._reader),
        )

    async def _account(self, account: Account, expected: dict[Place, list[Target]]) -> None:
        session = self._hub.reader(account)
        self._progress.enter(account.account_id, lambda: account.account_id)
        async with asyncio.TaskGroup() as tasks:
            for seen, _ in self._reader.observed(Finding, account.account_id):
                place = Place(account.account_id, seen.region_id, seen.security_group_id)
                reader = RegionReader(session, placement(account), seen.region_id)
                await self._places.acquire()
                task = tasks.create_task(self._group(reader, seen, place, expected.get(place, [])))
                task.add_done_callback(lambda _: self._places.release())
        self._progress.leave(account.account_id)

    async def _group(
        self, reader: RegionReader, seen: Observed, place: Place, targets: Sequence[Target]
    ) -> None:
        try:
            if targets:
                self._differences += await differences(reader.session, place, targets)
            now_seen = await _read_again(reader, seen)
        except CloudError as error:
            self._unreachable.append(inventory.unreachable(error, *place))
            return
        if isinstance(now_seen, Unreachable):
            if not now_seen.code.startswith("InvalidSecurityGroupId.NotFound"):  # gone is not unseen
                self._unreachable.append(now_seen)
            return
        self._progress.security_groups += 1
        findings = self._judge(now_seen.group)
        self._open += [one for one in findings if one.status is Status.open]


async def _read_again(reader: RegionReader, seen: Observed) -> Observation | Unreachable:
    """Return the group as it is now. Its count of rules is old, so it is listed anew only if none is left."""
    now_seen = await reader.read({**seen.listing, "RuleCount": None})
    if isinstance(now_seen, Unreachable) or now_seen.permissions:
        return now_seen
    return await reader.reread(seen.security_group_id)
