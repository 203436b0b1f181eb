"""Robots are told as each of them wants it, over real sockets; what fails is told without their address or secret."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from orchestrator.cloud.settings import CloudSettings
from orchestrator.cloud.transport import Answer, Transport
from orchestrator.cloud.webhooks import (
    ATTEMPTS,
    DEADLINE_SECONDS,
    Messenger,
    Robot,
    RobotKind,
    WebhookMessage,
)

TOKEN, SECRET = "tok-0123456789", "SEC-abcdefghij"
NOW = 1_700_000_000.25
HELLO = WebhookMessage(
    "sgsweep: scan finished", ("run 1", "open <b>: 2 & more"), "https://reports.example/1", {"open": 2}
)
OK = {"dingtalk": {"errcode": 0}, "feishu": {"code": 0}, "wecom": {"errcode": 0}, "slack": "ok", "json": ""}


@dataclass
class Chat:
    """A server that keeps what it is told, and answers what it is made to: the last answer again and again."""

    url: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=lambda: [(200, {"errcode": 0})])
    headers: dict[str, str] = field(default_factory=dict)
    told: list[tuple[web.BaseRequest, bytes]] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Keep the request and answer it."""
        self.told.append((request, await request.read()))
        status, said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        text = said if isinstance(said, str) else json.dumps(said)
        return web.Response(status=status, text=text, headers=self.headers)

    def body(self, number: int = 0) -> dict[str, Any]:
        """Return what was told, decoded."""
        found: dict[str, Any] = json.loads(self.told[number][1])
        return found


@asynccontextmanager
async def chatting(*answers: tuple[int, Any]) -> AsyncIterator[Chat]:
    """Serve a chat on loopback."""
    chat = Chat()
    chat.answers = list(answers) or chat.answers
    server = RawTestServer(chat.answer)
    await server.start_server()
    chat.url = str(server.make_url(f"/robot/send?access_token={TOKEN}"))
    try:
        yield chat
    finally:
        await server.close()


async def tell(robot: Robot, message: WebhookMessage = HELLO, **settings: Any) -> list[str]:
    """Send a message without any wait between attempts; whatever comes of it names nothing that is secret."""
    messenger = Messenger(CloudSettings(**settings), now=lambda: NOW, chance=lambda: 0.0)
    failed = await messenger.tell([(robot, message)])
    for text in (*failed, repr(robot), repr([robot])):
        assert TOKEN not in text
        assert SECRET not in text
        assert "127.0.0.1" not in text
    return failed


def robot(kind: RobotKind, chat: Chat, secret: str = "") -> Robot:
    """A robot of this chat."""
    return Robot("ops", kind, chat.url, secret)


async def test_dingtalk_is_signed_in_the_query() -> None:
    """The time in ms, and the HMAC of time, line end and secret under the secret; beside the access token."""
    async with chatting() as chat:
        assert await tell(robot("dingtalk", chat, SECRET)) == []
        request, _ = chat.told[0]
        stamp = str(int(NOW * 1000))
        expected = hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
        assert dict(request.query) == {
            "access_token": TOKEN,
            "timestamp": stamp,
            "sign": base64.b64encode(expected).decode(),
        }
        assert (request.method, request.path) == ("POST", "/robot/send")
        assert request.content_type == "application/json"
        text = chat.body()["text"]["content"]
        assert text.splitlines() == [HELLO.title, *HELLO.lines, HELLO.link]
        assert await tell(robot("dingtalk", chat)) == []
        assert dict(chat.told[1][0].query) == {"access_token": TOKEN}


