"""A turn is taken first, then comes the reading, then the call: at once, and never later than it may be."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any

import pytest

from accounts.credentials import Credentials, CredentialSource, StaticCredentials
from benchmarks.virtual import ENDPOINT, VirtualClient, run, serving
from orchestrator.cloud import client, transport
from orchestrator.cloud.client import AccountSession, Client, CloudSettings, Limits
from orchestrator.cloud.errors import Throttled, TooLate, Unavailable
from orchestrator.emulator import (
    Emulator,
    Fault,
    Group,
    InProcess,
    Keys,
    Kind,
    Options,
    Rule,
    Throttle,
    World,
    WorldOutline,
)
from orchestrator.emulator.world.model import PrefixList
from orchestrator.inventory import RegionReader
from orchestrator.securitygroup import Placement
from tests.proxy import carry

REGION = "cn-hangzhou"
ROLE = "sgsweep-remediate"
GROUP = "sg-1"
REVOKE = {"RegionId": REGION, "SecurityGroupId": GROUP, "SecurityGroupRuleId": ["sgr-1"]}
LATENCY_SECONDS = 0.05
THROTTLE = Throttle(per_api={"RevokeSecurityGroup": 1}, hint="retry-after")


def _world() -> tuple[World, str]:
    """One member with one group of one rule."""
    world = World.generate(WorldOutline(seed=1, accounts=1, groups_per_account=0, region_ids=1))
    account_id = next(iter(world.organization.members))
    rules = (Rule(security_group_rule_id="sgr-1", port_range="22/22", source_cidr_ip="0.0.0.0/0"),)
    world.put(account_id, REGION, Group(GROUP, vpc_id="vpc-1", rules=rules))
    return world, account_id


def _credentials(keys: Keys) -> Credentials:
    return Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token or "")


def _source(keys: Keys) -> StaticCredentials:
    return StaticCredentials(_credentials(keys))


class _Renewed:
    """Credentials that have expired already, and new ones that take a while."""

    def __init__(self, cloud: InProcess | None, account_id: str, seconds: float) -> None:
        self._cloud = cloud
        self._account_id = account_id
        self._seconds = seconds
        self.stands_still_seconds = 0.0

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """Give them."""
        time.sleep(self.stands_still_seconds)  # noqa: ASYNC251 - the process stands still
        if self._cloud is None:
            return Credentials("id", "secret")
        if not_this is not None:
            await asyncio.sleep(self._seconds)
        keys = self._cloud.enter(self._account_id, ROLE, seconds=-1 if not_this is None else 3600).keys
        return _credentials(keys)


class _Failing:
    """Credentials that are given so many times."""

    def __init__(self, after: int) -> None:
        self._left = after

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """Give them, or fail."""
        del not_this
        self._left -= 1
        if self._left < 0:
            raise LookupError
        return Credentials("id", "secret")


class Desk:
    """A cloud in this process on virtual time, and a session of its one member."""

    def __init__(self, cloud: InProcess, client: Client, session: AccountSession) -> None:
        self.cloud = cloud
        self.client = client
        self.session = session
        self.reader = RegionReader(session, Placement(session.account_id), REGION)

    def with_source(self, source: CredentialSource) -> AccountSession:
        """The member by other credentials."""
        return AccountSession(self.client, self.session.account_id, source)

    def actions(self) -> list[str]:
        """What arrived, in order."""
        return [call.action for call in self.cloud.calls]


@asynccontextmanager
async def _desk(options: Options | None = None, **limits: Any) -> AsyncIterator[Desk]:
    world, account_id = _world()
    cloud = InProcess(world, options, latency_seconds=LATENCY_SECONDS)
    settings = CloudSettings(endpoint=ENDPOINT, limits=Limits(**{"share": 1.0, **limits}))
    async with VirtualClient(settings, serving(cloud), 0.0) as made:
        keys = cloud.enter(account_id, ROLE).keys
        yield Desk(cloud, made, AccountSession(made, account_id, _source(keys)))


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


@pytest.fixture
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no sockets, and a TLS context takes 28 ms."""
    monkeypatch.setattr(transport, "_tls", lambda _: (False, ""))


