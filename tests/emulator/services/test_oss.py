"""OSS goes through the same stations as every other product: signature, rights, faults, and the log of calls."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime

import pytest

from orchestrator.emulator import Fault, Keys, Kind, Statement, Throttle
from orchestrator.emulator.framework.protocols import Reply
from orchestrator.emulator.framework.signature import WireRequest
from orchestrator.emulator.services.oss import buckets
from orchestrator.emulator.world.model import ControlPolicy
from tests.emulator.wire import Cloud

ADMINISTRATOR = "ResourceDirectoryAccountAccessRole"


def signed(cloud: Cloud, keys: Keys, method: str, path: str, body: bytes = b"", **more: str) -> WireRequest:
    """A request without a query, signed with OSS4-HMAC-SHA256."""
    moment = datetime.fromtimestamp(cloud.clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": "oss", "x-oss-content-sha256": "UNSIGNED-PAYLOAD", "x-oss-date": moment}
    if keys.security_token:
        headers["x-oss-security-token"] = keys.security_token
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    own = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-oss-"))
    canonical = f"{method}\n{path}\n\n{own}\n\nUNSIGNED-PAYLOAD"
    scope = f"{moment[:8]}/cn-hangzhou/oss/aliyun_v4_request"
    to_sign = f"OSS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"aliyun_v4{keys.access_key_secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"{keys.access_key_id}/{scope}"
    headers["authorization"] = f"OSS4-HMAC-SHA256 Credential={credential},Signature={signature}"
    return WireRequest(method, path, "", headers, body)


def put(cloud: Cloud, keys: Keys | None = None, key: str = "a", **more: str) -> Reply:
    """Write an object of the bucket `ledger`."""
    return cloud.reply(signed(cloud, keys or cloud.hub, "PUT", f"/ledger/{key}", b"mine", **more))


def code(reply: Reply) -> tuple[int, str]:
    """The status and the code of a refusal, which is in XML."""
    found = re.search(rb"<Code>(\w+)</Code>", reply.body)
    assert found is not None, reply.body
    return reply.status, found[1].decode()


def test_what_is_written_is_read_and_listed() -> None:
    """By its bucket and key; the log tells which object a call changed."""
    cloud = Cloud()
    assert put(cloud).status == 200
    assert cloud.reply(signed(cloud, cloud.hub, "GET", "/ledger/a")).body == b"mine"
    listed = cloud.reply(signed(cloud, cloud.hub, "GET", "/ledger/"))
    assert b"<Key>a</Key>" in listed.body
    assert listed.content_type == "application/xml"
    assert [change for _, change in cloud.state.record.changes()] == [
        {"what": "object", "bucket": "ledger", "key": "a"}
    ]


def test_an_object_is_not_written_over_where_that_is_forbidden() -> None:
    """`x-oss-forbid-overwrite` refuses the second one."""
    cloud = Cloud()
    assert put(cloud, x_oss_forbid_overwrite="true").status == 200
    assert code(put(cloud, x_oss_forbid_overwrite="true")) == (409, "FileAlreadyExists")


def test_a_control_policy_binds_a_members_bucket_too() -> None:
    """Whatever RAM allows the role; the management account is not bound."""
    cloud = Cloud()
    organization = cloud.world.organization
    denial = ControlPolicy("cp-1", "no-objects", (Statement("Deny", ("oss:*",)),))
    organization.control_policies["cp-1"] = denial
    organization.attached_policies[organization.root_folder_id] = ("cp-1",)
    assert code(put(cloud, cloud.enter(ADMINISTRATOR))) == (403, "AccessDenied")
    assert put(cloud).status == 200


def test_refusals_are_those_of_oss() -> None:
    """A wrong secret, a key of nobody's, an old date, a session that is over, another's bucket, a method not known."""
    cloud = Cloud()
    assert code(put(cloud, Keys(cloud.hub.access_key_id, "wrong"))) == (403, "SignatureDoesNotMatch")
    assert code(put(cloud, Keys("nobody", "wrong"))) == (403, "InvalidAccessKeyId")
    early = signed(cloud, cloud.hub, "PUT", "/ledger/a")
    cloud.clock.now += 901
    assert code(cloud.reply(early)) == (403, "RequestTimeTooSkewed")
    session = cloud.enter(ADMINISTRATOR)
    assert put(cloud, session).status == 200
    assert code(put(cloud)) == (403, "AccessDenied")
    cloud.state.identities.expire_sessions()
    assert code(put(cloud, session)) == (403, "SecurityTokenExpired")
    assert code(cloud.reply(signed(cloud, cloud.hub, "DELETE", "/ledger/a"))) == (405, "MethodNotAllowed")


@pytest.mark.parametrize(
    ("kind", "refusal", "is_written"),
    [
        (Kind.DENIED, (403, "AccessDenied"), False),
        (Kind.EXPIRED, (403, "SecurityTokenExpired"), False),
        (Kind.UNAVAILABLE, (500, "InternalError"), False),
        (Kind.ERROR_AFTER, (500, "InternalError"), True),
        (Kind.IGNORED, None, False),
    ],
)
def test_faults_strike_oss_too(kind: Kind, refusal: tuple[int, str] | None, *, is_written: bool) -> None:
    """Before a write or after it, or in its place; the log names the fault."""
    cloud = Cloud(faults=(Fault(kind=kind, action="PutObject"),))
    reply = put(cloud)
    assert (None if reply.status == 200 else code(reply)) == refusal
    assert ("ledger" in buckets(cloud.state)) == is_written
    assert cloud.state.record[-1].fault == kind


def test_a_list_can_be_empty_though_the_bucket_is_not() -> None:
    """The fault that empties lists knows the list of OSS."""
    cloud = Cloud(faults=(Fault(kind=Kind.EMPTY, action="ListObjects"),))
    put(cloud)
    assert b"<Key>" not in cloud.reply(signed(cloud, cloud.hub, "GET", "/ledger/")).body


def test_oss_does_not_limit_an_accounts_calls() -> None:
    """A limit of one call a minute is one of the RPC products."""
    cloud = Cloud(throttle=Throttle(limit=1))
    assert [put(cloud).status for _ in range(3)] == [200, 200, 200]