async def test_feishu_is_signed_in_the_body() -> None:
    """The time in s, and the HMAC of nothing under time, line end and secret; lines as texts that hold no mention."""
    async with chatting((200, {"code": 0, "StatusCode": 0})) as chat:
        message = replace(HELLO, lines=('group <at user_id="all">',))
        assert await tell(robot("feishu", chat, SECRET), message) == []
        body, stamp = chat.body(), str(int(NOW))
        expected = hmac.new(f"{stamp}\n{SECRET}".encode(), b"", hashlib.sha256).digest()
        assert (body["timestamp"], body["sign"]) == (stamp, base64.b64encode(expected).decode())
        assert body["msg_type"] == "post"
        post = body["content"]["post"]["zh_cn"]
        assert post["title"] == HELLO.title
        assert post["content"] == [
            [{"tag": "text", "text": 'group <at user_id="all">'}],
            [{"tag": "text", "text": HELLO.link}],
        ]
        assert await tell(robot("feishu", chat)) == []
        assert chat.body(1).keys() == {"msg_type", "content"}


async def test_wecom_slack_and_json_have_their_own_words() -> None:
    """WeCom text; Slack with < > & escaped, so that no name is a mention; JSON with the data and a signature of it."""
    async with chatting() as chat:
        assert await tell(robot("wecom", chat)) == []
        assert chat.body() == {"msgtype": "text", "text": {"content": HELLO.text(2048)}}
    async with chatting((200, "ok")) as chat:
        assert await tell(robot("slack", chat), replace(HELLO, lines=("<!channel> & co",))) == []
        assert chat.body()["text"].splitlines()[1] == "&lt;!channel&gt; &amp; co"
    async with chatting((204, "")) as chat:
        assert await tell(robot("json", chat, SECRET)) == []
        request, body = chat.told[0]
        assert chat.body() | {"open": 2, "title": HELLO.title, "link": HELLO.link} == chat.body()
        stamp = str(int(NOW))
        expected = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        assert request.headers["X-Sgsweep-Signature"] == f"t={stamp},v1={expected}"


@pytest.mark.parametrize(
    ("kind", "said", "reason"),
    [
        ("dingtalk", {"errcode": 310000, "errmsg": "sign not match"}, "sign not match (310000)"),
        ("wecom", {"errcode": 93000, "errmsg": "invalid webhook url"}, "invalid webhook url (93000)"),
        ("feishu", {"code": 19021, "msg": "sign match fail"}, "sign match fail (19021)"),
        ("feishu", {"StatusCode": 9499, "StatusMessage": "Bad Request"}, "Bad Request (9499)"),
        ("slack", {"ok": False, "error": "no_service"}, "(no_service)"),
        ("json", {"code": 7, "msg": f"no {TOKEN} and no {SECRET}"}, "no *** and no *** (7)"),
    ],
)
async def test_200_with_a_code_is_a_failure(kind: RobotKind, said: object, reason: str) -> None:
    """It is told with the robot's own reason, and not tried again: it would be refused again."""
    async with chatting((200, said)) as chat:
        (failed,) = await tell(robot(kind, chat, SECRET))
        assert failed.startswith("ops: it refused the message")
        assert failed.endswith(reason)
        assert len(chat.told) == 1


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        ((503, "busy"), "slack"),
        ((429, "slow down"), "slack"),
        ((200, {"code": 11232, "msg": "frequency limited"}), "feishu"),
        ((500, {"errcode": 0}), "json"),
    ],
)
async def test_what_may_do_later_is_tried_again(first: tuple[int, Any], kind: RobotKind) -> None:
    """A failing service and a robot that is written to too often are; and after a few times it has failed."""
    async with chatting(first, (200, OK[kind])) as chat:
        fast = replace(robot(kind, chat))
        assert await tell(fast) == []
        assert len(chat.told) == 2
    if kind == "json":
        async with chatting((503, "")) as chat:
            assert await tell(robot(kind, chat)) == ["ops: it answered 503 (http-503)"]
            assert len(chat.told) == ATTEMPTS


