"""Configurations, credentials, endpoints and clouds that cannot be used: the thing, where it is, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import SMALL
from tests.cli.desk import Desk, emulated

CHECK = "[[checks]]\nid = 'mine'\nseverity = 'high'\n"
EXEMPTION = "[[exemptions]]\nid = 'jump'\nreason = 'r'\nexpires = 2030-01-01\n"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[organization]\nrol = 'x'\n", "unknown key organization.rol. Did you mean organization.role?"),
        pytest.param("colour = 'red'\n", "unknown key colour. Did you mean", marks=pytest.mark.soak),
        (CHECK, "check 1 'mine': has no ports; say what is risky"),
        pytest.param(
            CHECK + "ports = []\n",
            "check 1 'mine': ports must be a list with at least one port",
            marks=pytest.mark.soak,
        ),
        pytest.param("checks = []\n", "an empty list would pass everything", marks=pytest.mark.soak),
        (CHECK + "ports = ['tcp/70000']\n", "port 'tcp/70000' is not understood"),
        (EXEMPTION + "owner = 'o'\nsource = ['300.0.0.0/8']\n", "'300.0.0.0/8' is no IPv4 address"),
        pytest.param(
            EXEMPTION,
            "owner is missing; an exemption needs owner, reason and expires",
            marks=pytest.mark.soak,
        ),
        pytest.param("[[[\n", "is not TOML", marks=pytest.mark.soak),
        pytest.param(
            "[organization]\nsource = 'static'\n",
            "must name the accounts when source",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "[cloud]\nsite = 'mars'\n",
            "it is one of china, international, finance, gov",
            marks=pytest.mark.soak,
        ),
        pytest.param("[limits]\nshare = 0\n", "[limits] share is 0.0", marks=pytest.mark.soak),
        pytest.param(
            "[limits]\nmax_in_flight = 'many'\n",
            "limits.max_in_flight: expected `int`, got `str`",
            marks=pytest.mark.soak,
        ),
        pytest.param("packs = ['none']\n", "unknown pack 'none'. Known: ", marks=pytest.mark.soak),
        pytest.param(
            "exemption_files = ['none.toml']\n", "none.toml: there is no such file", marks=pytest.mark.soak
        ),
        pytest.param(
            "[cloud]\nendpoint = 'http://example.com'\n",
            "plain http to another machine",
            marks=pytest.mark.soak,
        ),
        ("[cloud]\nendpoint = 'http://10.0.0.1'\n", "plain http to another machine"),
        pytest.param(
            "[cloud]\nendpoint = 'http://127.0.0.1.example.com'\n",
            "plain http to another machine",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "[cloud]\nendpoint = 'ftp://127.0.0.1'\n",
            "endpoint is not like https://host:port",
            marks=pytest.mark.soak,
        ),
        ("[cloud]\nendpoint = 'http://u:secret@127.0.0.1'\n", "endpoint is not like https://host:port"),
    ],
)
def test_a_configuration_that_cannot_be_used(desk: Desk, config: str, said: str) -> None:
    """Exit 2, the file and key by name, no call, and no folder."""
    desk.configure(config)
    desk.environment.pop("SGSWEEP_ENDPOINT")
    ended = desk.sgsweep("scan", "--out", "run")
    assert ended.code == 2, ended.err
    assert said in ended.err
    assert "secret" not in ended.err
    assert not (desk.folder / "run").exists()


def test_waves_that_are_none_are_refused_before_the_question(desk: Desk, planned: tuple[Path, str]) -> None:
    """Nobody is asked to confirm what could not be done."""
    desk.configure("[remediation]\nwaves = ['lots']\n")
    ended = desk.sgsweep("apply", str(planned[0] / "plan.json"), "--digest", planned[1], "--yes")
    assert ended.code == 2
    assert "remediation.waves must hold sizes" in ended.err


def test_credentials_that_are_nobodys(desk: Desk) -> None:
    """A wrong secret, a wrong id, none at all: exit 2, what to check, and neither secret nor traceback."""
    name, secret = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
    wrong_id = desk.sgsweep("scan", "--out", "a", changes={name: "LTAInobody"})
    wrong_secret = desk.sgsweep("scan", "--out", "b", changes={secret: "guessed-it"})
    none = desk.sgsweep("scan", "--out", "c", changes={name: "", secret: ""})
    for ended, said in (
        (wrong_id, "InvalidAccessKeyId.NotFound"),
        (wrong_secret, "SignatureDoesNotMatch"),
        (none, "no credentials for the hub"),
    ):
        assert ended.code == 2, ended.err
        assert said in ended.err
        assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in ended.err
        assert "guessed-it" not in ended.err
        assert len(ended.err.splitlines()) == 1
    assert [one.name for one in desk.folder.iterdir()] == ["config.toml"]


def test_a_cloud_that_does_not_answer(desk: Desk) -> None:
    """Nobody listens: exit 3, the address, and what to do."""
    desk.configure("[cloud]\nattempts = 1\n")
    ended = desk.sgsweep("scan", "--out", "run", changes={"SGSWEEP_ENDPOINT": "http://127.0.0.1:1"})
    assert ended.code == 3, ended.err
    assert "127.0.0.1:1: no connection" in ended.err
    assert "run the command again" in ended.err


@pytest.mark.soak
def test_https_needs_a_certificate_that_is_trusted(desk: Desk) -> None:
    """With the emulator's ca_file its https endpoint is used; without, or with none, it is not."""
    assert desk.cloud is not None
    https = {"SGSWEEP_ENDPOINT": desk.cloud.https_url}
    trusted = desk.sgsweep("accounts", changes={**https, "SGSWEEP_CA_FILE": desk.cloud.ca_file})
    assert trusted.code == 0, trusted.err
    untrusted = desk.sgsweep("accounts", changes=https)
    assert untrusted.code == 3, untrusted.err
    missing = desk.sgsweep("accounts", changes={**https, "SGSWEEP_CA_FILE": "none.pem"})
    assert missing.code == 2
    assert "none.pem" in missing.err


