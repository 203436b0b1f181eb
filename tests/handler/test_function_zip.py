"""The built zips: the same bytes each time, nothing too much, and they run under their own interpreters alone."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from orchestrator.emulator import Emulator, Group, World, WorldOutline
from orchestrator.emulator.services.function_compute import Function, FunctionCompute, invoke, unpack
from tests.handler.conftest import REGION, accept

ROOT = Path(__file__).parents[2]
RUNTIMES = ("3.10", "3.12")


def load_build() -> ModuleType:
    """function/build.py as a module."""
    spec = importlib.util.spec_from_file_location("build_function", ROOT / "function" / "build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILD = load_build()


@pytest.fixture(scope="session", params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """One of the runtimes."""
    return str(request.param)


@pytest.fixture(scope="session")
def wheels(runtime: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime's wheels."""
    folder = tmp_path_factory.mktemp(f"wheels-{runtime}")
    try:
        BUILD.fetch(runtime, folder)
    except SystemExit as error:
        pytest.skip(f"{error}: no package index can be reached")
    return folder


@pytest.fixture(scope="session")
def zipped(runtime: str, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime's zip."""
    target = tmp_path_factory.mktemp("zip") / f"{runtime}.zip"
    BUILD.write(target, {**BUILD.unpacked(wheels.glob("*.whl")), **BUILD.own()})
    return target


@pytest.fixture(scope="session")
def unzipped(zipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip in an empty folder, as Function Compute has it in /code."""
    return unpack(zipped, tmp_path_factory.mktemp("code"))


def interpreter(runtime: str) -> str:
    """The runtime's own interpreter, wherever it is; "" where there is none."""
    installed = sorted(Path.home().glob(f".pyenv/versions/{runtime}.*/bin/python"))
    for candidate in (shutil.which(f"python{runtime}"), *map(str, installed)):
        if candidate:
            ask = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            try:
                said = subprocess.run(ask, capture_output=True, text=True, check=False)  # noqa: S603 - a Python found here
            except OSError:  # another user's, which we may not start
                continue
            if said.stdout.strip() == runtime:
                return candidate
    return ""


@pytest.fixture(scope="session")
def python(runtime: str) -> str:
    """The runtime's own interpreter."""
    found = interpreter(runtime)
    if not found:
        pytest.skip(f"there is no Python {runtime} on this machine; the zip for it is built but not run")
    return found


def opened() -> World:
    """A world with one group in a member that opens 22 to everyone."""
    world = World.generate(WorldOutline(5, 1, region_ids=2, groups_per_account=1))
    member = next(iter(world.organization.members))
    rules = (accept("sgr-ssh"), accept("sgr-web", "443/443"))
    world.estate(member, REGION).groups["sg-test"] = Group(
        security_group_id="sg-test", vpc_id="vpc-1", rules=rules
    )
    return world


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    """A cloud with that group."""
    with Emulator(opened()) as emulator:
        yield emulator


def deployed(cloud: Emulator, ledger: Path, folder: Path | None, python: str, runtime: str = "") -> Function:
    """The function as Terraform deploys it, with the runtime's way to give credentials."""
    keys = cloud.hub_credentials
    environment = {
        "SGSWEEP_ENDPOINT": cloud.http_url,
        "SGSWEEP_PORTS": "22,3389",
        "SGSWEEP_MODE": "apply",
        "SGSWEEP_LEDGER": f"file://{ledger}",
        "SGSWEEP_REMEDIATION_ROLE": "sgsweep-remediate",
    }
    return Function(
        account_id=cloud.world.organization.hub_account_id,
        region_id=REGION,
        keys=(keys.access_key_id, keys.access_key_secret, ""),
        environment=environment,
        folder=folder,
        python=python,
        module="index" if folder else "orchestrator.handler",
        context_credentials=runtime == "3.10",
        retry_seconds=0.01,
    )


def about(cloud: Emulator) -> bytes:
    """What Cloud Config says of the group."""
    member = next(iter(cloud.world.organization.members))
    item = {"accountId": int(member), "regionId": REGION, "resourceId": "sg-test"}
    return json.dumps([{**item, "resourceType": "ACS::ECS::SecurityGroup"}]).encode()


def test_same_bytes(zipped: Path, wheels: Path, tmp_path: Path) -> None:
    """The same wheels and sources give the same zip, byte for byte."""
    again = tmp_path / "again.zip"
    BUILD.write(again, dict(reversed({**BUILD.own(), **BUILD.unpacked(wheels.glob("*.whl"))}.items())))
    assert again.read_bytes() == zipped.read_bytes()


def test_only_what_the_handler_needs(zipped: Path, runtime: str) -> None:
    """The entry is at the root, the command and the emulator are not in it, and the wheels are of the runtime."""
    names = set(zipfile.ZipFile(zipped).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {"index.py", "orchestrator", "accounts", "aiohttp", "msgspec"} <= tops
    assert not tops & {"typer", "rich", "jinja2", "pip", "tests"}
    assert not [
        name
        for name in names
        if name.startswith(("orchestrator/emulator", "orchestrator/cli", "orchestrator/run"))
    ]
    native = [name for name in names if name.endswith(".so") and "cpython-3" in name]
    assert native
    assert all(f"cpython-{runtime.replace('.', '')}" in name for name in native)
    assert zipped.stat().st_size < 30_000_000


def test_it_runs_alone(cloud: Emulator, unzipped: Path, python: str, runtime: str, tmp_path: Path) -> None:
    """With nothing else on the path the function closes 22 and leaves 443, and answers Cloud Config's rule."""
    function = deployed(cloud, tmp_path / "ledger", unzipped, python, runtime)
    done = invoke(function, "handler", about(cloud))
    assert done.error == "", (done.message, done.log)
    member = next(iter(cloud.world.organization.members))
    left = cloud.world.estate(member, REGION).groups["sg-test"].rules
    assert [rule.security_group_rule_id for rule in left] == ["sgr-web"]
    assert invoke(function, "on_event", b"{}").error == ""
    assert invoke(function, "evaluate", b"{}").error == "EventError"


def test_retries_and_the_dead_letter(cloud: Emulator, tmp_path: Path) -> None:
    """What fails is tried again twice, then kept for a person."""
    cloud.world.roles[next(iter(cloud.world.organization.members))] = {}
    functions = FunctionCompute()
    functions.deploy("arn", deployed(cloud, tmp_path / "ledger", None, sys.executable), "handler")
    ended: list[str] = []
    functions.invoke_async("arn", about(cloud), ended.append)
    deadline = time.monotonic() + 60
    while not ended and time.monotonic() < deadline:
        time.sleep(0.02)
    functions.stop()
    assert [one.error for one in functions.ended] == ["RemediationFailed"] * 3
    assert len(functions.dead_letters) == 1
    assert "EntityNotExist.Role" in ended[0]
