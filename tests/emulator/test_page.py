"""docs/emulator.md: what it says to type is run as it stands, and its table of actions is the emulator's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_tea_openapi.client import Client as AnyClient
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from orchestrator.emulator import BENDS, VARIANTS, Group, Kind
from orchestrator.emulator.framework.operations import REGISTRY
from orchestrator.emulator.framework.quirks import Quirks
from orchestrator.emulator.server import control
from tests.emulator.clients import Official

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "emulator.md").read_text(encoding="utf-8")


def block(word: str, language: str = "python") -> str:
    """Return the one code block of the page that has this text in it."""
    (found,) = [one for one in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if word in one]
    return str(found)


def run(word: str) -> dict[str, Any]:
    """Run a block of Python, and return what it made."""
    made: dict[str, Any] = {}
    exec(compile(block(word), word, "exec"), made)  # noqa: S102 - the page's own code
    return made


def test_the_table_of_actions_is_what_there_is() -> None:
    """Each product with its version and its actions: none is missing, none is promised."""
    shown = {}
    rows = re.findall(r"^\| ([a-z]+ \d{4}-\d\d-\d\d[^|]*) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    for products, actions in rows:
        for product in products.split(", "):
            shown[product] = sorted(actions.split(", "))
    known: dict[str, list[str]] = {}
    for (version, action), one in REGISTRY.items():
        known.setdefault(f"{one.product} {version}", []).append(action)
    assert shown == {product: sorted(actions) for product, actions in known.items()}


def test_the_job_starts_it_and_official_clients_work_in_it(tmp_path: Path) -> None:
    """The shell block, with the block of the official clients in its middle, ends with 0 and leaves nothing running."""
    (tmp_path / "sgsweep").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orchestrator.cli "$@"\n')
    (tmp_path / "sgsweep").chmod(0o755)
    (tmp_path / "clients.py").write_text(block("AssumeRoleRequest"))
    job = block("emulator.log", "bash").replace("# ... what you test ...", f'"{sys.executable}" clients.py')
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
    }
    ended = subprocess.run(  # noqa: S603 - the page's own block
        ["bash", "-c", job],  # noqa: S607 - the shell of the machine
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(r"5 \d+\n", ended.stdout)


def test_the_blocks_of_python_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Starting it, what a world expects, a group of one's own, and a test under each variant."""
    run("Throttle(limit=100)")
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")
    run("Expected.of")
    assert min(map(int, capsys.readouterr().out.split())) > 0
    made = run("sg-mine")
    assert made["world"].estate(made["account"], "cn-hangzhou").groups["sg-mine"].rules == (made["rule"],)
    assert run("FlowLog(")["opened"]
    run("VARIANTS")["test_my_client"](next(iter(VARIANTS)))


def test_the_block_of_the_logs_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The official client finds the one record that was put there, by the environment's proxy alone."""
    monkeypatch.setenv("http_proxy", "")
    made = run("LogClient")
    assert capsys.readouterr().out == "True ['1']\n"
    made["client"]._session.close()


def test_the_product_of_the_page_is_one(monkeypatch: pytest.MonkeyPatch, official: Official) -> None:
    """Its module is all that an official client needs to list what it holds; a right is asked for."""
    monkeypatch.setitem(
        REGISTRY, ("2016-04-28", "DescribeVSwitches"), REGISTRY["2014-05-26", "DescribeRegions"]
    )
    run("DescribeVSwitches")
    world, emulator = official.emulator.world, official.emulator
    hub = world.organization.hub_account_id
    world.put(hub, "cn-hangzhou", Group("sg-more", vpc_id="vpc-more"))
    params = Params(
        action="DescribeVSwitches", version="2016-04-28", protocol="HTTP", pathname="/", method="POST",
        auth_type="AK", style="RPC", req_body_type="formData", body_type="json",
    )  # fmt: skip
    query = {"RegionId": "cn-hangzhou", "PageSize": "1"}
    answer = AnyClient(official.config()).call_api(params, OpenApiRequest(query=query), RuntimeOptions())
    there = {one.vpc_id for one in world.estate(hub, "cn-hangzhou").groups.values()} - {""}
    assert answer["body"]["TotalCount"] == len(there) > 1
    assert len(answer["body"]["VSwitches"]["VSwitch"]) == 1
    keys = emulator.enter(next(iter(world.organization.members)), "sgsweep-read").keys
    with pytest.raises(Exception, match="NoPermission"):
        AnyClient(official.config(keys)).call_api(params, OpenApiRequest(query=query), RuntimeOptions())


def test_every_fault_lie_and_route_has_its_words() -> None:
    """What the page names are the kinds and the routes that there are; the quirks it shows are known."""
    words = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)))
    assert {kind.value for kind in Kind} <= words
    assert {kind.value for kind in BENDS} <= words
    assert {f"{method} {name}" for method, name in control._ROUTES} <= words
    assert set(re.findall(r"--quirk (\w+)=", PAGE)) <= set(Quirks.__struct_fields__)
