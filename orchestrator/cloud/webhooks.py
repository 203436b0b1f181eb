"""Messages to chat robots and to any URL that takes JSON: signed, spelled and read back as each of them wants it.

Facts are the vendors' own. DingTalk, "Custom robot": the time in ms and base64(HMAC-SHA256) of time, line end and
secret under the secret stand in the query; 20 messages a minute, 130101 beyond; errcode 0 is success. Feishu, "Custom
bot": the time in s and the HMAC of nothing under time, line end and secret stand in the body; 100 a minute and 5 a
second, 11232 beyond; code 0 is success. WeCom, "Group robot": text of 2,048 bytes at most; 20 a minute, 45009 beyond;
errcode 0 is success. Slack, "Incoming webhooks": one a second, 429 with Retry-After beyond; & < > are escaped.

The address of a robot is a secret: whoever has it can write there. It is in no text, repr or error of this module.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from yarl import URL

from accounts.credentials import Credentials
from orchestrator.cloud.endpoints import goes_by_proxy
from orchestrator.cloud.errors import CloudError, Unavailable
from orchestrator.cloud.responses import retry_after_seconds
from orchestrator.cloud.retry import CallProgress, Patience, Retry, RetryBudget
from orchestrator.cloud.settings import CloudSettings, is_loopback
from orchestrator.cloud.transport import Answer, Transport

RobotKind = Literal["dingtalk", "feishu", "wecom", "slack", "json"]

ATTEMPTS = 3
DEADLINE_SECONDS = 20.0
"""No message takes longer, waits for its turn and retries included; then it has failed."""

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 10.0
_LONGEST_BYTES: Mapping[RobotKind, int] = {
    "dingtalk": 16_000,
    "feishu": 16_000,
    "wecom": 2_048,
    "slack": 12_000,
    "json": 1_000_000,
}
_APART_SECONDS: Mapping[RobotKind, float] = {
    "dingtalk": 3.0,
    "feishu": 0.6,
    "wecom": 3.0,
    "slack": 1.0,
    "json": 0.0,
}
_TOO_OFTEN = frozenset(
    {"130101", "130102", "45009", "11232"}
)  # of DingTalk, WeCom and Feishu: later it may do
_CODES = ("errcode", "code", "StatusCode")  # where the robots say how it ended
_SHORTEST_SECRET = 6  # a part of an address that is shorter is a word like "send"
_SIGNATURE_HEADER = "X-Sgsweep-Signature"


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """What is told.

    Attributes:
        title: the first line.
        lines: the others.
        link: where there is more; empty for nowhere.
        data: the same for programs; what kind "json" gets.
    """

    title: str
    lines: Sequence[str] = ()
    link: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def text(self, longest_bytes: int) -> str:
        """Return all of it in lines, cut at the end of a line where it is too long; the link is never cut off."""
        end = f"\n{self.link}" if self.link else ""
        room = longest_bytes - len(end.encode())
        lines = [self.title, *self.lines]
        text = "\n".join(lines)
        while len(text.encode()) > room and len(lines) > 1:
            lines.pop()
            text = "\n".join([*lines, f"… (+{len(self.lines) + 1 - len(lines)})"])
        return text.encode()[:room].decode(errors="ignore") + end


@dataclass(frozen=True, slots=True)
class Robot:
    """Whom it is told. Two with the same address are one, and share its pace.

    Attributes:
        id: what it is called in messages about it.
        kind: whose protocol it speaks.
        url: its address, a secret.
        secret: that it is signed with; empty for unsigned.
    """

    id: str
    kind: RobotKind
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)

    def wrong(self) -> str:
        """Say what is wrong with the address, without it; "" for nothing."""
        try:
            url = URL(self.url)
        except ValueError:
            return "its address is no URL"
        if url.scheme not in {"http", "https"} or not url.host:
            return "its address is not like https://host/path"
        if url.scheme == "http" and not is_loopback(url.host):
            return (
                "its address is plain http to another machine: who reads it on the way can write there, too"
            )
        return ""

    def kept_from(self, text: str) -> str:
        """Return a text that a robot has answered without any part of its address or secret: it may repeat them."""
        url = URL(self.url)
        parts = {self.url, self.secret, url.host or "", *url.query.values(), *url.raw_path.split("/")}
        for part in sorted(parts, key=len, reverse=True):
            if len(part) >= _SHORTEST_SECRET:
                text = text.replace(part, "***")
        return text


class Messenger:
    """Sends messages, each within a deadline; it never raises for what a robot or the way to it does."""

    def __init__(
        self,
        settings: CloudSettings,
        *,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Remember how the network is reached: proxy and certificates are those of all calls.

        Args:
            settings: where the cloud is.
            now: seconds since 1970, for signatures.
            chance: 0 to 1, for the jitter of retries.
        """
        self._settings, self._now, self._chance = settings, now, chance
        self._turns: dict[str, asyncio.Lock] = {}
        self._next: dict[str, float] = {}

    async def tell(self, told: Sequence[tuple[Robot, WebhookMessage]]) -> list[str]:
        """Send all of them at once, and return how those failed that did: a sentence each, with the robot's id."""
        transport = Transport(_patient(self._settings))
        try:
            failed = await asyncio.gather(*(self._one(transport, *one) for one in told))
        finally:
            await transport.close()
        return [text for text in failed if text]

    async def _one(self, transport: Transport, robot: Robot, message: WebhookMessage) -> str:
        if wrong := robot.wrong():
            return f"{robot.id}: {wrong}"
        try:
            await asyncio.wait_for(self._patiently(transport, robot, message), DEADLINE_SECONDS)
        except asyncio.TimeoutError:
            return f"{robot.id}: not taken within {DEADLINE_SECONDS:.0f} s"
        except CloudError as error:
            return f"{robot.id}: {robot.kept_from(error.message)} ({robot.kept_from(error.code)})"
        return ""

    async def _patiently(self, transport: Transport, robot: Robot, message: WebhookMessage) -> None:
        clock = asyncio.get_running_loop().time
        budget = RetryBudget(fraction=1.0, floor=ATTEMPTS)
        retry = Retry(Patience(ATTEMPTS, DEADLINE_SECONDS), budget, clock=clock, chance=self._chance)

        async def attempt(progress: CallProgress) -> None:
            progress.attempts += 1
            await self._turn(robot)
            await self._once(transport, robot, message)

        await retry(attempt, CallProgress(Credentials("", ""), clock(), mutating=False))

    async def _turn(self, robot: Robot) -> None:
        """Wait until the robot may be written to again."""
        loop = asyncio.get_running_loop()
        async with self._turns.setdefault(robot.url, asyncio.Lock()):
            await asyncio.sleep(max(0.0, self._next.get(robot.url, 0.0) - loop.time()))
            self._next[robot.url] = loop.time() + _APART_SECONDS[robot.kind]

    async def _once(self, transport: Transport, robot: Robot, message: WebhookMessage) -> None:
        """Send it once.

        Raises:
            Unavailable: it may be tried again.
            CloudError: it was refused.
        """
        query, body = _spelled(robot, message, self._now())
        url = URL(robot.url)
        url = url.with_query({**url.query, **query}) if query else url
        encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            **_signature(robot, encoded, self._now()),
        }
        proxied = goes_by_proxy(url.host_port_subcomponent or "", self._settings)
        try:
            answer = await transport.carry("POST", url, headers, encoded, proxied=proxied)
        except Unavailable as error:  # it names the host, which is a part of the address
            raise Unavailable(code=error.code, message="there was no answer") from None
        _refuse(answer)