pytestmark = pytest.mark.usefixtures("virtual")


# how it is used


def test_a_turn_a_reading_and_then_the_call() -> None:
    """The rule goes in two calls; the reading's age counts from the sending of its last page."""

    async def use() -> None:
        async with _desk() as desk:
            async with desk.session.turn("RevokeSecurityGroup", REGION) as turn:
                before = now()
                rules = await desk.reader.rules(GROUP)
                assert rules.sent_at_seconds == before
                await turn.call(REVOKE, not_after=rules.sent_at_seconds + 2)
            assert desk.actions() == ["DescribeSecurityGroupAttribute", "RevokeSecurityGroup"]
            assert desk.client.limiter._in_flight == 0

    run(use())


@pytest.mark.parametrize("seconds", [1.9, 2.1])
def test_a_reading_that_has_grown_too_old_is_not_relied_on(seconds: float) -> None:
    """The call is made up to two seconds after the reading was sent; after that nothing arrives, and it says so."""

    async def use() -> None:
        async with _desk() as desk, desk.session.turn("RevokeSecurityGroup", REGION) as turn:
            rules = await desk.reader.rules(GROUP)
            await asyncio.sleep(seconds - LATENCY_SECONDS)
            if seconds < 2:
                await turn.call(REVOKE, not_after=rules.sent_at_seconds + 2)
            else:
                with pytest.raises(TooLate, match=rf"RevokeSecurityGroup {desk.session.account_id} {REGION}"):
                    await turn.call(REVOKE, not_after=rules.sent_at_seconds + 2)
            assert ("RevokeSecurityGroup" in desk.actions()) == (seconds < 2)
            assert desk.client.limiter._in_flight == 0

    run(use())


def test_a_reading_is_as_old_as_the_attempt_that_was_answered() -> None:
    """A page that was refused first, and waited for, counts from when it was sent again."""

    async def use() -> None:
        async with _desk() as desk:
            sent: list[float] = []
            desk.cloud.before.append(lambda _: sent.append(now() - LATENCY_SECONDS / 2))
            desk.cloud.set_faults(Fault(kind=Kind.THROTTLED, action="Describe*", count=1))
            rules = await desk.reader.rules(GROUP)
            assert len(sent) == 2
            assert rules.sent_at_seconds == pytest.approx(sent[1])
            assert sent[1] > sent[0]

    run(use())


@pytest.mark.parametrize("refused", ["DescribePrefixListAttributes", "DescribeSecurityGroupAttribute"])
def test_a_look_is_as_old_as_the_oldest_of_lists_and_rules(refused: str) -> None:
    """What waits before it is sent makes nothing older: neither the list that waits nor the rules that come after."""

    async def use() -> None:
        async with _desk() as desk:
            estate = desk.cloud.world.estate(desk.session.account_id, REGION)
            estate.prefix_lists["pl-1"] = PrefixList("pl-1", "offices", entries=("203.0.113.0/24",))
            sent: dict[str, float] = {}
            desk.cloud.before.append(lambda moment: sent.update({moment.action: now() - LATENCY_SECONDS / 2}))
            desk.cloud.set_faults(Fault(kind=Kind.THROTTLED, action=refused, count=1))
            began = now()
            seen = await desk.reader.look(GROUP, [{"SourcePrefixListId": "pl-1"}])
            assert seen.sent_at_seconds == pytest.approx(sent["DescribePrefixListAttributes"])
            assert sent["DescribeSecurityGroupAttribute"] > seen.sent_at_seconds + LATENCY_SECONDS / 2
            waited = seen.sent_at_seconds > began + LATENCY_SECONDS / 2
            assert waited == (refused == "DescribePrefixListAttributes")

    run(use())


# whatever it waits for


