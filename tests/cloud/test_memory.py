"""One answer, and all answers at once, take no more memory than was set aside for them, whatever a server sends."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from yarl import URL

from accounts.credentials import Credentials
from orchestrator.cloud.errors import Denied, Unavailable
from orchestrator.cloud.memory import LONGEST_BODY, MOST_VALUES, Memory, has_too_many_values
from orchestrator.cloud.responses import read, xml
from orchestrator.cloud.settings import CloudSettings
from orchestrator.cloud.transport import Answer, Transport

NOBODY = Credentials("id", "secret")
MB = 1024 * 1024


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(5))
async def test_answers_wait_for_each_other_and_never_for_ever(seed: int) -> None:
    """A hundred that grow part by part to ten times what there is: all end, and never more than one goes beyond it."""
    chance = random.Random(seed)  # noqa: S311 (an order, not a secret)
    memory, longest, lowest, ended = Memory(1000), 100, 0, 0

    async def receive() -> None:
        nonlocal lowest, ended
        async with memory.answer() as held:
            for _ in range(longest // 10):
                await held.take(10)
                lowest = min(lowest, memory.left)
                await asyncio.sleep(chance.random() / 1000)
        ended += 1

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        for _ in range(100):
            tasks.create_task(receive())
    assert (ended, memory.left) == (100, 1000), f"seed {seed}"
    assert -longest <= lowest < 0, f"seed {seed}"


async def test_what_failed_or_was_given_up_is_given_back() -> None:
    """An error in the middle, also of the one that goes beyond, and one that is cancelled while it waits."""
    memory = Memory(10)

    async def fail() -> None:
        async with memory.answer() as held, memory.answer() as other:
            await held.take(25)
            assert memory.left == -15
            waiting = asyncio.ensure_future(other.take(1))
            await asyncio.sleep(0)
            assert not waiting.done()
            waiting.cancel()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert memory.left == 10
    async with memory.answer() as held:
        await asyncio.wait_for(held.take(11), 1)


@asynccontextmanager
async def asked(body: bytes) -> AsyncIterator[tuple[Transport, URL]]:
    """A server whose every answer is this."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(body=body)

    server = RawTestServer(answer)
    await server.start_server()
    transport = Transport(CloudSettings(endpoint=str(server.make_url("")).rstrip("/")))
    try:
        yield transport, server.make_url("/")
    finally:
        await transport.close()
        await server.close()


async def test_many_long_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty of 2 MB where there is room for two: all are received whole, and never more are held than may be."""
    size, lowest = 8 * MB, 0
    before = Memory.answer

    def watched(memory: Memory) -> object:
        held = before(memory)
        take = held.take

        async def taking(count: int) -> None:
            nonlocal lowest
            await take(count)
            lowest = min(lowest, memory.left)

        held.take = taking  # type: ignore[method-assign]  # it is looked at
        return held

    monkeypatch.setattr(Memory, "answer", watched)
    async with asked(bytes(2 * MB)) as (transport, url):
        transport._memory.left = size
        answers = await asyncio.gather(
            *(transport.carry("GET", url, {}, b"", proxied=False) for _ in range(30))
        )
        assert {len(one.body) for one in answers} == {2 * MB}
        assert transport._memory.left == size
    assert -4 * MB - 1 < lowest < 0  # each byte counts twice: its part, and the whole


async def test_an_answer_of_no_end() -> None:
    """It is given up at the bound, and nothing of it is held then."""
    async with asked(bytes(LONGEST_BODY + 1)) as (transport, url):
        room = transport._memory.left
        with pytest.raises(Unavailable, match="AnswerTooLong"):
            await transport.carry("GET", url, {}, b"", proxied=False)
        assert transport._memory.left == room


def test_few_bytes_that_make_many_values() -> None:
    """They are counted before anything is decoded: 72 bytes a value would be half a gigabyte of 16 MB."""
    dense = b'{"a":[' + b"{}," * (LONGEST_BODY // 3 - 10) + b"{}]}"
    tracemalloc.start()
    try:
        with pytest.raises(Unavailable, match="more than 500000 values") as caught:
            read(Answer(200, {}, dense), NOBODY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == "AnswerTooLong"
    assert peak < MB
    with pytest.raises(ValueError, match="more than 500000 values"):
        xml(b"<a>" + b"<b/>" * MOST_VALUES + b"</a>")


def test_the_longest_page_that_there_is_passes() -> None:
    """A thousand rules with every field the API has: a tenth of what is allowed."""
    rule = ",".join(f'"Field{n}":"value {n}"' for n in range(30))
    page = ('{"Permissions":{"Permission":[' + ",".join([f"{{{rule}}}"] * 1000) + "]}}").encode()
    assert not has_too_many_values(page * 10)
    assert len(read(Answer(200, {}, page), NOBODY)["Permissions"]["Permission"]) == 1000


def test_a_long_error_is_not_decoded() -> None:
    """Its status says enough; what it says at length is nobody's error."""
    body = b'{"Code":"Long","Message":"' + b"x" * MB + b'"}'
    with pytest.raises(Denied) as caught:
        read(Answer(403, {}, body), NOBODY)
    assert caught.value.code == "Http403"
