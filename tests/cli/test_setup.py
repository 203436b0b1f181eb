"""`init`, `config check` and `config schema`: the first minutes of an installation, and wrong answers in them."""

from __future__ import annotations

import json
import stat

import pytest

from orchestrator.config import load
from tests.cli.desk import Desk

NOBODY_THERE = {"SGSWEEP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.fixture
def new(desk: Desk) -> Desk:
    """A desk without a configuration."""
    (desk.folder / "config.toml").unlink()
    return desk


def test_init_asks_tests_and_writes_what_then_is_fine(new: Desk) -> None:
    """A wrong answer is asked for again; the file pins the account; roles stand beside it; nothing is overwritten."""
    answers = "mars\nchina\nall\n\n\ncn-hangzhou cn-shanghai\nterraform\n"
    done = new.sgsweep("init", typed=answers)
    assert done.code == 0, done.err
    assert "it is one of china, international" in done.err
    assert "the credentials hold; a sweep would visit 4 accounts" in done.err
    assert done.out == ""
    path = new.folder / "config.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = load(path, {})
    assert config.cloud.regions == ("cn-hangzhou", "cn-shanghai")
    assert f"account {config.organization.hub_account_id}" in done.err
    roles = (new.folder / "sgsweep-roles.tf").read_text(encoding="utf-8")
    assert f"acs:ram::{config.organization.hub_account_id}:user/" in roles
    assert "next: sgsweep config check -c config.toml" in done.err
    checked = new.sgsweep("config", "check")
    assert (checked.code, checked.out) == (0, "")
    assert checked.err.splitlines()[-1] == "the configuration is fine"

    before = path.read_bytes()
    again = new.sgsweep("init", typed="")
    assert again.code == 2
    assert "config.toml is there already, and is left as it is" in again.last
    assert path.read_bytes() == before


def test_init_takes_the_defaults_where_nobody_answers(new: Desk) -> None:
    """In a script: the credentials are tested all the same. An answer that is none, and no other, is an error."""
    done = new.sgsweep("init", "--out", "own.toml", "--roles", "ros", typed="")
    assert done.code == 0, done.err
    template = json.loads((new.folder / "sgsweep-roles.ros.json").read_text(encoding="utf-8"))
    assert set(template["Resources"]) == {"Read", "Remediate"}
    wrong = new.sgsweep("init", "--out", "other.toml", typed="china\nour accounts\n")
    assert wrong.code == 2
    assert wrong.last == "sgsweep: 'our' is no account id: they are digits. Nothing was written"
    assert not (new.folder / "other.toml").exists()
    lost = new.sgsweep("init", "--out", "nowhere/x.toml", typed="")
    assert (lost.code, "there is no folder nowhere" in lost.last) == (2, True)


def test_init_loses_no_answer_where_the_credentials_do_not_hold(new: Desk) -> None:
    """The file is written, and it is said what could not be tested. Roles without anybody to trust are not."""
    wrong = {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong"}
    done = new.sgsweep("init", typed="\n1001 1002\n\n\n\nterraform\n", changes=wrong)
    assert done.code == 2, done.err
    assert "the credentials could not be tested: GetCallerIdentity: SignatureDoesNotMatch" in done.err
    config = load(new.folder / "config.toml", {})
    assert (config.organization.source, config.organization.accounts) == ("static", ("1001", "1002"))
    assert config.organization.hub_account_id == ""
    assert "the roles are not written" in done.err
    assert not (new.folder / "sgsweep-roles.tf").exists()


@pytest.mark.parametrize(
    ("text", "changes", "code", "said"),
    [
        ("[cloud]\nregion = ['x']\n", {}, 2, "Did you mean cloud.regions?"),
        ("[cloud]\nattempts = 1\n", NOBODY_THERE, 3, "The cloud did not answer"),
        ("", {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong"}, 2, "check the hub's credentials"),
        ("[organization]\ninclude = ['nobody']\n", {}, 2, "no account's id or name matches 'nobody'"),
        ("[organization]\nhub_account_id = '7'\n", {}, 4, "allows 7 only"),
        ("[cloud]\nendpoint = 'http://127.0.0.1:2'\n", {}, 2, "SGSWEEP_ENDPOINT and [cloud] endpoint"),
    ],
)
def test_config_check_tells_wrong_from_not_reachable(
    desk: Desk, text: str, changes: dict[str, str], code: int, said: str
) -> None:
    """2 wrong, 3 the cloud did not answer, 4 other credentials than are allowed."""
    desk.configure(text)
    ended = desk.sgsweep("config", "check", changes=changes)
    assert (ended.code, said in ended.last) == (code, True), ended.err


def test_config_check_lists_what_the_environment_says_and_never_what(desk: Desk) -> None:
    """The variables by name, with the key that each fills; a proxy's URL may hold a password."""
    desk.configure(
        "[[exemptions]]\nid = 'old'\nowner = 'o'\nreason = 'r'\nexpires = 2020-01-01\naccount = '1'\n"
    )
    secrets = {"SGSWEEP_EXTERNAL_ID": "hush-hush", "https_proxy": "http://u:hush@127.0.0.1:1"}
    ended = desk.sgsweep("config", "check", "--offline", changes=secrets)
    assert ended.code == 0, ended.err
    assert "SGSWEEP_EXTERNAL_ID: set, for [organization] external_id" in ended.err
    assert "HTTPS_PROXY: set, for [cloud] proxy" in ended.err
    assert "SGSWEEP_CA_FILE: not set; it would fill [cloud] ca_file" in ended.err
    assert "hush" not in ended.err
    assert "EXEMPTION" in ended.err


def test_the_configuration_is_named_between_the_group_and_its_command(desk: Desk) -> None:
    """Before the group, between, and after; the nearest to the command wins."""
    desk.configure("", "good.toml")
    desk.configure("nonsense = 1\n", "bad.toml")
    desk.configure("nonsense = 1\n")
    for line in (
        "-c good.toml config check --offline",
        "-c bad.toml config -c good.toml check --offline",
        "config -c bad.toml check --offline -c good.toml",
    ):
        ended = desk.sgsweep(*line.split())
        assert ended.code == 0, (line, ended.err)
        assert ended.err.startswith("good.toml: ")
    assert desk.sgsweep("config", "check", "--offline").code == 2


def test_the_schema_is_data(desk: Desk) -> None:
    """On stdout, without a configuration, and with the tables at its top."""
    desk.configure("nonsense = 1\n")
    ended = desk.sgsweep("config", "schema")
    assert (ended.code, ended.err) == (0, "")
    assert "organization" in json.loads(ended.out)["properties"]
