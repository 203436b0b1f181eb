"""The real terraform over copies of terraform/, with a stand-in for the provider."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.terraform.cloud import ACCOUNT, GLOBAL, ROOT_FOLDER, Setting, Values

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "terraform"
SHARED = ROOT.parent / "shared" / "terraform" / "alicloud-schema.json"
SCHEMA = Path(__file__).parent / "schema.txt"
_TOLD = {"action_policy_id": "security-on-call", "alarm_contact_groups": '["security"]'}
_ORGANIZATION = {
    **_TOLD,
    "security_account_id": ACCOUNT,
    "security_role_arn": f"acs:ram::{ACCOUNT}:role/sgsweep-terraform",
    "folder_ids": f'["{ROOT_FOLDER}"]',
    "external_id": "an-external-id",
    "operator_arns": f'["acs:ram::{ACCOUNT}:user/alice"]',
}
# what is applied: the folder, and the variables that have no default
EXAMPLES: dict[str, tuple[str, dict[str, str]]] = {
    "single-account": ("single-account", _TOLD),
    "organization": ("organization", _ORGANIZATION),
    "existing": (
        "organization",
        {
            **_ORGANIZATION,
            "aggregator_id": GLOBAL,
            "delegate": "false",
            "folder_ids": '["fd-shop", "fd-bank"]',
        },
    ),
}
# how the cloud is for it
SETTINGS = {
    "single-account": Setting(),
    "organization": Setting(),
    "existing": Setting(
        delegated=[ACCOUNT],
        aggregators=[
            {"id": GLOBAL, "name": "everyone", "type": "RD", "accounts": list(Setting().members)},
        ],
    ),
}


@dataclass(frozen=True)
class Terraform:
    """Runs terraform in one folder of a copy of terraform/, against a cloud of its own."""

    binary: str
    environment: dict[str, str]
    tree: Path
    cloud: Path

    def run(self, folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one terraform command; never raises for its exit code."""
        return subprocess.run(  # noqa: S603  # the binary found on PATH
            [self.binary, *arguments],
            cwd=self.tree / folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def init(self, folder: str) -> None:
        """Make a folder ready to be worked in."""
        made = self.run(folder, "init", "-backend=false", "-input=false")
        assert made.returncode == 0, made.stderr

    def validate(self, folder: str) -> Values:
        """Return what `terraform validate -json` says."""
        self.init(folder)
        answer: Values = json.loads(self.run(folder, "validate", "-json").stdout)
        return answer

    def set(self, setting: Setting) -> None:
        """Say how the cloud is from now on."""
        setting.write(self.cloud / "setting.json")

    def found(self) -> Values:
        """Return what is in the cloud: things, roles and stacks, as `cloud.Cloud` has them."""
        path = self.cloud / "found.json"
        answer: Values = json.loads(path.read_text()) if path.exists() else {"things": {}}
        return answer

    def do(self, command: str, example: str, **variables: str) -> Said:
        """Run `plan`, `apply` or `destroy` on an example; another variable replaces the example's own."""
        folder, given = EXAMPLES[example]
        given = {"zip_path": str(self.tree / "function.zip"), **given, **variables}
        path = f"examples/{folder}"
        if not (self.tree / path / ".terraform").exists():
            self.init(path)
        approved = () if command == "plan" else ("-auto-approve",)
        arguments = [f"-var={key}={value}" for key, value in given.items() if value != "null"]
        ran = self.run(path, command, *approved, "-input=false", "-no-color", *arguments)
        return Said(ran.returncode == 0, _flat(ran.stdout), _flat(ran.stderr))

    def state(self, example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `terraform state` on an example."""
        return self.run(f"examples/{EXAMPLES[example][0]}", "state", *arguments)

    def resources(self, example: str, **variables: str) -> list[Values]:
        """Return every resource of an example as after `terraform apply`; [] where it is refused."""
        self.set(SETTINGS[example])
        if not self.do("apply", example, **variables).works:
            return []
        folder = f"examples/{EXAMPLES[example][0]}"
        state = json.loads(self.run(folder, "show", "-json").stdout)
        return list(_resources(state["values"]["root_module"]))


class Said(NamedTuple):
    """Whether a terraform command worked, what it did and warned of, and its errors, each on one line."""

    works: bool
    text: str
    errors: str


def _flat(text: str) -> str:
    return re.sub(r"[│╷╵\s]+", " ", text)


def _resources(module: Values) -> Iterator[Values]:
    yield from (one for one in module.get("resources", ()) if one["mode"] == "managed")
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def serve(folder: Path, schema: Path = SCHEMA) -> Iterator[dict[str, str]]:
    """Keep a stand-in running; give the environment in which terraform finds it."""
    tell = "import os, sys; print(os.environ['TF_REATTACH_PROVIDERS'], flush=True); sys.stdin.read()"
    standin = ["-m", "tests.terraform.standin", str(schema)]
    command = [sys.executable, *standin, "--", sys.executable, "-c", tell]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    with subprocess.Popen(  # noqa: S603  # our own scripts
        command,
        cwd=ROOT,
        env={**environment, "STANDIN_FOLDER": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        reattach = process.stdout.readline().strip()
        assert reattach, "the provider stand-in did not start"
        yield {
            **environment,
            "CHECKPOINT_DISABLE": "1",
            "TF_REATTACH_PROVIDERS": reattach,
            "TF_IN_AUTOMATION": "1",
        }
        process.stdin.close()


@pytest.fixture(scope="session")
def terraform_binary() -> str:
    """The real terraform."""
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("there is no terraform on PATH; the Terraform modules are not checked here")
    return found


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    """The folder in which a test says how the cloud is, and finds what is in it."""
    folder = tmp_path / "cloud"
    folder.mkdir()
    return folder


@pytest.fixture
def provider(terraform_binary: str, cloud: Path) -> Iterator[dict[str, str]]:
    """The environment of terraform with a stand-in of the test's own."""
    yield from serve(cloud)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of terraform/ that a test may change, with a zip."""
    copy = tmp_path / "terraform"
    shutil.copytree(MODULES, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    (copy / "function.zip").write_bytes(b"a zip")
    return copy


@pytest.fixture
def terraform(terraform_binary: str, provider: dict[str, str], tree: Path, cloud: Path) -> Terraform:
    """Terraform over a copy of the modules."""
    return Terraform(terraform_binary, provider, tree, cloud)
