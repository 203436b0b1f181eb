"""A client of the emulator's gateway without sockets, with a signer of its own, and a clock that tests move."""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from orchestrator.emulator import Emulator, Keys, Options, World, WorldOutline
from orchestrator.emulator.framework.gateway import Gateway
from orchestrator.emulator.framework.identity import Caller
from orchestrator.emulator.framework.protocols import Reply
from orchestrator.emulator.framework.signature import WireRequest
from orchestrator.emulator.framework.state import State

ECS = "2014-05-26"
STS = "2015-04-01"
RM = "2020-03-31"
RDM = "2022-04-19"
START = 1_800_000_000.0
_NONCES = count()


class Clock:
    """Seconds since 1970 that pass only when told."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        """The present moment."""
        return self.now


def stamp(now: float) -> str:
    """The API's form of a moment."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Parameters as the official clients flatten them."""
    flat: dict[str, str] = {}
    for key, value in parameters.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}."))
        elif isinstance(value, list | tuple):
            flat.update(flatten({str(index): item for index, item in enumerate(value, 1)}, f"{name}."))
        elif value is not None:
            flat[name] = str(value)
    return flat


def _enc(text: str) -> str:
    return quote(text, safe="~")


def v3(
    keys: Keys, version: str, action: str, parameters: Mapping[str, str], now: float, **changed: str
) -> WireRequest:
    """A request signed with ACS3-HMAC-SHA256; `changed` sets headers (`_` for `-`) before signing."""
    headers = {
        "host": "ecs.cn-hangzhou.aliyuncs.com",
        "x-acs-action": action,
        "x-acs-version": version,
        "x-acs-date": stamp(now),
        "x-acs-signature-nonce": f"nonce-{next(_NONCES)}",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    }
    if keys.security_token:
        headers["x-acs-security-token"] = keys.security_token
    headers.update((name.replace("_", "-"), value) for name, value in changed.items())
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        (
            "POST",
            "/",
            "&".join(f"{_enc(key)}={_enc(parameters[key])}" for key in sorted(parameters)),
            "".join(f"{name}:{headers[name]}\n" for name in sorted(headers)),
            names,
            headers["x-acs-content-sha256"],
        )
    )
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(keys.access_key_secret.encode(), to_sign.encode(), "sha256").hex()
    headers["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={keys.access_key_id},SignedHeaders={names},Signature={signature}"
    )
    return WireRequest("POST", "/", urlencode(parameters), headers)


def v2(
    keys: Keys,
    version: str,
    action: str,
    parameters: Mapping[str, str],
    now: float,
    method: str = "GET",
    **changed: str,
) -> WireRequest:
    """A request signed with HMAC-SHA1, by GET in the query or by POST in the form."""
    everything = {
        **parameters,
        "Action": action,
        "Version": version,
        "Format": "JSON",
        "Timestamp": stamp(now),
        "SignatureNonce": f"nonce-{next(_NONCES)}",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "AccessKeyId": keys.access_key_id,
        **changed,
    }
    if keys.security_token:
        everything["SecurityToken"] = keys.security_token
    canonical = "&".join(f"{_enc(key)}={_enc(everything[key])}" for key in sorted(everything))
    to_sign = f"{method}&%2F&{_enc(canonical)}"
    digest = hmac.digest(f"{keys.access_key_secret}&".encode(), to_sign.encode(), "sha1")
    everything["Signature"] = base64.b64encode(digest).decode()
    if method == "GET":
        return WireRequest("GET", "/", urlencode(everything), {"host": "sts.aliyuncs.com"})
    form = {"host": "sts.aliyuncs.com", "content-type": "application/x-www-form-urlencoded"}
    return WireRequest("POST", "/", "", form, urlencode(everything).encode())


def control(emulator: Emulator, method: str, path: str, body: bytes | None = None) -> Any:
    """Return what the control surface of a running emulator answers, as another process asks it."""
    request = urllib.request.Request(f"{emulator.http_url}/_emulator/{path}", body, method=method)  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        return msgspec.json.decode(answer.read())


class Cloud:
    """A world behind a gateway, with calls in one line each."""

    def __init__(self, world: World | None = None, **options: Any) -> None:
        self.clock = Clock()
        self.world = world or World.generate(WorldOutline(seed=3, accounts=4, region_ids=4))
        self.state = State(self.world, Options(clock=self.clock, **options))
        self.gateway = Gateway(self.state)
        self.hub = self.state.hub.keys
        self.member = next(iter(self.world.organization.members))

    def enter(self, role: str = "sgsweep-remediate", account_id: str = "", **more: Any) -> Keys:
        """A session of a member's role, without STS."""
        return self.session(role, account_id, **more).keys

    def session(self, role: str = "sgsweep-remediate", account_id: str = "", **more: Any) -> Caller:
        """The same, as the emulator sees it."""
        account_id = account_id or self.member
        found = self.world.role(account_id, role)
        assert found is not None
        expires = self.clock() + 3600
        return self.state.identities.open_session(account_id, found, "test", expires, **more)

    def send(self, request: WireRequest) -> tuple[int, dict[str, Any]]:
        """The status and the decoded body of one answer."""
        reply = self.reply(request)
        body = msgspec.json.decode(reply.body)
        assert isinstance(body, dict)
        return reply.status, body

    def reply(self, request: WireRequest) -> Reply:
        """The whole answer to one request."""
        return self.gateway.answer(request)

    def call(
        self, action: str, keys: Keys | None = None, version: str = ECS, **parameters: Any
    ) -> tuple[int, dict[str, Any]]:
        """Send one signed call."""
        return self.send(v3(keys or self.hub, version, action, flatten(parameters), self.clock()))

    def ok(
        self, action: str, keys: Keys | None = None, version: str = ECS, **parameters: Any
    ) -> dict[str, Any]:
        """Send a call that must succeed; its body."""
        status, body = self.call(action, keys, version, **parameters)
        assert status == 200, body
        return body

    def code(
        self, action: str, keys: Keys | None = None, version: str = ECS, **parameters: Any
    ) -> tuple[int, str]:
        """Send a call that must be refused; status and code."""
        status, body = self.call(action, keys, version, **parameters)
        assert status >= 400, body
        assert body["RequestId"]
        return status, body["Code"]
