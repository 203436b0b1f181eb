"""Who acts, and against which cloud, is told before anything is done, and kept with what was done."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from pathlib import Path

import msgspec
import pytest
from yarl import URL

from orchestrator import run
from orchestrator.cli.exit_codes import of_verify
from orchestrator.emulator import World, WorldOutline
from orchestrator.plan import decode
from orchestrator.run import Approval, Connection, Filters, Progress, RefusedError
from tests.proxy import Proxy
from tests.run.conftest import Desk, MakeDesk


def written(desk: Desk, name: str = "first") -> dict[str, str]:
    """The part of summary.json that says who and where."""
    found: dict[str, str] = msgspec.json.decode((desk.folder / name / "summary.json").read_bytes())["cloud"]
    return found


def test_the_summary_says_who_read_which_cloud(desk: Desk) -> None:
    """The hub's account and ARN, the endpoint; on loopback no proxy is used, so none is told."""
    summary = desk.scan(cloud={"proxy": "http://user:hush@127.0.0.1:9"})
    organization = desk.emulator.world.organization
    assert written(desk) == {
        "endpoint": desk.emulator.http_url,
        "hub_account_id": organization.hub_account_id,
        "hub_arn": summary.cloud.hub_arn,
        "proxy": "",
        "ca_sha256": "",
    }
    assert summary.cloud.hub_arn.startswith(f"acs:ram::{organization.hub_account_id}:")


def test_proxy_and_authority_are_told_and_kept_everywhere(desk_at: MakeDesk) -> None:
    """The real hosts by a real proxy with the emulator's own authority: in summary and plan, without the password."""
    desk = desk_at(World.generate(WorldOutline(11, 2, region_ids=1, groups_per_account=12)))
    told: list[Connection] = []
    with Proxy(URL(desk.emulator.https_url).port or 0) as proxy:
        ca_file = desk.emulator.ca_file
        config = desk.changed(cloud={"endpoint": "", "proxy": proxy.url, "ca_file": ca_file})
        folder = desk.folder / "first"
        asyncio.run(run.scan(config, Filters(), folder, Progress(told.append)))
        asked = set(proxy.asked)
    der = ssl.PEM_cert_to_DER_cert(Path(ca_file).read_text(encoding="ascii"))
    found = written(desk)
    assert (found["proxy"], found["ca_sha256"]) == (proxy.shown, hashlib.sha256(der).hexdigest())
    assert told == [msgspec.convert(found, Connection)]
    assert {"CONNECT sts.aliyuncs.com:443", "CONNECT ecs.cn-hangzhou.aliyuncs.com:443"} <= asked
    planned = run.plan(folder, None)
    assert planned.plan.origin == told[0].origin
    assert decode(planned.path.read_bytes()) == planned.plan
    everything = b"".join(one.read_bytes() for one in folder.iterdir() if one.is_file())
    assert b"hush" not in everything
    sentences = list(told[0].told())
    assert proxy.shown in sentences[0]
    assert "Alibaba Cloud, site china" in sentences[0]
    assert len(sentences) == 2
    assert found["ca_sha256"] in sentences[1]


@pytest.mark.parametrize(
    ("endpoint", "own"),
    [
        ("alibaba-cloud:china", True),
        ("alibaba-cloud:gov with sts=sts-vpc.cn-north-2-gov-1.aliyuncs.com", True),
        ("alibaba-cloud:china with ecs=ecs.aliyuncs.com, sts=sts.example", False),
        ("https://ecs.aliyuncs.com", True),
        ("https://aliyuncs.com.example", False),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
    ],
)
def test_it_is_loud_where_the_cloud_is_not_alibabas_own(endpoint: str, own: bool) -> None:  # noqa: FBT001 - a table's column
    """An emulator, a gateway, a host of one's own: in capitals, with the address."""
    connection = Connection(endpoint=endpoint, hub_account_id="1", hub_arn="acs:ram::1:user/x")
    sentences = list(connection.told())
    assert sentences[0].startswith("as acs:ram::1:user/x of account 1, against ")
    assert connection.is_alibaba_cloud is own
    assert [one[:4] for one in sentences[1:]] == ([] if own else ["NOT "])


def test_the_trail_says_by_whom_and_where_changes_were_made(desk: Desk) -> None:
    """One note in the hub's chain, not one a command; the trail is whole with it, and another hub's words are new."""
    desk.scan()
    digest = run.plan(desk.folder / "first", None).plan.digest
    path = desk.folder / "first" / "plan.json"
    for _ in range(2):
        asyncio.run(run.apply(path, Approval(digest), desk.config, lambda *_: None, Progress()))
    asyncio.run(run.rollback(desk.folder / "first", {}, desk.config, lambda *_: None, Progress()))
    notes = [one for one in desk.lines("audit.jsonl") if one["phase"] == "note"]
    connection = msgspec.convert(written(desk), Connection)
    assert [(one["who"], one["account_id"]) for one in notes] == [
        (connection.hub_arn, connection.hub_account_id)
    ]
    assert notes[0]["line"] == 1
    assert desk.emulator.http_url in notes[0]["reason"]
    assert of_verify(run.verify_offline(desk.folder / "first")) == 0


def test_credentials_of_another_account_than_the_pinned_one_are_refused(desk: Desk) -> None:
    """Nothing is asked but who they are; the refusal names both."""
    hub = desk.emulator.world.organization.hub_account_id
    with pytest.raises(RefusedError, match=f"account {hub}; .*hub_account_id allows 42 only"):
        desk.scan(organization={"hub_account_id": "42"})
    assert [one.action for one in desk.emulator.calls.since(0)] == ["GetCallerIdentity"]
    assert not (desk.folder / "first").exists()
    assert desk.scan(organization={"hub_account_id": hub}).complete