def _patient(settings: CloudSettings) -> CloudSettings:
    """Return the settings of the way to robots: they are no product, so an endpoint of products is none of theirs."""
    return msgspec.structs.replace(
        settings,
        endpoint="",
        connect_timeout_seconds=_CONNECT_SECONDS,
        read_timeout_seconds=_READ_SECONDS,
    )


def _spelled(robot: Robot, message: WebhookMessage, now: float) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the query and the body by which this robot is told the message."""
    text = message.text(_LONGEST_BYTES[robot.kind])
    if robot.kind == "dingtalk":
        stamp = str(int(now * 1000))
        query = (
            {"timestamp": stamp, "sign": _hmac(robot.secret, f"{stamp}\n{robot.secret}")}
            if robot.secret
            else {}
        )
        return query, {"msgtype": "text", "text": {"content": text}}
    if robot.kind == "feishu":
        stamp = str(int(now))
        signed = {"timestamp": stamp, "sign": _hmac(f"{stamp}\n{robot.secret}", "")} if robot.secret else {}
        title, *lines = text.split("\n")
        # rich text, for in plain text a name could hold a mention, <at user_id="all">
        content = [[{"tag": "text", "text": line}] for line in lines]
        return {}, {
            **signed,
            "msg_type": "post",
            "content": {"post": {"zh_cn": {"title": title, "content": content}}},
        }
    if robot.kind == "wecom":
        return {}, {"msgtype": "text", "text": {"content": text}}
    if robot.kind == "slack":
        return {}, {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    return {}, {"title": message.title, "text": text, "link": message.link, **message.data}


def _hmac(key: str, text: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def _signature(robot: Robot, body: bytes, now: float) -> dict[str, str]:
    """Return the header by which a receiver of JSON knows us: the time, and the HMAC of time, full stop and body."""
    if robot.kind != "json" or not robot.secret:
        return {}
    stamp = str(int(now))
    found = hmac.new(robot.secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {_SIGNATURE_HEADER: f"t={stamp},v1={found}"}


def _refuse(answer: Answer) -> None:
    """Raise unless the message was taken: a robot may answer 200 and say in the body that it did not.

    Raises:
        Unavailable: it may be tried again.
        CloudError: it was refused.
    """
    if answer.status == 429 or answer.status >= 500:
        raise _again(f"http-{answer.status}", f"it answered {answer.status}", answer)
    if not 200 <= answer.status < 300:
        raise CloudError(code=f"http-{answer.status}", message=f"it answered {answer.status}")
    try:
        said = json.loads(answer.body)
    except ValueError:
        return  # Slack says "ok", and others may say nothing
    if not isinstance(said, dict):
        return
    code = next((str(said[key]) for key in _CODES if said.get(key) not in (None, 0, "0")), "")
    if not code and said.get("ok") is False:
        code = str(said.get("error") or "not-ok")
    if code in _TOO_OFTEN:
        raise _again(code, "it is written to too often", answer)
    if code:
        told = str(said.get("errmsg") or said.get("msg") or said.get("StatusMessage") or "it gave no reason")
        raise CloudError(code=code, message=f"it refused the message: {told}")


def _again(code: str, message: str, answer: Answer) -> Unavailable:
    error = Unavailable(code=code, message=message)
    hint = retry_after_seconds(answer.headers)
    error.retry_after_seconds = None if hint is None else min(hint, DEADLINE_SECONDS)
    return error
