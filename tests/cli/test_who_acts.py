"""Who acts and against which cloud, as the user sees it: before anything happens, and as an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.desk import Desk

_KEYS = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")


def test_it_stands_on_the_screen_before_anything_happens(desk: Desk, planned: tuple[Path, str]) -> None:
    """The first lines: who, of which account, against what; loud, for it is an emulator. The plan says it again."""
    assert desk.cloud is not None
    for command in (("accounts",), ("scan", "--out", "run", "--port", "22"), ("plan", "run")):
        lines = desk.sgsweep(*command).err.splitlines()
        assert lines[0].startswith("as acs:ram::"), command
        assert f"against {desk.cloud.url}" in lines[0]
        assert lines[1].startswith("NOT ALIBABA CLOUD'S OWN ENDPOINT")
    kept = json.loads((desk.folder / "run" / "summary.json").read_bytes())["cloud"]
    assert kept["endpoint"] == desk.cloud.url
    assert kept["hub_arn"] in lines[0]


def test_two_clouds_end_with_2_and_the_variables_name(desk: Desk) -> None:
    """The file says one endpoint, the environment another: nobody is asked."""
    desk.configure("[cloud]\nendpoint = 'https://gateway.example'\n")
    ended = desk.sgsweep("scan", "--out", "run")
    assert ended.code == 2
    assert "SGSWEEP_ENDPOINT and [cloud] endpoint of the configuration say different things" in ended.last
    assert not (desk.folder / "run").exists()


@pytest.mark.parametrize("name", [*_KEYS, "ALIBABA_CLOUD_SECURITY_TOKEN"])
def test_a_key_with_a_line_end_ends_with_2_and_the_variables_name(desk: Desk, name: str) -> None:
    """One line, without the key."""
    ended = desk.sgsweep("accounts", changes={name: "hush\r\nX-Forged: 1"})
    assert ended.code == 2
    assert ended.last.startswith(f"sgsweep: {name} holds a line end")
    assert "hush" not in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_profile_that_failed_is_refused_where_somebody_else_is_found(desk: Desk) -> None:
    """Exit 4 and both names; the CLI's profile enters a role that does not exist, the other file has keys."""
    assert desk.cloud is not None
    key, secret = (desk.cloud.keys[name] for name in _KEYS)
    profile = {
        "name": "prod", "mode": "RamRoleArn", "access_key_id": key, "access_key_secret": secret,
        "ram_role_arn": "acs:ram::1:role/nobody", "external_id": "hush",
    }  # fmt: skip
    (desk.folder / ".aliyun").mkdir()
    (desk.folder / ".aliyun" / "config.json").write_text(
        json.dumps({"current": "prod", "profiles": [profile]})
    )
    without = dict.fromkeys(_KEYS, "")
    alone = desk.sgsweep("accounts", changes=without)
    assert alone.code == 2
    assert "profile prod of " in alone.last
    (desk.folder / ".alibabacloud").mkdir()
    (desk.folder / ".alibabacloud" / "credentials.ini").write_text(
        f"[default]\ntype = access_key\naccess_key_id = {key}\naccess_key_secret = {secret}\n"
    )
    ended = desk.sgsweep("accounts", changes=without)
    assert ended.code == 4, ended.err
    assert "profile prod of " in ended.last
    assert f"another identity, {key} of profile default of " in ended.last
    assert "hush" not in ended.err + alone.err
    assert secret not in ended.err + alone.err
