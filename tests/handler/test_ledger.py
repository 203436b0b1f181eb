"""The ledger: written once, in a folder and in OSS alike; counts what came back; brakes across invocations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from accounts.credentials import Credentials, StaticCredentials
from orchestrator.cloud.client import AccountSession, Client, CloudSettings
from orchestrator.cloud.errors import ApiError
from orchestrator.emulator import Emulator, Fault, Kind, World, WorldOutline
from orchestrator.emulator.services.oss import buckets
from orchestrator.handler.function_log import Voice
from orchestrator.handler.invocation_trail import InvocationTrail
from orchestrator.handler.ledger import Budget, Counter, Grant, GroupLedger
from orchestrator.handler.ledger_store import LedgerError, Store, open_store
from orchestrator.plan import Place
from tests.journal.kit import intent, settled

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    """A cloud with nothing in it but OSS."""
    with Emulator(World.generate(WorldOutline(1, 1, region_ids=1, groups_per_account=1))) as emulator:
        yield emulator


@pytest.fixture(params=["folder", "bucket"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SGSWEEP_LEDGER of both kinds."""
    return f"file://{tmp_path}/ledger" if request.param == "folder" else "oss://ledger/some/prefix"


@asynccontextmanager
async def opened(cloud: Emulator, ledger: str) -> AsyncIterator[Store]:
    """The store behind a ledger's name."""
    keys = cloud.hub_credentials
    own = StaticCredentials(Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token))
    async with Client(CloudSettings(endpoint=cloud.http_url)) as client:
        session = AccountSession(client, cloud.world.organization.hub_account_id, own)
        yield open_store(ledger, client, session, "cn-hangzhou")


def trail(store: Store, request_id: str = "req-1") -> InvocationTrail:
    """The trail of an invocation that says nothing."""
    return InvocationTrail(store, request_id, Voice(request_id, lambda _: None), frozen(NOW))


def frozen(at: datetime) -> Callable[[], datetime]:
    """A clock that stands still."""
    return lambda: at


async def test_an_object_is_written_once(cloud: Emulator, ledger: str) -> None:
    """Of many who write the same name at the same time, exactly one is told that it did."""
    async with opened(cloud, ledger) as store:
        told = await asyncio.gather(*(store.put("a/b c", b"%d" % n, only_new=True) for n in range(20)))
        assert sum(told) == 1
        assert await store.get("a/b c") == b"%d" % told.index(True)
        assert await store.get("a/other") is None
        assert await store.put("a/b c", b"new")
        assert await store.get("a/b c") == b"new"


async def test_names_are_listed_in_order(cloud: Emulator, ledger: str) -> None:
    """Every name that begins so and comes after is listed, in order, over pages too."""
    names = [f"x/{number:04}" for number in range(1003 if ledger.startswith("oss") else 203)]
    async with opened(cloud, ledger) as store:
        assert await store.keys("x/") == []
        bucket = buckets(cloud.state).get("ledger")
        await store.put("y/1", b"")
        for name in names if bucket is None and ledger.startswith("file") else ():
            await store.put(name, b"")
        if ledger.startswith("oss"):
            buckets(cloud.state)["ledger"].objects.update({f"some/prefix/{name}": b"" for name in names})
        assert await store.keys("x/") == names
        assert await store.keys("x/", names[-3]) == names[-2:]


async def test_a_lost_answer_is_not_taken_for_a_rival(cloud: Emulator) -> None:
    """A put whose answer was lost is known by its content; somebody else's object is not ours."""
    async with opened(cloud, "oss://ledger/p") as store:
        cloud.set_faults(Fault(kind=Kind.RESET_AFTER, action="PutObject", count=1))
        assert await store.put("mine", b"mine", only_new=True)
        assert not await store.put("mine", b"other", only_new=True)


