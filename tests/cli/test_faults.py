"""A cloud that throttles, loses answers and lets tokens expire: the same end, judged by the cloud's own record."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL
from tests.cli.desk import Cloud, Desk, emulated
from tests.cli.test_interrupted import revoked


@pytest.mark.soak
@pytest.mark.parametrize(
    "faults",
    [
        [{"kind": "throttled", "rate": 0.05}],
        [{"kind": "error_after", "rate": 0.3, "action": "RevokeSecurityGroup"}],
        [{"kind": "reset_after", "rate": 0.2}],
        [{"kind": "reset_before", "rate": 0.2}],
        [{"kind": "truncated", "rate": 0.1}],
        [{"kind": "garbage", "rate": 0.1}],
        [{"kind": "unavailable", "rate": 0.2}],
    ],
    ids=lambda faults: str(faults[0]["kind"]),
)
def test_a_bad_day_of_the_cloud(tmp_path: Path, faults: list[dict[str, object]]) -> None:
    """Scan, apply, rollback go through; each rule is revoked once; in the end all is as it was.

    Many more such days, and worse ones, are lived on virtual time (tests/run/test_bad_days.py).
    """
    patience_seconds = 300.0
    with emulated(*SMALL) as cloud:
        desk = Desk(tmp_path, cloud)
        original = cloud.world()
        cloud.break_with(*faults)
        digest = desk.planned("run", "--port", "22")
        applied = desk.sgsweep(
            "apply", "run/plan.json", "--digest", digest, "--yes", patience_seconds=patience_seconds
        )
        assert applied.code == 0, applied.err
        planned = {one["rule_id"] for one in desk.document("run/plan.json")["actions"]}
        assert revoked(cloud) == dict.fromkeys(planned, 1)
        verified = desk.sgsweep("verify", "run")
        assert verified.code == 0, verified.err
        undone = desk.sgsweep("rollback", "run", "--yes", patience_seconds=patience_seconds)
        assert "the way back" not in undone.err
        assert undone.code == 0, undone.err
        assert cloud.world() == original


@pytest.mark.soak
def test_tokens_expire_all_the_time(tmp_path: Path) -> None:
    """Every session is expired again and again while the commands run; they end as if nothing had been."""
    with emulated(*SMALL) as cloud:
        desk = Desk(tmp_path, cloud)
        enough = threading.Event()
        expiring = threading.Thread(target=_expire, args=(cloud, enough))
        expiring.start()
        try:
            digest = desk.planned("run", "--port", "22")
            applied = desk.sgsweep("apply", "run/plan.json", "--digest", digest, "--yes")
            verified = desk.sgsweep("verify", "run")
        finally:
            enough.set()
            expiring.join()
        assert applied.code == 0, applied.err
        assert verified.code == 0, verified.err


def _expire(cloud: Cloud, enough: threading.Event) -> None:
    while not enough.wait(0.3):
        cloud.expire()


@pytest.mark.soak
def test_a_role_that_may_not_revoke_is_refused_before_it_adds(tmp_path: Path) -> None:
    """Its splits would leave what they add, and nobody could take it back: 4, by name, and nothing is changed."""
    with emulated(*SMALL) as cloud:
        desk = Desk(tmp_path, cloud)
        original = cloud.world()
        digest = desk.planned("run", "--port", "22")
        cloud.break_with({"kind": "denied", "action": "RevokeSecurityGroup"})
        applied = desk.sgsweep("apply", "run/plan.json", "--digest", digest, "--yes")
        assert applied.code == 4
        assert "(RevokeSecurityGroup)" in applied.err
        assert cloud.world() == original
        cloud.forget()
        assert desk.sgsweep("apply", "run/plan.json", "--digest", digest, "--yes").code == 0


@pytest.mark.soak
def test_a_demo_without_home_and_with_the_users_keys(tmp_path: Path) -> None:
    """The demo uses neither, reaches nobody, ends as foretold, and no file has seen the user's secret."""
    desk = Desk(tmp_path)
    desk.environment.pop("HOME")
    ended = desk.sgsweep(
        *("demo", "--out", "demo"),
        changes={
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAItheusersown",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "the-users-own-secret",
            "ALIBABA_CLOUD_SECURITY_TOKEN": "the-users-own-token",
            "SGSWEEP_ENDPOINT": "https://192.0.2.1",
            "SGSWEEP_PROXY": "http://192.0.2.1:1",
        },
        patience_seconds=240,
    )
    assert ended.code == 0, ended.err
    assert "every stage ended as foretold" in ended.err
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"the-users-own" not in file.read_bytes(), file