def test_a_region_that_does_not_exist(desk: Desk) -> None:
    """It is incomplete, 3, and each account's regions are said; what is seen is never called clean."""
    ended = desk.sgsweep("scan", "--out", "run", "--region", "cn-nowhere")
    assert ended.code == 3
    assert "INCOMPLETE: 4 things could not be seen" in ended.err
    assert (
        "cn-nowhere: InvalidRegionId.NotFound: the account has no region cn-nowhere; it has cn-" in ended.err
    )
    assert {one["region_id"] for one in desk.lines("run/unreachable.jsonl")} == {"cn-nowhere"}
    assert desk.document("run/summary.json")["complete"] is False


def test_a_hub_that_may_not_list_accounts(tmp_path: Path) -> None:
    """Exit 2, the call it may not make, the RequestId, and no folder."""
    with emulated(*SMALL, "--fault", "denied,action=ListAccounts*") as cloud:
        desk = Desk(tmp_path, cloud)
        ended = desk.sgsweep("scan", "--out", "run")
    assert ended.code == 2
    assert "RequestId" in ended.err
    assert "give the hub's user or role the right to call ListAccounts" in ended.err
    assert [one.name for one in tmp_path.iterdir()] == ["config.toml"]


def test_hub_credentials_that_end_in_the_middle(tmp_path: Path) -> None:
    """Exit 3, what was read is kept and called incomplete, and with new keys the run is completed."""
    with emulated(*SMALL, "--fault", "expired,action=AssumeRole,skip=2,count=1") as cloud:
        desk = Desk(tmp_path, cloud)
        ended = desk.sgsweep("scan", "--out", "run")
        assert ended.code == 3, ended.err
        assert "have expired" in ended.err
        assert "scan --resume" in ended.err
        summary = desk.document("run/summary.json")
        assert summary["complete"] is False
        assert summary["accounts"]["reached"] < summary["accounts"]["total"]
        again = desk.sgsweep("scan", "--resume", "run")  # the same keys still
        assert again.code == 2
        assert "have expired" in again.err
