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
            "exemption_files = ['none.toml']\n", "exemption_files names none.toml", marks=pytest.mark.soak
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
    assert "[remediation] waves: a wave is" in ended.err


def test_a_static_list_knows_no_folders_and_no_tags(desk: Desk) -> None:
    """A filter that cannot be answered is refused, as an option and in the file; exit 2 and no traceback."""
    static = "[organization]\nsource = 'static'\naccounts = ['1']\n"
    for configured, options in (
        (static, ("--folder", "Prod")),
        (static, ("--tag", "env")),
        (static + "tags = ['env']\n", ()),
    ):
        desk.configure(configured)
        ended = desk.sgsweep("accounts", *options)
        assert ended.code == 2, ended.err
        assert "known to the Resource Directory only" in ended.err
        assert "Traceback" not in ended.err


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
    assert ended.last.endswith("try again: sgsweep scan --out run")


def test_https_needs_a_certificate_that_is_trusted(desk: Desk) -> None:
    """With the emulator's ca_file its https endpoint is used; without, or with none, it is not."""
    assert desk.cloud is not None
    https = {"SGSWEEP_ENDPOINT": desk.cloud.https_url}
    trusted = desk.sgsweep("accounts", changes={**https, "SGSWEEP_CA_FILE": desk.cloud.ca_file})
    assert trusted.code == 0, trusted.err
    untrusted = desk.sgsweep("accounts", changes=https)
    assert untrusted.code == 2, untrusted.err
    assert "its TLS certificate is not trusted or not its own; [cloud] ca_file can name" in untrusted.err
    assert "again" not in untrusted.err
    missing = desk.sgsweep("accounts", changes={**https, "SGSWEEP_CA_FILE": "none.pem"})
    assert missing.code == 2
    assert "none.pem" in missing.err


@pytest.mark.parametrize("way", ["option", "configuration", "close"])
def test_a_region_that_does_not_exist(desk: Desk, way: str) -> None:
    """It is misspelled: said once, with the nearest one there is, 2, and no folder, whoever named it."""
    if way == "configuration":
        desk.configure("[cloud]\nregions = ['cn-hangzou']\n")
        ended = desk.sgsweep("scan", "--out", "run")
    elif way == "option":
        ended = desk.sgsweep("scan", "--out", "run", "--region", "cn-hangzhou", "--region", "cn-hangzou")
    else:
        line = ("close", "22", "--incident", "i", "--out", "run", "--region", "cn-hangzou")
        ended = desk.sgsweep(*line, "--yes")
    assert ended.code == 2, ended.err
    assert ended.err.count("cn-hangzou") == 1
    assert "there is no region cn-hangzou. Did you mean cn-hangzhou? There are cn-" in ended.last
    assert not (desk.folder / "run").exists()


def test_what_is_accepted_is_shown_as_accepted(tmp_path: Path) -> None:
    """Until when; by the scan, which is complete, and by the doctor, which finds no fault with it."""
    with emulated(*SMALL, "--fault", "denied,action=DescribeRegions") as cloud:
        desk = Desk(tmp_path, cloud)
        entry = "[[accepted_unreachable]]\ncode = '{}'\nowner = 'o'\nreason = 'r'\nexpires = 2999-01-01\n"
        assert desk.sgsweep("scan", "--out", "first").code == 3
        code = desk.lines("first/unreachable.jsonl")[0]["code"]
        config = tmp_path / "config.toml"
        config.write_text(config.read_text(encoding="utf-8") + entry.format(code), encoding="utf-8")
        ended = desk.sgsweep("scan", "--out", "second")
        assert ended.code == 0, ended.err
        assert f"{code}: " in ended.err
        assert "(accepted until 2999-01-01)" in ended.err
        checked = desk.sgsweep("accounts", "--check")
    assert checked.code == 0, checked.err
    assert checked.out.count("(accepted until 2999-01-01)") == len(checked.out.splitlines())


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