async def test_a_versioned_bucket_would_be_fatal(cloud: Emulator) -> None:
    """Why the bucket must not be versioned: two writers would both be told that they were first."""
    async with opened(cloud, "oss://ledger/p") as store:
        await store.put("x", b"")
        buckets(cloud.state)["ledger"].versioned = True
        assert [await store.put("a", b"1", only_new=True), await store.put("a", b"2", only_new=True)] == [
            True,
            True,
        ]


@pytest.mark.parametrize("text", ["", "s3://b/p", "file://", "file://host/x", "oss://", "oss:///x"])
async def test_other_names_are_refused(cloud: Emulator, text: str) -> None:
    """A ledger that is none is refused with what to write."""
    with pytest.raises(LedgerError, match="oss://bucket/prefix"):
        async with opened(cloud, text):
            pass


@pytest.mark.parametrize(
    ("outcome", "effective_after", "counts"),
    [
        ("revoked", "2026-11-24T12:15:00Z", 1),
        ("revoked", "2026-11-24T11:59:59Z", 0),
        ("blocked", "2026-11-24T12:15:00Z", 0),
        ("drifted", "", 0),
        ("failed", "", 1),
    ],
)
async def test_how_a_change_ended_counts_while_it_explains_the_rule(
    cloud: Emulator, ledger: str, outcome: str, effective_after: str, counts: int
) -> None:
    """A rule that stands though it was closed long ago, or that had drifted, is worked on again."""
    place = Place("1001", "cn-hangzhou", "sg-1")
    ended = settled("sgr-1", outcome)
    ended = msgspec.structs.replace(
        ended, outcome=msgspec.structs.replace(ended.outcome, effective_after=effective_after)
    )
    async with opened(cloud, ledger) as store:
        mine = GroupLedger(store, place, trail(store), frozen(NOW))
        await mine.returned(["sgr-1"])
        claim = await mine.claim("1001")
        assert claim is not None
        await mine.intend(claim, [intent("sgr-1")])
        await mine.settle(claim, [ended])
        (effect,) = await mine.effects(claim, *place[1:])
        assert effect.outcome == (ended.outcome if counts else None)


async def test_the_brake(cloud: Emulator, ledger: str) -> None:
    """So many changes in ten minutes and no more, counted over invocations; what is older than that is forgotten."""
    clock = [NOW]
    async with opened(cloud, ledger) as store:
        counter = Counter(store, Budget(3, 4), lambda: clock[0])
        assert await counter.ask("1", 2) == Grant(2)
        clock[0] += timedelta(minutes=4)
        later = Counter(store, Budget(3, 4), lambda: clock[0])
        assert (await later.ask("1", 2)).changes == 1
        assert "3 changes in account 1 within 10 minutes, of 3" in (await later.ask("1", 1)).reason
        assert (await later.ask("2", 2)).changes == 1
        assert "most in 1 (3), 2 (1)" in (await later.ask("2", 1)).reason
        clock[0] += timedelta(minutes=7)
        assert (await counter.ask("1", 3)).changes == 2


async def test_who_asks_in_vain_is_not_made_to_wait_for_it(cloud: Emulator, ledger: str) -> None:
    """What was refused does not count, whether it was crossed out or never written: ten minutes later all is free."""
    clock = [NOW]
    async with opened(cloud, ledger) as store:
        counter = Counter(store, Budget(2, 2), lambda: clock[0])
        assert await counter.ask("1", 2) == Grant(2)
        for _ in range(9):
            clock[0] += timedelta(minutes=1)
            assert (await counter.ask("1", 2)).changes == 0
            refused = f"changes/{clock[0]:%Y%m%dT%H%M%S}000000Z.1.2.0000000{_}"
            await store.put(refused, b"{}")
            await store.put(f"{refused}.refused", b"{}")
        clock[0] += timedelta(minutes=2)
        assert await counter.ask("1", 2) == Grant(2)


