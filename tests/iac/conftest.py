"""Nothing of where the tests run is in the way."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from accounts import Account
from orchestrator.config import defaults, load
from orchestrator.emulator import World, WorldOutline
from orchestrator.emulator.world.model import Group, Rule
from orchestrator.journal import Observed, RunHeader, SqliteJournal
from orchestrator.policy import evaluate
from orchestrator.run.criteria import Criteria
from orchestrator.securitygroup import Placement
from tests.run.conftest import Desk, MakeDesk, desk_at
from tests.terraform.cloud import Setting
from tests.terraform.conftest import serve

__all__ = ["desk_at"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No config.toml is near."""
    monkeypatch.chdir(tmp_path)


MakeScan = Callable[..., Path]


@dataclass(frozen=True)
class Workspace:
    """A folder of Terraform code, and the real terraform with a stand-in for the provider."""

    binary: str
    environment: dict[str, str]
    folder: Path

    def write(self, **files: str) -> None:
        """Write `main="…"` to main.tf, `net__main="…"` to net/main.tf; each module names its provider."""
        for name, text in files.items():
            path = self.folder / f"{name.replace('__', '/')}.tf"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            (path.parent / "versions.tf").write_text(_VERSIONS)

    def run(self, *arguments: str) -> str:
        """Run one terraform command; what it says is the error where it fails."""
        ran = subprocess.run(  # noqa: S603  (the binary found on PATH)
            [self.binary, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def plan(self, name: str = "plan.json") -> Path:
        """Plan, and write what `terraform show -json` says of it."""
        self.run("init", "-backend=false", "-input=false")
        self.run("plan", "-input=false", "-out", "tfplan")
        path = self.folder / name
        path.write_text(self.run("show", "-json", "tfplan"))
        return path

    def apply(self) -> Path:
        """Apply the plan, and write what `terraform show -json` says of the state."""
        self.run("apply", "-input=false", "tfplan")
        return self.state()

    def state(self) -> Path:
        """Write what `terraform show -json` says of the state."""
        path = self.folder / "state.json"
        path.write_text(self.run("show", "-json"))
        return path


_VERSIONS = """terraform {
  required_providers {
    alicloud = { source = "aliyun/alicloud" }
  }
}
"""
SCHEMA = Path(__file__).parent / "schema.txt"


@pytest.fixture(scope="session")
def terraform_binary() -> str:
    """The real terraform."""
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("there is no terraform on PATH; real plans are not judged here")
    return found


@pytest.fixture
def workspace(terraform_binary: str, tmp_path: Path) -> Iterator[Workspace]:
    """A folder for code, with a provider of its own."""
    cloud, code = tmp_path / "cloud", tmp_path / "code"
    cloud.mkdir()
    code.mkdir()
    Setting().write(cloud / "setting.json")
    provider = serve(cloud, SCHEMA)
    yield Workspace(terraform_binary, next(provider), code)
    next(provider, None)


def opened(rule_id: str, ports: str, source: str, **fields: str | int) -> Rule:
    """A rule of the emulator's: TCP from an IPv4 block."""
    return Rule(security_group_rule_id=rule_id, port_range=ports, source_cidr_ip=source, **fields)  # type: ignore[arg-type]


@pytest.fixture
def scanned_for_real(desk_at: MakeDesk) -> MakeScan:
    """Scan an emulated organization whose hub has these groups; return the run folder."""

    def make(*groups: Group) -> Path:
        world = World.generate(WorldOutline(5, 0, region_ids=1, groups_per_account=0))
        for group in groups:
            world.put(world.organization.hub_account_id, world.region_ids[0], group)
        desk: Desk = desk_at(world)
        desk.scan("run", organization={"include_hub": True})
        return desk.folder / "run"

    return make


@pytest.fixture
def scanned(tmp_path: Path) -> MakeScan:
    """The run folder that a scan of these groups leaves, without the scan: it is quick."""

    def make(*groups: Group, config: Path | None = None) -> Path:
        checks = defaults().checks if config is None else load(config, {}).checks
        asyncio.run(_recorded(tmp_path / "run", groups, Criteria(checks)))
        return tmp_path / "run"

    return make


async def _recorded(folder: Path, groups: Sequence[Group], judgement: Criteria) -> None:
    header = RunHeader(
        run_id="run-1",
        created_at="2026-11-01T00:00:00+00:00",
        hub_account_id="1001",
        hub_arn="acs:ram::1001:root",
        endpoint="alibaba-cloud/china",
        settings={
            "judgement": msgspec.to_builtins(judgement),
            "remediation": msgspec.to_builtins(defaults().remediation),
        },
    )
    async with SqliteJournal.create(folder, header) as journal:
        await journal.add_accounts([Account("1001")])
        claim = await journal.claim("1001")
        assert claim is not None
        for group in groups:
            seen = Observed(
                placement=Placement("1001"),
                region_id="cn-hangzhou",
                listing={
                    "SecurityGroupId": group.security_group_id,
                    "SecurityGroupName": group.name,
                    "VpcId": group.vpc_id,
                    "SecurityGroupType": group.kind,
                },
                attribute={"InnerAccessPolicy": group.inner_access_policy},
                permissions=tuple([msgspec.to_builtins(rule) for rule in group.rules]),
            )
            found = evaluate(seen.group(), judgement.checks, datetime.now(UTC))
            await journal.record_group(claim, seen, found)
        await journal.region_done(claim, "cn-hangzhou", {})