def test_a_refusal_teaches_the_limiter_and_the_call_is_given_back() -> None:
    """It is not sent again on the old reading; the next turn comes when the server takes calls again."""

    async def use() -> None:
        async with _desk(Options(throttle=THROTTLE)) as desk:
            await asyncio.sleep(3595)  # the window of a minute ends in five seconds
            async with desk.session.turn("RevokeSecurityGroup", REGION) as turn:
                await turn.call(REVOKE, not_after=now() + 2)
            async with desk.session.turn("RevokeSecurityGroup", REGION) as turn:
                with pytest.raises(Throttled) as caught:
                    await turn.call(REVOKE, not_after=now() + 100)
            assert not caught.value.hopeless
            assert desk.actions() == ["RevokeSecurityGroup"] * 2
            async with desk.session.turn("RevokeSecurityGroup", REGION):
                assert now() == pytest.approx(3600, abs=0.1)
            stats = desk.client.stats.of("RevokeSecurityGroup")
            assert (stats.calls, stats.throttled, stats.failed) == (2, 1, 0)

    run(use())


def test_a_session_that_expired_meanwhile_is_renewed_within_the_time() -> None:
    """The call is signed anew and sent, if that was quick enough; else it is too late, and the next one is."""

    async def use(seconds: float) -> None:
        async with _desk() as desk:
            session = desk.with_source(_Renewed(desk.cloud, desk.session.account_id, seconds))
            async with session.turn("RevokeSecurityGroup", REGION) as turn:
                with contextlib.nullcontext() if seconds < 2 else pytest.raises(TooLate):
                    await turn.call(REVOKE, not_after=now() + 2)
            served = [(call.action, call.status) for call in desk.cloud.calls]
            assert served[0] == ("RevokeSecurityGroup", 400)
            assert served[1:] == ([("RevokeSecurityGroup", 200)] if seconds < 2 else [])
            assert desk.client.limiter._in_flight == 0

    run(use(0.5))
    run(use(3))


def test_credentials_that_cannot_be_had_leave_no_turn_behind() -> None:
    """Neither before the turn nor in it."""

    async def use() -> None:
        async with _desk() as desk:
            session = desk.with_source(_Failing(after=1))
            with pytest.raises(LookupError):
                async with session.turn("RevokeSecurityGroup", REGION) as turn:
                    await turn.call(REVOKE, not_after=now() + 2)
            with pytest.raises(LookupError):
                async with session.turn("RevokeSecurityGroup", REGION):
                    pytest.fail("nobody signs")
            assert desk.client.limiter._in_flight == desk.client.limiter._held == 0

    run(use())


def test_an_answer_that_was_lost_is_not_sent_again() -> None:
    """It may have been carried out, so it is for the caller to look."""

    async def use() -> None:
        async with _desk() as desk, desk.session.turn("RevokeSecurityGroup", REGION) as turn:
            desk.cloud.set_faults(Fault(kind=Kind.RESET_AFTER, action="Revoke*"))
            with pytest.raises(Unavailable):
                await turn.call(REVOKE, not_after=now() + 2)
            assert desk.actions() == ["RevokeSecurityGroup"]

    run(use())


def test_an_open_circuit_gives_no_turn_and_a_reading_tries_it() -> None:
    """A region that was given up is asked again by the reading within a turn, which is not refused for it."""

    async def use() -> None:
        async with _desk(circuit_failures=1, circuit_seconds=30) as desk:
            desk.cloud.set_faults(Fault(kind=Kind.RESET_BEFORE, action="Revoke*", count=1))
            with pytest.raises(Unavailable):
                await desk.session.call("RevokeSecurityGroup", REGION, REVOKE, mutating=True)
            with pytest.raises(Unavailable, match="CircuitOpen"):
                async with desk.session.turn("RevokeSecurityGroup", REGION):
                    pytest.fail("the circuit is open")
            assert desk.client.limiter._held == 0
            await asyncio.sleep(30)
            async with desk.session.turn("RevokeSecurityGroup", REGION) as turn:
                rules = await desk.reader.rules(GROUP)
                await turn.call(REVOKE, not_after=rules.sent_at_seconds + 2)

    run(use())


def test_a_turn_is_good_for_one_call() -> None:
    """A second one would not have waited for leave."""

    async def use() -> None:
        async with _desk() as desk, desk.session.turn("RevokeSecurityGroup", REGION) as turn:
            await turn.call(REVOKE, not_after=now() + 2)
            with pytest.raises(RuntimeError, match="one call"):
                await turn.call(REVOKE, not_after=now() + 2)

    run(use())