async def test_a_redirect_is_not_followed_and_nobody_there_is_told() -> None:
    """Where the message would go then nobody has configured; and the way's error names no host."""
    async with chatting((302, "")) as chat:
        chat.headers["Location"] = "http://127.0.0.1:1/"
        assert await tell(robot("json", chat)) == ["ops: it answered 302 (http-302)"]
        assert len(chat.told) == 1
        gone = chat.url
    failed = await tell(Robot("ops", "json", gone))
    assert failed == ["ops: there was no answer (ConnectionFailed)"]


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        (f"http://robots.example/{TOKEN}", "plain http to another machine"),
        (f"ftp://robots.example/{TOKEN}", "not like https://host/path"),
        (f"{TOKEN}", "not like https://host/path"),
        (f"https://[{TOKEN}", "is no URL"),
    ],
)
async def test_an_address_that_is_none_is_never_repeated(url: str, wrong: str) -> None:
    """Nothing is sent, and the sentence says what is wrong without it."""
    (failed,) = await tell(Robot("ops", "json", url))
    assert wrong in failed
    assert "robots.example" not in failed


def test_a_long_text_is_cut_at_a_line_and_keeps_its_link() -> None:
    """In bytes, as the robots count; what is left out is counted; a title that is too long by itself is cut, too."""
    message = WebhookMessage("标题", tuple(f"第 {n} 行" for n in range(500)), "https://reports.example/1")
    text = message.text(2048)
    assert 1900 < len(text.encode()) <= 2048
    assert text.endswith("\nhttps://reports.example/1")
    shown = sum(line.startswith("第") for line in text.splitlines())
    assert f"… (+{500 - shown})" in text
    assert len(WebhookMessage("长" * 2000).text(2048).encode()) <= 2048


Carry = Callable[..., Any]


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let every message be taken at once, on virtual time; return when each was sent."""
    moments: list[float] = []

    async def carry(*_: object, **__: object) -> Answer:
        moments.append(asyncio.get_running_loop().time())
        return Answer(200, {}, b'{"errcode":0}')

    monkeypatch.setattr(Transport, "carry", carry)
    return moments


@pytest.mark.looptime
async def test_a_robot_is_paced_and_others_do_not_wait_for_it(carried: list[float]) -> None:
    """DingTalk and WeCom take 20 messages a minute, however many entries name the same robot."""
    same = Robot("a", "dingtalk", "https://robots.example/1")
    robots = [same, Robot("b", "dingtalk", same.url), Robot("c", "wecom", "https://robots.example/2"), same]
    await Messenger(CloudSettings()).tell([(one, HELLO) for one in robots])
    assert [round(moment - carried[0], 1) for moment in sorted(carried)] == [0.0, 0.0, 3.0, 6.0]


@pytest.mark.looptime
async def test_nothing_waits_longer_than_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot that answers nothing, for ever: the run ends after a moment, and the other robot was told."""
    taken = []

    async def carry(_: Transport, __: str, url: object, *___: object, **____: object) -> Answer:
        if "silent" in str(url):
            await asyncio.Event().wait()
        taken.append(str(url))
        return Answer(200, {}, b"")

    monkeypatch.setattr(Transport, "carry", carry)
    began = asyncio.get_running_loop().time()
    told = [(Robot(name, "json", f"https://{name}.example/"), HELLO) for name in ("silent", "quick")]
    failed = await Messenger(CloudSettings()).tell(told)
    assert failed == [f"silent: not taken within {DEADLINE_SECONDS:.0f} s"]
    assert asyncio.get_running_loop().time() - began == pytest.approx(DEADLINE_SECONDS)
    assert taken == ["https://quick.example/"]


async def test_an_error_on_the_way_shows_no_address_in_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where a bug lets it through: neither text nor chain holds it."""
    messenger = Messenger(CloudSettings(), chance=lambda: 0.0)
    told: list[str] = []
    once = messenger._once

    async def listening(*given: Any) -> None:
        try:
            await once(*given)
        except Exception as error:
            told.append("".join(traceback.format_exception(error)))
            raise

    monkeypatch.setattr(messenger, "_once", listening)
    async with chatting((200, {"errcode": 1, "errmsg": "no"})) as chat:
        address = chat.url
        await messenger.tell([(robot("json", chat), HELLO)])
    await messenger.tell([(Robot("ops", "json", address), HELLO)])
    assert len(told) == 1 + ATTEMPTS
    assert not [text for text in told if TOKEN in text or "/robot/send" in text]