async def test_one_account_cannot_use_up_what_is_there_for_all(cloud: Emulator, ledger: str) -> None:
    """However many tickets of an account are still undecided, they count as its own budget and no more."""
    async with opened(cloud, ledger) as store:
        for number in range(60):
            await store.put(f"changes/20261124T120000000000Z.1.5.{number:08}", b"{}")
        counter = Counter(store, Budget(5, 10), frozen(NOW))
        assert (await counter.ask("1", 1)).changes == 0
        assert await counter.ask("2", 5) == Grant(5)


async def test_rivals_at_the_brake(cloud: Emulator, ledger: str) -> None:
    """However many ask at once, and whatever their clocks say, no more changes are allowed than the budgets."""
    async with opened(cloud, ledger) as store:
        clocks = [NOW + timedelta(seconds=number % 5 - 2) for number in range(12)]
        asked = (
            Counter(store, Budget(3, 5), frozen(at)).ask(str(n % 3), 1 + n % 2) for n, at in enumerate(clocks)
        )
        granted = [one.changes for one in await asyncio.gather(*asked)]
        of_account = [sum(granted[first::3]) for first in range(3)]
        assert max(of_account) <= 3
        assert sum(granted) <= 5


async def test_what_came_back_is_counted(cloud: Emulator, ledger: str) -> None:
    """Only intents about rules that are gone count, by their content."""
    place = Place("1", "cn-hangzhou", "sg-1")
    async with opened(cloud, ledger) as store:
        folder = "intents/1/cn-hangzhou/sg-1"
        for name in ("abc/sgr-1", "abc/sgr-2", "abc/sgr-3", "def/sgr-4"):
            await store.put(f"{folder}/{name}.intent.json", b"{}")
        await store.put(f"{folder}/abc/sgr-1.outcome.json", b"{}")
        found = await GroupLedger(store, place, trail(store), frozen(NOW)).returned(["sgr-3"])
        assert found == {"1/cn-hangzhou/sg-1/abc": 2, "1/cn-hangzhou/sg-1/def": 1}


class _Locked:
    """A store under a retention lock: what is there is neither overwritten nor deleted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.get, self.keys = store.get, store.keys

    async def put(self, key: str, data: bytes, *, only_new: bool = False) -> bool:
        """Write what is new; refuse what OSS refuses then (409 FileImmutable)."""
        if not only_new and await self._store.get(key) is not None:
            raise ApiError(code="FileImmutable", message="the object is locked", action="PutObject")
        return await self._store.put(key, data, only_new=only_new)


async def test_a_locked_ledger_takes_every_outcome(cloud: Emulator, ledger: str) -> None:
    """A change that failed and was then done is settled twice; the later end counts, and nothing is overwritten."""
    place = Place("1001", "cn-hangzhou", "sg-1")
    later = iter(range(10))
    async with opened(cloud, ledger) as store:
        group = GroupLedger(
            _Locked(store), place, trail(_Locked(store)), lambda: NOW + timedelta(seconds=next(later))
        )
        claim = await group.claim("1001")
        assert claim
        await group.returned(["sgr-1"])
        await group.intend(claim, [intent("sgr-1")])
        for end in ("failed", "drifted", "failed"):
            await group.settle(claim, [settled("sgr-1", end, f"{end} in the end")])
        (effect,) = await group.effects(claim, "cn-hangzhou", "sg-1")
        assert effect.outcome
        assert effect.outcome.reason == "failed in the end"
        assert len(await store.keys("intents/1001/cn-hangzhou/sg-1/")) == 4


async def test_a_ledger_that_fails_says_so(cloud: Emulator) -> None:
    """A refused bucket is the ledger's error, not the group's."""
    cloud.set_faults(Fault(kind=Kind.DENIED, action="ListObjects"))
    async with opened(cloud, "oss://ledger/p") as store:
        with pytest.raises(LedgerError, match="cannot be read"):
            await GroupLedger(store, Place("1", "r", "g"), trail(store), frozen(NOW)).returned([])