def test_a_machine_that_slept_has_read_too_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's clock stands still while the machine sleeps; the system knows how long that was."""
    asleep = [100.0]
    monkeypatch.setattr(transport, "asleep_seconds", lambda: asleep[0])
    monkeypatch.setattr(client, "asleep_seconds", lambda: asleep[0])

    async def use() -> None:
        async with _desk() as desk:
            async with desk.session.turn("RevokeSecurityGroup", REGION) as turn:
                asleep[0] += 1
                with pytest.raises(TooLate):
                    await turn.call(REVOKE, not_after=now() + 0.9)
            async with desk.session.turn("RevokeSecurityGroup", REGION) as turn:
                await turn.call(REVOKE, not_after=now() + 0.9)
            assert desk.actions() == ["RevokeSecurityGroup"]

    run(use())


def test_the_loops_clock_runs_on_while_the_process_is_stopped() -> None:
    """A process that was stopped for 0.2 s has lost 0.2 s by the clock that ages are counted by."""
    ready, told = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_tells_the_time, args=(told,))
    child.start()
    assert child.pid is not None
    first = ready.recv()
    os.kill(child.pid, signal.SIGSTOP)
    time.sleep(0.2)
    os.kill(child.pid, signal.SIGCONT)
    ready.send(None)
    assert ready.recv() - first >= 0.2
    child.join()


def _tells_the_time(told: Connection) -> None:
    loop = asyncio.new_event_loop()
    told.send(loop.time())
    told.recv()
    told.send(loop.time())
    loop.close()


# the last moment, over sockets


@pytest.mark.parametrize("not_after", [0.1, 5.0])
async def test_a_connection_that_was_long_in_the_making_carries_nothing_late(
    monkeypatch: pytest.MonkeyPatch, not_after: float
) -> None:
    """The handshake takes 0.3 s: what was not to leave after 0.1 s does not, though it was begun in time."""
    monkeypatch.undo()  # a real TLS context
    world, account_id = _world()
    async with Emulator(world) as emulator, _slow_way(emulator.https_url, 0.3) as url:
        settings = CloudSettings(endpoint=url, ca_file=emulator.ca_file)
        async with Client(settings) as speaks:
            session = AccountSession(speaks, account_id, _source(emulator.enter(account_id, ROLE).keys))
            async with session.turn("RevokeSecurityGroup", REGION) as turn:
                is_late = not_after < 0.3
                with pytest.raises(TooLate) if is_late else contextlib.nullcontext():
                    await turn.call(REVOKE, not_after=now() + not_after)
            assert [call.action for call in emulator.calls] == ([] if is_late else ["RevokeSecurityGroup"])
            await session.call("DescribeSecurityGroups", REGION, {"RegionId": REGION})  # what is left works


async def test_a_process_that_stood_still_sends_nothing_late() -> None:
    """Signing stood still for 0.2 s with a connection at hand: nothing of the call reaches the server."""
    arrived = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(65536):
            arrived.extend(head)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Client(CloudSettings(endpoint=f"http://127.0.0.1:{port}")) as speaks:
        source = _Renewed(None, "", 0.0)
        session = AccountSession(speaks, "1", source)
        async with session.turn("RevokeSecurityGroup", REGION) as turn:
            await session.call("DescribeSecurityGroups", REGION, {})
            seen = len(arrived)
            source.stands_still_seconds = 0.2
            with pytest.raises(TooLate):
                await turn.call(REVOKE, not_after=now() + 0.1)
        source.stands_still_seconds = 0.0
        assert len(arrived) == seen
        await session.call("DescribeRegions", None, {})
        assert b"Revoke" not in arrived


@asynccontextmanager
async def _slow_way(url: str, seconds: float) -> AsyncIterator[str]:
    """A way to a server on which the first bytes of each connection take that long."""
    host, _, port = url.removeprefix("https://").partition(":")

    async def carry_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await carry(reader, writer, host, int(port))

    server = await asyncio.start_server(carry_late, "127.0.0.1", 0)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
