"""A client of Log Service without sockets, with signers of its own for both signatures, and a logstore of few flows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote, unquote

import lz4.block
import msgspec

from orchestrator.emulator import Flow, Keys, World, WorldOutline
from orchestrator.emulator.framework.protocols import Reply
from orchestrator.emulator.framework.signature import WireRequest
from orchestrator.emulator.services.log_service import Logs, Logstore, logs_of
from orchestrator.emulator.services.log_service.logstores import FLOW_FIELDS
from tests.emulator.wire import START, Cloud

SCHEMES: Final = ("v1", "v4")
REGION: Final = "cn-hangzhou"
PROJECT: Final = "flows"
NOW: Final = int(START)


def signed(
    keys: Keys,
    scheme: str,
    now: float,
    method: str = "POST",
    path: str = "/logstores/flowlog/logs",
    body: bytes = b"",
    **changed: str,
) -> WireRequest:
    """A signed request; `changed` sets headers (`_` for `-`) before signing. `scope` is the region of version 4."""
    moment = datetime.fromtimestamp(now, UTC)
    region = changed.pop("scope", REGION)
    headers = {
        "host": f"{PROJECT}.{REGION}.log.aliyuncs.com",
        "x-log-apiversion": "0.6.0",
        "x-log-bodyrawsize": str(len(body)),
    }
    if body:
        headers["content-type"] = "application/json"
    if keys.security_token:
        headers["x-acs-security-token"] = keys.security_token
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    sign = _v1 if scheme == "v1" else _v4
    return WireRequest(method, path, "", sign(keys, moment, method, path, body, headers, region), body)


def _own(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in sorted(headers) if name.startswith(("x-log-", "x-acs-"))}


def _v1(
    keys: Keys, moment: datetime, method: str, path: str, body: bytes, headers: dict[str, str], _: str
) -> dict[str, str]:
    date, md5 = format_datetime(moment, usegmt=True), hashlib.md5(body).hexdigest().upper() if body else ""  # noqa: S324
    headers = {**headers, "date": date, "x-log-signaturemethod": "hmac-sha1"}
    if md5:
        headers["content-md5"] = md5
    lines = "".join(f"{name}:{value}\n" for name, value in _own(headers).items())
    text = f"{method}\n{md5}\n{headers.get('content-type', '')}\n{date}\n{lines}{unquote(path)}"
    digest = hmac.digest(keys.access_key_secret.encode(), text.encode(), "sha1")
    return {**headers, "authorization": f"LOG {keys.access_key_id}:{base64.b64encode(digest).decode()}"}


def _v4(
    keys: Keys, moment: datetime, method: str, path: str, body: bytes, headers: dict[str, str], region: str
) -> dict[str, str]:
    stamp, payload = moment.strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256(body).hexdigest()
    headers = {**headers, "x-log-date": stamp, "x-log-content-sha256": payload}
    more = {name: headers[name] for name in ("content-type", "host") if name in headers}
    shown = _own(headers) | more
    shown = {name: shown[name] for name in sorted(shown)}
    lines = "".join(f"{name}:{value}\n" for name, value in shown.items())
    canonical = f"{method}\n{quote(unquote(path))}\n\n{lines}\n{';'.join(shown)}\n{payload}"
    scope = f"{stamp[:8]}/{region}/sls/aliyun_v4_request"
    text = f"SLS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"aliyun_v4{keys.access_key_secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return {
        **headers,
        "authorization": f"SLS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope},Signature={signature}",
    }


def opened(reply: Reply) -> Any:
    """The JSON of an answer, decompressed as its headers say."""
    size, kind = int(reply.headers.get("x-log-bodyrawsize", "0")), reply.headers.get("x-log-compresstype", "")
    body = reply.body
    if kind == "lz4":
        body = lz4.block.decompress(body, uncompressed_size=size)
    elif kind == "gzip":
        body = zlib.decompress(body)
    assert not kind or len(body) == size
    return msgspec.json.decode(body)


def code(reply: Reply) -> tuple[int, str]:
    """The status and the code of a refusal, which has an id and a message."""
    body = msgspec.json.decode(reply.body)
    assert body["errorMessage"], body
    assert len(reply.headers["x-log-requestid"]) == 24
    return reply.status, body["errorCode"]


class LogCloud(Cloud):
    """A cloud with one logstore of flow logs in a project of the first member, and rows that a test puts there."""

    def __init__(self, *rows: Flow, **options: Any) -> None:
        super().__init__(
            World.generate(WorldOutline(seed=3, accounts=4, region_ids=4, groups_per_account=0)), **options
        )
        self.logs: Logs = logs_of(self.state)
        project = self.logs.add_project(PROJECT, self.member, REGION, START - 90 * 86_400)
        self.store: Logstore = self.logs.add_logstore(project, "flowlog", FLOW_FIELDS, project.created)
        self.keys = self.enter("ResourceDirectoryAccountAccessRole")
        self.logs.insert(self.store, rows)

    def request(self, keys: Keys | None = None, scheme: str = "v4", **asked: Any) -> WireRequest:
        """GetLogsV2 of the last day, as `asked` changes it (`begin` for from; headers under `headers`)."""
        headers = asked.pop("headers", {})
        place = {name: asked.pop(name) for name in ("path", "host", "method") if name in asked}
        body = {"from": asked.pop("begin", NOW - 86_400), "to": NOW, "query": "*", **asked}
        return signed(
            keys or self.keys, scheme, self.clock(), body=msgspec.json.encode(body), **place, **headers
        )

    def ask(self, query: str = "*", keys: Keys | None = None, **asked: Any) -> dict[str, Any]:
        """The answer to a query that must succeed."""
        reply = self.reply(self.request(keys, query=query, **asked))
        assert reply.status == 200, reply.body
        body = opened(reply)
        assert body["meta"]["count"] == len(body["data"])
        return dict(body)

    def rows(self, query: str, **asked: Any) -> list[list[str]]:
        """The values of the rows of an answer."""
        return [list(one.values()) for one in self.ask(query, **asked)["data"]]

    def refused(self, query: str = "*", keys: Keys | None = None, **asked: Any) -> tuple[int, str]:
        """The status and the code of a query that must be refused."""
        reply = self.reply(self.request(keys, query=query, **asked))
        assert reply.status >= 400, reply.body
        return code(reply)

    def get(self, path: str, keys: Keys | None = None, scheme: str = "v4", **headers: str) -> Reply:
        """The answer to a GET."""
        return self.reply(signed(keys or self.keys, scheme, self.clock(), "GET", path, b"", **headers))


def flow(at: int = -600, **more: Any) -> Flow:
    """An accepted record of SSH from one address, `at` seconds after now."""
    usual: dict[str, Any] = {
        "account_id": "1", "vpc_id": "vpc-1", "eni_id": "eni-1", "srcaddr": "203.0.113.7", "srcport": 40_000,
        "dstaddr": "10.0.0.1", "dstport": 22, "protocol": 6, "direction": "in", "packets": 10, "bytes": 1_000,
        "action": "ACCEPT", "tcp_flags": 27,
    }  # fmt: skip
    time = NOW + at
    return Flow(time, **{**usual, "start": time - 600, "end": time, **more})
